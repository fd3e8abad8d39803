"""uvicorn's HTTP, with limits on what comes beside a request's body."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADER_BYTES = 65536
MOST_HEADERS = 100
HEADER_TIMEOUT_S = 10.0
LINGER_S = 10.0
MOST_LINGERED_BYTES = 2**28
PIECES_BYTES = 2**26
LARGEST_PIECE_BYTES = 2**20
SMALLEST_PIECE_BYTES = 2**16  # as uvicorn has it


class GuardedHttp(HttpToolsProtocol):
    """Closes connections whose headers are too many, too long or too slow.

    uvicorn limits neither with httptools, nor how long a new connection says nothing.

    A connection that ends with an answer to a body that is still being sent is closed when the
    client has closed it, or after ``LINGER_S`` or ``MOST_LINGERED_BYTES`` that are thrown away:
    closed at once, it would be reset, and many clients see an answer only once they have sent
    everything. The rest of such a body has ``LINGER_S`` as well where the connection is kept.

    A body is handed on in pieces of up to ``LARGEST_PIECE_BYTES``, all connections' together about
    ``PIECES_BYTES``: each costs a turn of the loop, a copy, and a stop and start of reading.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*arguments, **options)
        self._before_body = 0  # bytes since the last request's end, or -1 within a body
        self._too_slow: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._lingered = 0
        self._body_bytes = 0
        self._between = 0  # bytes since the last ones of a body: chunks' extensions, trailers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Have it say what it wants soon."""
        super().connection_made(transport)
        self._answering = _AnsweringEnd(transport, self._end)
        self._too_slow = self.loop.call_later(HEADER_TIMEOUT_S, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for."""
        self._in_time()
        if self._lingering is not None:
            self._lingering.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before a body; a chunk may end headers and begin a body."""
        if self._lingering is not None:
            self._lingered += len(data)
            if self._lingered > MOST_LINGERED_BYTES:
                self._close()
            return
        while self._before_body >= 0 and not self.transport.is_closing():
            if self._too_slow is None:  # the next request of a connection that was kept
                self._too_slow = self.loop.call_later(HEADER_TIMEOUT_S, self._close)
            room = MOST_HEADER_BYTES - self._before_body
            if len(data) <= room:
                self._before_body += len(data)
                break
            self._before_body = MOST_HEADER_BYTES
            super().data_received(data[:room])
            data = data[room:]
            if self._before_body == MOST_HEADER_BYTES and not self.transport.is_closing():
                self.send_400_response(f"More than {MOST_HEADER_BYTES} bytes of headers.")
        if not self.transport.is_closing():
            body_bytes = self._body_bytes
            super().data_received(data)
            bodiless = self._before_body < 0 and self._body_bytes == body_bytes
            self._between = self._between + len(data) if bodiless else 0
            if self._between > MOST_HEADER_BYTES:
                self._close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse the one too many; what is raised here, uvicorn answers with 400.

        What comes after a body is left out: it would be taken for the request's own.
        """
        if self._before_body < 0:
            return
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The rest is the body's, and its reader's to limit."""
        self._before_body = -1
        self._in_time()
        super().on_headers_complete()
        self.cycle.transport = self._answering  # type: ignore[assignment]  # all that it calls

    def on_body(self, body: bytes) -> None:
        """Hand it on once there is enough of it; its end does so as well."""
        self._body_bytes += len(body)
        if self.cycle.response_complete:
            return
        self.cycle.body += body
        share = min(PIECES_BYTES // len(self.connections), LARGEST_PIECE_BYTES)
        if len(self.cycle.body) > max(share, SMALLEST_PIECE_BYTES):
            self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """What comes now are the next request's headers."""
        self._before_body = 0
        self._in_time()
        super().on_message_complete()
        if self.cycle.response_complete:  # before the end of its body, which has stopped the clock
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """What is still on its way of a body that nobody waits for has to come soon."""
        if self._before_body < 0 and self.cycle.response_complete and self._too_slow is None:
            self._too_slow = self.loop.call_later(LINGER_S, self._close)
        super().on_response_complete()

    def _in_time(self) -> None:
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _end(self) -> None:
        """Close after an answer; at once where no body is on its way, or room is short."""
        short = len(self.connections) >= (self.limit_concurrency or float("inf"))
        if self._before_body >= 0 or short or self.transport.is_closing():
            self._close()
            return
        self.pipeline.clear()  # nobody reads an answer after this one
        self._lingering = self.loop.call_later(LINGER_S, self._close)
        if self.transport.can_write_eof():  # not with TLS
            self.transport.write_eof()


class _AnsweringEnd:
    """A transport as an answer's cycle uses it, with another way to close it."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write, self.is_closing, self.close = transport.write, transport.is_closing, close
