"""A web server for one file, in a thread, with the faults that a test asks for."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Serves one file at /file and records what it was asked; faults are set by the test."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.etag: str | None = '"first"'
        self.last_modified: str | None = None
        self.ranges = True
        self.cut_after: list[int] = []  # bytes after which the next connections are cut
        self.stall_after: int | None = None
        self.status = 200
        self.location = ""
        self.chunked = False
        self.asked: list[str | None] = []
        self.stop = threading.Event()

    def handle_error(self, *args: Any) -> None:
        """Quiet where a client that gave up has closed its end."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(self.headers.get("Range"))
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", server.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if server.status != 200:
            self.send_response(server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self.first_byte()
        if start is None or start < len(server.content):
            self.send_body(start)
            return
        self.send_response(416)
        self.send_header("Content-Range", f"bytes */{len(server.content)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def first_byte(self) -> int | None:
        wanted = self.headers.get("Range")
        validator = self.headers.get("If-Range")
        current = (self.server.etag, self.server.last_modified)
        if not (wanted and self.server.ranges) or (validator and validator not in current):
            return None
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def send_body(self, start: int | None) -> None:
        server = self.server
        total = len(server.content)
        body = server.content[start or 0 :]
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.last_modified:
            self.send_header("Last-Modified", server.last_modified)
        if server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.cut_after:
            self.wfile.write(body[: server.cut_after.pop(0)])
            self.close_connection = True
            return
        if server.stall_after is not None:
            self.wfile.write(body[: server.stall_after])
            self.wfile.flush()
            server.stop.wait(30)
            return
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serving(content: bytes) -> Iterator[Server]:
    """A server of ``content`` for as long as the block lasts."""
    server = Server(content)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()
