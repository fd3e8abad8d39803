"""The few endpoints of the Hugging Face hub that huggingface_hub asks for one model's files."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPOSITORY = "PaddlePaddle/made-up"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves one repository and records what it was asked; faults are set by the test."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.revision = REVISION
        self.sends: dict[str, bytes] = {}  # instead of what is listed
        self.cut_after: list[int] = []  # bytes after which the next connections are cut
        self.status: dict[str, int] = {}  # of a path's end
        self.asked: list[tuple[str, str, str | None]] = []  # method, path, range
        self.headers_seen: list[dict[str, str]] = []

    def handle_error(self, *args: Any) -> None:
        """Quiet where a client that gave up has closed its end."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def bytes_asked(self) -> list[tuple[str, str | None]]:
        """The files that were fetched, and from which byte on."""
        return [(path.rpartition("/")[2], start) for how, path, start in self.asked if how == "GET"]


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        server, path = self.server, self.path.partition("?")[0]
        server.asked.append((self.command, path, self.headers.get("Range")))
        server.headers_seen.append({key.lower(): value for key, value in self.headers.items()})
        status = next((code for end, code in server.status.items() if path.endswith(end)), 200)
        if status != 200:
            codes = {"X-Error-Code": "RepoNotFound"} if path.startswith("/api/") else {}
            return self.send(status, codes if status == 404 else {}, b"")
        if path == f"/api/models/{REPOSITORY}":
            return self.send(200, {"Content-Type": "application/json"}, self.listing())
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{server.revision}/")
        if name not in server.files:
            code = "EntryNotFound" if path.startswith(f"/{REPOSITORY}/") else "RepoNotFound"
            return self.send(404, {"X-Error-Code": code}, b"")
        return self.send_file(name, body)

    def listing(self) -> bytes:
        siblings = []
        for name, content in self.server.files.items():
            digest = hashlib.sha256(content).hexdigest()
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git}
            if name.endswith(".pdiparams"):
                entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 132}
            siblings.append(entry)
        found = {"id": REPOSITORY, "sha": self.server.revision, "siblings": siblings}
        return json.dumps({**found, "private": False, "tags": [], "downloads": 0}).encode()

    def send_file(self, name: str, body: bool) -> None:
        server, listed = self.server, self.server.files[name]
        content = server.sends.get(name, listed)
        headers = {
            "ETag": f'"{hashlib.sha256(listed).hexdigest()}"',
            "X-Repo-Commit": server.revision,
        }
        if not body:
            return self.send(200, {**headers, "Content-Length": str(len(listed))}, b"")
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted:
            end = len(content) - 1
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        headers["Content-Length"] = str(len(content) - start)
        return self.send(206 if wanted else 200, headers, content[start:], cuts=True)

    def send(
        self, status: int, headers: Mapping[str, str], body: bytes, *, cuts: bool = False
    ) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if cuts and self.server.cut_after:
            body = body[: self.server.cut_after.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def hub_of(files: Mapping[str, bytes]) -> Iterator[Hub]:
    """A hub for as long as the block lasts."""
    hub = Hub(files)
    thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
