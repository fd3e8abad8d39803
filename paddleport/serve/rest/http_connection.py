"""A connection of HTTP under uvicorn's server, with limits on all that comes."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import httptools
from uvicorn.server import ServerState

from paddleport.serve.rest.http_messages import HttpAnswer, HttpRequest
from paddleport.serve.rest.incoming import Incoming, IncomingBody

MOST_HEADER_BYTES = 65536
MOST_HEADERS = 100
HEADER_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 30.0
LINGER_S = 10.0
MOST_LINGERED_BYTES = 2**28
MOST_CONNECTIONS = 1000
MOST_UNASKED_BYTES = 2**20  # of a body that nobody waits for yet
_READ_BYTES = 2**14  # what the parser is given at a time, with the beginning of a body
_TEXT = {"content-type": "text/plain; charset=utf-8", "connection": "close"}
_logger = logging.getLogger(__name__)
Respond = Callable[[Incoming], Awaitable[None]]


class HttpConnection(asyncio.BufferedProtocol):
    """Parses what comes with httptools, has one request after the other answered.

    It is closed when headers are too many, too long or too slow, when it says nothing for
    ``KEEP_ALIVE_S`` between two requests, and when there are too many.

    A connection that ends with an answer to a body that is still being sent is closed when the
    client has closed it, or after ``LINGER_S`` or ``MOST_LINGERED_BYTES`` that are thrown away:
    closed at once, it would be reset, and many clients see an answer only once they have sent
    everything. The rest of such a body has ``LINGER_S`` as well where the connection is kept.
    """

    def __init__(self, respond: Respond, most_body_bytes: int, server_state: ServerState) -> None:
        """Nothing has come yet.

        Args:
            respond: answers a request.
            most_body_bytes: a body that says that it is larger is not received.
            server_state: uvicorn's connections and tasks.
        """
        self._respond, self._most_body_bytes, self._server = respond, most_body_bytes, server_state
        self._loop = asyncio.get_running_loop()
        self._parser = self._new_parser()
        self._read = memoryview(bytearray(_READ_BYTES))
        self._read_paused = self._write_paused = False
        self._timer: asyncio.TimerHandle | None = None  # of headers, of a kept one, of lingering
        self._lingering = self._deaf = False
        self._lingered = 0
        self._unsent: int | None = None  # bytes of answers when the timer was over last
        self._before_body = 0  # bytes since the last request's end, or -1 within a body
        self._upgrades = False
        self._between = 0  # bytes since the last ones of a body: chunks' extensions, trailers
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._coming: Incoming | None = None  # the newest
        self._answering: Incoming | None = None
        self._waiting: deque[Incoming] = deque()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Have it say what it wants soon."""
        self._transport = transport
        self._server.connections.add(self)  # type: ignore[arg-type]  # it calls shutdown alone
        self._in(HEADER_TIMEOUT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for, and nobody to answer."""
        self._server.connections.discard(self)
        self._in(None)
        self._lose()

    def pause_writing(self) -> None:
        """The client does not read: it is not read from either."""
        self._write_paused = True
        self._read_on()

    def resume_writing(self) -> None:
        """It does."""
        self._write_paused = False
        self._next()
        self._read_on()

    def shutdown(self) -> None:
        """End with the answer that is on its way; uvicorn's server calls it at its own end."""
        if self._lingering or self._coming is None or self._coming.answered:
            self._close()
        else:
            self._coming.keep_alive = False

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to receive: a body where it stays."""
        coming = self._coming
        if coming is None or self._lingering:
            return self._read
        room = coming.body.room(self._read)
        return self._read if room is None else room

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        coming = self._coming
        if coming is None or self._lingering or coming.body.room(self._read) is None:
            self._received(bytes(self._read[:nbytes]))
            return
        coming.body.filled(nbytes)
        self._without_parser(coming)

    def asked_for(self, incoming: Incoming) -> None:
        """As the contract says."""
        if incoming.lost or self._lingering or self._transport.is_closing():
            return
        if incoming.expects and not incoming.body.size and not incoming.body.complete:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._read_on()

    def answer(self, incoming: Incoming, answer: HttpAnswer) -> None:
        """As the contract says."""
        if self._lingering or self._transport.is_closing():
            return
        if answer.headers.get("connection") == "close":
            incoming.keep_alive = False
        self._transport.writelines(
            answer.parts(incoming.request.method, close=not incoming.keep_alive)
        )
        incoming.answered, self._unsent = True, None
        incoming.body.discard()
        self._server.total_requests += 1
        self._answering = None
        if not incoming.keep_alive:
            self._end()
        elif self._before_body < 0 and incoming is self._coming:
            self._in(LINGER_S)  # what is still on its way of a body that nobody waits for
        elif not self._before_body and not self._waiting:
            self._in(KEEP_ALIVE_S)
        self._next()
        self._read_on()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._headers = b"", []

    def on_url(self, url: bytes) -> None:
        """A part of its address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; what is raised here is answered with 400.

        What comes after a body is left out: it would be taken for the request's own.
        """
        if self._before_body < 0:
            return
        if len(self._headers) >= MOST_HEADERS:
            raise ValueError("too many headers")
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The request can be answered; the rest is its body's, and its reader's to limit."""
        self._before_body = -1
        self._in(None)
        request = HttpRequest.of(self._parser.get_method(), self._url, self._headers)
        length = int(request.headers.get("content-length", "0"))
        self._upgrades = self._parser.should_upgrade()
        if self._upgrades and "transfer-encoding" in request.headers:
            raise ValueError("the parser leaves the chunks of such a body to another protocol")
        apart = (0 if self._upgrades else _READ_BYTES) < length <= self._most_body_bytes
        coming = Incoming(
            self,
            request,
            IncomingBody(length if apart else 0),
            keep_alive=self._parser.get_http_version() != "1.0"
            and not self._upgrades
            and self._parser.should_keep_alive(),
        )
        self._coming = coming
        self._waiting.append(coming)
        self._next()
        self._read_on()

    def on_body(self, body: bytes) -> None:
        """A part of it."""
        self._between = -1
        if self._coming is not None:
            self._coming.body.add(body)
            self._read_on()

    def on_message_complete(self) -> None:
        """What comes now are the next request's headers; to the parser an upgrade has no body."""
        if self._upgrades and self._coming is not None and self._coming.body.room(self._read):
            return
        self._before_body = 0
        if self._coming is not None:
            self._coming.body.end()
            self._in(KEEP_ALIVE_S if self._coming.answered else None)

    # What has come.

    def _received(self, data: bytes) -> None:
        """Count what comes before a body; what has come at once may end headers and begin one."""
        if self._lingering or self._deaf:
            self._lingered += len(data)
            if self._lingered > MOST_LINGERED_BYTES:
                self._close()
            return
        while self._before_body >= 0 and not self._ended:
            if self._before_body == 0:  # a request after another, of a connection that was kept
                self._in(HEADER_TIMEOUT_S)
            room = MOST_HEADER_BYTES - self._before_body
            if len(data) <= room:
                self._before_body += len(data)
                break
            self._before_body = MOST_HEADER_BYTES
            self._parse(data[:room])
            data = data[room:]
            if self._before_body == MOST_HEADER_BYTES and not self._ended:
                self._refuse(f"More than {MOST_HEADER_BYTES} bytes of headers.")
        if self._ended:
            return
        between, self._between = self._between, 0
        self._parse(data)
        if self._before_body < 0 and not self._between:
            self._between = between + len(data)
            if self._between > MOST_HEADER_BYTES:
                self._close()
        self._between = max(0, self._between)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # To nothing that is spoken here: it is answered as what it is.
            coming = self._coming
            room = None if coming is None else coming.body.room(self._read)
            if coming is None or room is None:
                self._deaf = True
                return
            (offset,) = upgrade.args
            coming.body.add(data[offset : offset + len(room)])
            self._between = -1
            self._without_parser(coming)
        except httptools.HttpParserError:
            self._refuse("Invalid HTTP request received.")

    def _without_parser(self, coming: Incoming) -> None:
        """A part of a body has come that the parser has not seen."""
        if coming.body.is_filled:
            self._parser, self._upgrades = self._new_parser(), False
            self.on_message_complete()
        else:
            self._read_on()

    def _refuse(self, why: str) -> None:
        """Answer what is no HTTP, or only what came before it."""
        coming = self._coming
        self._deaf = True
        if coming is not None and not coming.answered and coming.body.complete:
            coming.keep_alive = False
            return
        self._lose()
        answer = HttpAnswer(status=400, body=why.encode(), headers=_TEXT)
        self._transport.writelines(answer.parts("", close=True))
        self._end()

    def _next(self) -> None:
        """Have the next request answered, if none is, and the client takes its answer."""
        if self._answering is not None or not self._waiting or self._write_paused:
            return
        self._answering = incoming = self._waiting.popleft()
        if max(len(self._server.connections), len(self._server.tasks)) >= MOST_CONNECTIONS:
            incoming.answer(HttpAnswer(status=503, body=b"Service Unavailable", headers=_TEXT))
            return
        task = self._loop.create_task(self._answered(incoming))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _answered(self, incoming: Incoming) -> None:
        try:
            await self._respond(incoming)
        except Exception:
            _logger.exception("a request has no answer")
            self._close()

    def _read_on(self) -> None:
        """Read, or let the client wait."""
        body = None if self._coming is None else self._coming.body
        unasked = body is not None and not body.asked and body.size > MOST_UNASKED_BYTES
        answered = self._coming is not None and self._coming.answered
        wait = bool(self._waiting) or self._write_paused or (unasked and not answered)
        if wait == self._read_paused or self._transport.is_closing():
            return
        self._read_paused = wait
        if wait:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # Its end.

    @property
    def _ended(self) -> bool:
        return self._lingering or self._deaf or self._transport.is_closing()

    def _in(self, seconds: float | None) -> None:
        """Close it after so long, or not."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = (
            None if seconds is None else self._loop.call_later(seconds, self._expire, seconds)
        )

    def _expire(self, seconds: float) -> None:
        """It is over; not while a request is answered, nor while the client takes an answer."""
        unsent = self._transport.get_write_buffer_size()
        if self._answering is not None and not self._lingering:
            self._in(seconds)
        elif unsent and (self._unsent is None or unsent < self._unsent):
            self._unsent = unsent
            self._in(seconds)
        elif unsent:
            self._transport.abort()
        else:
            self._close()

    def _close(self) -> None:
        if not self._transport.is_closing():
            self._transport.close()

    def _end(self) -> None:
        """Close after an answer; at once where nothing is on its way, or room is short."""
        self._waiting.clear()  # nobody reads an answer after this one
        short = len(self._server.connections) >= MOST_CONNECTIONS
        if (self._before_body >= 0 and not self._deaf) or short or self._transport.is_closing():
            self._close()
            return
        self._lingering = True
        self._in(LINGER_S)
        if self._transport.can_write_eof():  # not with TLS
            with contextlib.suppress(OSError, RuntimeError):  # the client has gone meanwhile
                self._transport.write_eof()

    def _lose(self) -> None:
        """Nobody is to be answered any more."""
        self._waiting.clear()
        for incoming in (self._answering, self._coming):
            if incoming is not None and not incoming.answered:
                incoming.lose()

    def _new_parser(self) -> Any:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # what follows is not run
        return parser
