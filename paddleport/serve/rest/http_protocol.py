"""uvicorn's HTTP, with limits on what comes before a request's body."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADER_BYTES = 65536
MOST_HEADERS = 100
HEADER_TIMEOUT_S = 10.0


class GuardedHttp(HttpToolsProtocol):
    """Closes connections whose headers are too many, too long or too slow.

    uvicorn limits neither with httptools, nor how long a new connection says nothing.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*arguments, **options)
        self._before_body = 0  # bytes since the last request's end, or -1 within a body
        self._too_slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Have it say what it wants soon."""
        super().connection_made(transport)
        self._too_slow = self.loop.call_later(HEADER_TIMEOUT_S, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for."""
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before a body; a chunk may end headers and begin a body."""
        if self._before_body >= 0:
            if self._too_slow is None:  # the next request of a connection that was kept
                self._too_slow = self.loop.call_later(HEADER_TIMEOUT_S, self._close)
            self._before_body += len(data)
        super().data_received(data)
        if self._before_body > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response(f"More than {MOST_HEADER_BYTES} bytes of headers.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse the one too many; what is raised here, uvicorn answers with 400."""
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The rest is the body's, and its reader's to limit."""
        self._before_body = -1
        self._in_time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes now are the next request's headers."""
        self._before_body = 0
        super().on_message_complete()

    def _in_time(self) -> None:
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
