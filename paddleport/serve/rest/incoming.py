"""A request as it comes on a connection: its headers, its body on the way, and the way back."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import numpy as np

from paddleport.errors import PortError
from paddleport.serve.rest.http_messages import HttpAnswer, HttpRequest

Body = bytes | memoryview


class GoneError(PortError):
    """The client has hung up, so nobody is to be answered."""


class Line(Protocol):
    """A connection as its requests know it."""

    def asked_for(self, incoming: "Incoming") -> None:
        """A request's body is wanted now."""

    def answer(self, incoming: "Incoming", answer: HttpAnswer) -> None:
        """Send a request's answer."""


class IncomingBody:
    """A body on its way.

    One that says its length is received where it stays, without the parser: each piece through it
    would be two copies.

    Attributes:
        size: bytes that have come.
        complete: all of them have.
        asked: somebody waits for it, and counts what comes.
    """

    def __init__(self, length: int) -> None:
        """Nothing has come yet.

        Args:
            length: of all of it; 0 where that is not known, or it is not to be received so.
        """
        self._length = length
        # Not zeroed: pages that nothing has come for are never touched.
        self._memory = np.empty(length, np.uint8).data if length else None
        self._gathered = bytearray()  # which grows where it lies, and leaves no holes in the heap
        self.size = self._told = 0
        self.complete = self._discarded = False
        self._arrived: Callable[[int], object] | None = None
        self._done: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    @property
    def asked(self) -> bool:
        """As above."""
        return self._arrived is not None

    @property
    def is_filled(self) -> bool:
        """Whether as much has come as it said."""
        return self.size == self._length

    def room(self, scratch: memoryview) -> memoryview | None:
        """Where what comes next is to be received; ``None`` where the parser is to see it.

        Args:
            scratch: for what nobody wants any more.
        """
        if not self._length or self.complete:
            return None
        return (
            scratch[: self._length - self.size]
            if self._memory is None
            else self._memory[self.size :]
        )

    def filled(self, count: int) -> None:
        """So many bytes have been received into ``room``."""
        self.size += count
        self._tell()

    def add(self, piece: bytes) -> None:
        """A piece that the parser has found."""
        if self._memory is not None:
            self._memory[self.size : self.size + len(piece)] = piece
        elif not self._discarded:
            self._gathered += piece
        self.size += len(piece)
        self._tell()

    def discard(self) -> None:
        """Nobody wants it any more: what has come of it is let go, and what comes."""
        self._discarded, self._memory, self._gathered = True, None, bytearray()
        self._arrived = None

    def end(self) -> None:
        """That was all of it; a body that is shorter than it said is none."""
        if self.size < self._length and not self._discarded:
            self.fail(GoneError())
            return
        self.complete = True
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def fail(self, error: Exception) -> None:
        """The rest of it will not come, or is not to."""
        self._error = error
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)

    def ask(self, arrived: Callable[[int], object]) -> None:
        """Somebody wants it.

        Args:
            arrived: called with each further count of bytes; what it raises ends the reading.
        """
        self._arrived = arrived
        self._tell()

    async def whole(self) -> Body:
        """All of it.

        Raises:
            GoneError: the client hung up.
            PortError: ``arrived`` did.
        """
        if self._error is not None:
            raise self._error
        if not self.complete:
            self._done = asyncio.get_running_loop().create_future()
            await self._done
        return memoryview(self._gathered) if self._memory is None else self._memory[: self.size]

    def _tell(self) -> None:
        if self._arrived is None or self._error is not None or self.size == self._told:
            return
        told, self._told = self._told, self.size
        try:
            self._arrived(self.size - told)
        except PortError as error:
            self.fail(error)


class Incoming:
    """A request on its connection; used in the event loop's thread.

    Attributes:
        request: without its body.
        body: on its way.
        keep_alive: whether another one may follow.
        expects: the client waits for a word before it sends the body.
        answered: its answer was sent.
        lost: nobody is there any more.
    """

    def __init__(
        self, line: Line, request: HttpRequest, body: IncomingBody, *, keep_alive: bool
    ) -> None:
        self.request, self.body, self.keep_alive = request, body, keep_alive
        self.expects = request.headers.get("expect", "").lower() == "100-continue"
        self.answered = self.lost = False
        self._line = line
        self._on_lost: Callable[[], object] | None = None

    def on_lost(self, callback: Callable[[], object]) -> None:
        """Have this called once the client has hung up; at once if it has."""
        self._on_lost = callback
        if self.lost:
            callback()

    async def read(self, arrived: Callable[[int], object]) -> Body:
        """Its body, as ``IncomingBody.ask`` and ``whole``."""
        self.body.ask(arrived)
        self._line.asked_for(self)
        return await self.body.whole()

    def answer(self, answer: HttpAnswer) -> None:
        """Send this, unless nobody is there any more."""
        if not self.lost:
            self._line.answer(self, answer)

    def lose(self) -> None:
        """The client has hung up."""
        self.lost = True
        self.body.fail(GoneError())
        if self._on_lost is not None:
            self._on_lost()
