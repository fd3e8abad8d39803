"""A request and an answer of HTTP, as the routes have them."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from paddleport.errors import PortError
from paddleport.process import return_free_memory
from paddleport.serve.failures import Failure
from paddleport.serve.open_inference.datatypes import ProtocolError, TooLargeError
from paddleport.serve.rest.interruption import Interruption

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MOST_FIELDS = 100
_LARGE_BODY_BYTES, _RETURNED_AFTER_S = 2**24, 1.0


class HttpError(PortError):
    """An answer by its status alone.

    Attributes:
        status: the code.
        headers: that belong to it.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})


class GoneError(PortError):
    """The client has hung up, so nobody is to be answered."""


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """What a client sent, but for its body.

    Attributes:
        method, path: as sent; the path is decoded.
        query: the first value of each name.
        headers: by lower-case name, the last value of each.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @classmethod
    def of(cls, scope: Scope) -> "HttpRequest":
        """The one of a connection; raises ProtocolError for a query that can't be read."""
        try:
            pairs = parse_qsl(
                scope["query_string"].decode("ascii"),
                keep_blank_values=True,
                max_num_fields=_MOST_FIELDS,
            )
        except ValueError as error:
            raise ProtocolError(f"the query can't be read: {error}") from None
        return cls(
            method=scope["method"],
            path=scope["path"],
            query=dict(reversed(pairs)),
            headers={
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            },
        )


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, send: Send, *, body: bool = True) -> None:
        """Send it, without its body where only its headers were asked for."""
        headers = {**self.headers, "content-length": str(len(self.body))}
        listed = [
            (name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": listed})
        await send({"type": "http.response.body", "body": self.body if body else b""})


def json_answer(
    values: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpAnswer:
    """An answer in JSON."""
    told = {"content-type": "application/json", **(headers or {})}
    return HttpAnswer(status=status, body=msgspec.json.encode(values), headers=told)


def failed_answer(failure: Failure) -> HttpAnswer:
    """An error's, which says in one line what is wrong."""
    headers = {}
    if failure.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(failure.retry_after_s)))
    if failure.http in (408, 413):
        headers["connection"] = "close"  # what the client still sends is not read
    return json_answer({"error": failure.message}, failure.http, headers)


class BodyReader:
    """Reads bodies, no larger than they may be, no slower, and not too much of them at a time."""

    def __init__(self, *, most_bytes: int, most_bytes_at_a_time: int, timeout_s: float) -> None:
        self._most, self._timeout_s = most_bytes, timeout_s
        self._left = max(most_bytes, most_bytes_at_a_time)
        self._whole = self._left
        self._returning: asyncio.TimerHandle | None = None

    @property
    def held_bytes(self) -> int:
        """What the bodies that are being read or answered hold now."""
        return self._whole - self._left

    def check_length(self, request: HttpRequest) -> None:
        """Refuse a body that says itself that it is larger than it may be.

        Raises:
            TooLargeError: it does.
        """
        told = request.headers.get("content-length", "")
        if told.isdigit() and int(told[:20]) > self._most:
            raise TooLargeError(f"a body of {told[:20]} bytes: {self._most} is the most")

    async def read(self, receive: Receive) -> bytes:
        """All of a body; ``give_back`` its length when it is no longer needed.

        Raises:
            TooLargeError: it is larger than it may be.
            HttpError: it did not come in time, or the server holds too much already.
            GoneError: the client hung up.
        """
        with Interruption() as late:
            timer = asyncio.get_running_loop().call_later(self._timeout_s, late.happen)
            try:
                return await self._chunks(receive)
            except asyncio.CancelledError:
                if not late.happened:
                    raise
                why = f"the body did not come within {self._timeout_s:g} s"
                raise HttpError(408, why, {"connection": "close"}) from None
            finally:
                timer.cancel()

    async def _chunks(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise GoneError
                chunk = message.get("body", b"")
                self._take(len(chunk))
                size += len(chunk)
                chunks.append(chunk)
                if size > self._most:
                    raise TooLargeError(f"the body is larger than {self._most} bytes")
                if not message.get("more_body"):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        except BaseException:
            self.give_back(size)
            raise

    def give_back(self, size: int) -> None:
        """So many bytes are no longer held."""
        self._left += size
        if size >= _LARGE_BODY_BYTES and self._returning is None:
            loop = asyncio.get_running_loop()
            self._returning = loop.call_later(_RETURNED_AFTER_S, self._return_memory)

    def _return_memory(self) -> None:
        """The pieces of large bodies leave holes in the heap, which the C library would keep."""
        self._returning = None
        return_free_memory()

    def _take(self, size: int) -> None:
        if size > self._left:
            raise HttpError(
                503,
                "the server holds as many bytes of requests as it may",
                {"retry-after": "1", "connection": "close"},
            )
        self._left -= size
