"""The bodies of requests, within limits."""

import asyncio

from paddleport.serve.open_inference.datatypes import TooLargeError
from paddleport.serve.rest.http_messages import HttpError, HttpRequest
from paddleport.serve.rest.incoming import Body, Incoming
from paddleport.serve.rest.interruption import Interruption


class BodyReader:
    """Reads bodies, no larger than they may be, no slower, and not too much of them at a time.

    Attributes:
        most_bytes: of one.
    """

    def __init__(self, *, most_bytes: int, most_bytes_at_a_time: int, timeout_s: float) -> None:
        self.most_bytes, self._timeout_s = most_bytes, timeout_s
        self._left = max(most_bytes, most_bytes_at_a_time)

    def check_length(self, request: HttpRequest) -> None:
        """Refuse a body that says itself that it is larger than it may be.

        Raises:
            TooLargeError: it does.
        """
        told = request.headers.get("content-length", "")
        if told.isdigit() and int(told[:20]) > self.most_bytes:
            raise TooLargeError(f"a body of {told[:20]} bytes: {self.most_bytes} is the most")

    async def read(self, incoming: Incoming, interruption: Interruption) -> Body:
        """All of a body; ``give_back`` its length when it is no longer needed.

        Raises:
            TooLargeError: it is larger than it may be.
            HttpError: it did not come in time, or the server holds too much already.
            GoneError: the client hung up.
        """
        held = _Held(self)
        try:
            if incoming.body.complete:
                return await incoming.read(held.take)
            why = f"the body did not come within {self._timeout_s:g} s"
            late = HttpError(408, why, {"connection": "close"})
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._timeout_s, interruption.happen, late)
            try:
                return await incoming.read(held.take)
            finally:
                timer.cancel()
        except BaseException:
            self.give_back(held.size)
            raise

    def give_back(self, size: int) -> None:
        """So many bytes are no longer held."""
        self._left += size

    def take(self, size: int) -> None:
        """So many more are held now.

        Raises:
            HttpError: the server holds too much already.
        """
        if size > self._left:
            raise HttpError(
                503,
                "the server holds as many bytes of requests as it may",
                {"retry-after": "1", "connection": "close"},
            )
        self._left -= size


class _Held:
    """What has come of one body."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader, self.size = reader, 0

    def take(self, count: int) -> None:
        self._reader.take(count)
        self.size += count
        if self.size > self._reader.most_bytes:
            raise TooLargeError(f"the body is larger than {self._reader.most_bytes} bytes")
