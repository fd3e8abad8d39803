"""A server that stands in for ``paddleport serve`` where its page is tested: canned answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from paddleport.serve.page import PAGE_HEADERS, page_files

PROOF = {
    "result": "agrees",
    "sentence": "agrees with native Paddle's answers, stored when the file was made, on 3 feeds in "
    "fp32, error 3.4e-06 of 1e-04",
}
LABELS = (
    "drake",
    "American coot, marsh hen",
    "red-breasted merganser",
    "goose",
    "pelican",
    "crane",
)
TIMING = "decode;dur=3.1, queue;dur=0.2, compute;dur=8.4, transfer;dur=0.3, total;dur=12.1"


def served(name: str, **how: Any) -> dict[str, Any]:
    """One model of ``GET /v1/models``."""
    return {
        "name": name,
        "ready": True,
        "reason": "",
        "backend": "openvino",
        "precision": "fp32",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 224, 224]}],
        "outputs": [
            {"name": "save_infer_model/scale_0.tmp_0", "datatype": "FP32", "shape": [-1, 1000]}
        ],
        "proof": PROOF,
        "card": {
            "takes_pictures": True,
            "rows": [
                {"name": "made of", "value": "MobileNetV2"},
                {"name": "weights", "value": "pretrained"},
                {"name": "file", "value": "model.onnx, onnx"},
                {"name": "steps", "value": "Paddle2ONNX, simplifier"},
                {"name": "pictures", "value": "short side 256, crop 224×224, RGB"},
                {"name": "classes", "value": "1000: tench, Tinca tinca … toilet tissue"},
                {"name": "published", "value": "top-1 72.2%, top-5 90.7%"},
            ],
        },
        **how,
    }


def predictions(*first: int, score: float = 0.8153) -> dict[str, Any]:
    """An answer of ``POST /v1/classify``; ``first`` are the best classes' indices."""
    order = [*first, *(index for index in range(len(LABELS)) if index not in first)]
    shares = (score, 0.0912, 0.0301, 0.0104, 0.0031, 0.0001)
    return {
        "predictions": [
            {"index": index, "label": LABELS[index], "score": share}
            for index, share in zip(order, shares, strict=True)
        ]
    }


class PageServer:
    """What it answers can be changed while it runs.

    Attributes:
        address: of the page.
        models: of ``GET /v1/models``.
        answers: a model's name to what classify gives, or to a status, headers and a sentence.
        token: what a request must bear; empty asks for none.
        asked: the path and the first bytes of each picture that came.
    """

    def __init__(self) -> None:
        self.reset()
        self.address = ""

    def reset(self) -> None:
        self.models: list[dict[str, Any]] = [served("MobileNetV2")]
        self.answers: dict[str, Any] = {}
        self.token = ""
        self.asked: list[tuple[str, bytes]] = []

    @contextmanager
    def running(self) -> Iterator["PageServer"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(owner: PageServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path in page_files():
                content_type, content = page_files()[path]
                self.give(200, content, {"Content-Type": content_type, **PAGE_HEADERS})
            elif path == "/v1/models" and self.allowed():
                self.give_json(200, owner.models)
            elif path != "/v1/models":
                self.give_json(404, {"error": f"there is no {path} here"})

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            address = urlsplit(self.path)
            (name,) = parse_qs(address.query)["model"]
            if not self.allowed():
                return
            owner.asked.append((self.path, content[:8]))
            found = owner.answers.get(name, predictions(0))
            if isinstance(found, tuple):
                status, headers, sentence = found
                self.give_json(status, {"error": sentence}, headers)
                return
            self.give_json(200, {"model": name, **found}, {"Server-Timing": TIMING})

        def allowed(self) -> bool:
            if not owner.token or self.headers.get("Authorization") == f"Bearer {owner.token}":
                return True
            self.give_json(401, {"error": "this server wants a bearer token"})
            return False

        def give_json(self, status: int, values: Any, headers: Any = None) -> None:
            named = {"Content-Type": "application/json", **(headers or {})}
            self.give(status, json.dumps(values).encode(), named)

        def give(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
