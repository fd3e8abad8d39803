"""The server's end of a line to one worker: a socket for headers, slots for tensors."""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from paddleport.serve.hosting.request_queue import Request
from paddleport.serve.hosting.shared_slot import SharedSlot
from paddleport.serve.hosting.worker_messages import Answer, Ask, Frames, answer_decoder, framed
from paddleport.serve.hosting.worker_service import LineEnd
from paddleport.tensors import Array

_READ_BYTES = 1 << 16


@dataclass(eq=False, kw_only=True)
class Sent:
    """What a worker is computing, or has waiting before it.

    Attributes:
        requests: whose feeds are in it, in their order along the batch axis.
        slot: its number.
        memory: the slot.
        sent: on the monotonic clock.
    """

    requests: list[Request]
    slot: int
    memory: SharedSlot
    sent: float


class WorkerLine:
    """One line; everything but its making happens in the event loop's thread.

    Attributes:
        streams: how many the worker computes at a time.
    """

    def __init__(self, slots: int) -> None:
        self._socket, self._far = socket.socketpair()
        self._socket.setblocking(False)
        self._slots = [SharedSlot.create() for _ in range(slots)]
        self._idle = list(range(slots))
        self._sent: dict[int, Sent] = {}
        self._frames, self._number, self._last = Frames(), 0, 0.0
        self._lost, self.streams = False, slots

    @property
    def end(self) -> LineEnd:
        """What the worker is told of it."""
        slots = tuple(slot.descriptor for slot in self._slots)
        return LineEnd(socket=self._far.fileno(), slots=slots)

    def started(
        self,
        streams: int,
        ahead: int,
        on_answer: Callable[["WorkerLine", Sent, Answer], None],
        on_lost: Callable[[], None],
    ) -> None:
        """The worker answers from now on.

        Args:
            streams: how many it computes at a time.
            ahead: how many may wait before it, so that it need not.
            on_answer: called with each answer, while the slot is still the request's.
            on_lost: called once, when the worker has closed its end.
        """
        self._far.close()
        self.streams = min(streams, len(self._idle))
        del self._idle[streams + ahead :]
        self._on_answer, self._on_lost = on_answer, on_lost
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)

    @property
    def has_room(self) -> bool:
        """Whether one more can be sent."""
        return bool(self._idle) and not self._lost

    @property
    def load(self) -> int:
        """How many are there."""
        return len(self._sent)

    def send(self, requests: list[Request], feed: Mapping[str, Array], deadline: float) -> None:
        """Give the worker one feed, of one request or several.

        Raises:
            OSError: there is no memory for it.
            ValueError: it is too large.
        """
        index = self._idle[-1]
        slot = self._slots[index]
        tensors = slot.put(feed)
        slot.begin(0.0)
        self._idle.pop()
        self._number += 1
        sent = Sent(requests=requests, slot=index, memory=slot, sent=time.monotonic())
        self._sent[self._number] = sent
        message = framed(Ask(self._number, index, slot.size, tensors, deadline))
        try:
            if self._socket.send(message) == len(message):
                return
        except OSError:
            pass
        self._lose()  # gone, or it no longer reads the little that it is sent

    def hangs(self, timeout_s: float) -> bool:
        """Whether something takes longer than it may."""
        now = time.monotonic()
        return any(
            now - (sent.memory.began or max(sent.sent, self._last)) > timeout_s
            for sent in self._sent.values()
        )

    def take_back(self) -> tuple[list[Request], list[Request]]:
        """All requests that have no answer: those that were begun, and those that were not."""
        begun: list[Request] = []
        waiting: list[Request] = []
        for sent in self._sent.values():
            (begun if sent.memory.began else waiting).extend(sent.requests)
        self._sent.clear()
        return begun, waiting

    def close(self) -> None:
        """Give its memory back; a second call does nothing. ``take_back`` comes before."""
        self._lost = True
        if self._socket.fileno() >= 0:
            if hasattr(self, "_loop"):
                self._loop.remove_reader(self._socket)
            self._socket.close()
        self._far.close()
        for slot in self._slots:
            slot.close()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self._lose()
        try:
            for message in self._frames.add(data):
                self._answered(answer_decoder.decode(message))
        except msgspec.MsgspecError:  # its memory is damaged
            self._lose()

    def _answered(self, answer: Answer) -> None:
        self._last = time.monotonic()
        sent = self._sent.pop(answer.number, None)
        if sent is None:
            return
        sent.memory.seen(answer.size)
        try:
            self._on_answer(self, sent, answer)
        finally:
            sent.memory.trim()
            self._idle.append(sent.slot)

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self._loop.remove_reader(self._socket)
            self._on_lost()
