"""A request and an answer of HTTP, as the routes have them."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from httptools import parse_url

from paddleport.errors import PortError
from paddleport.serve.failures import Failure
from paddleport.serve.open_inference.datatypes import ProtocolError

_MOST_FIELDS = 100


class HttpError(PortError):
    """An answer by its status alone.

    Attributes:
        status: the code.
        headers: that belong to it.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sent, but for its body.

    Attributes:
        method, path: as sent; the path is decoded.
        query_string: as sent.
        headers: by lower-case name, the last value of each.
    """

    method: str
    path: str
    query_string: bytes
    headers: Mapping[str, str]

    @classmethod
    def of(cls, method: bytes, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> "HttpRequest":
        """As a parser has found it; raises ValueError or httptools' errors for no address."""
        parsed = parse_url(url)
        path = parsed.path.decode("ascii")
        return cls(
            method=method.decode("ascii"),
            path=unquote(path) if "%" in path else path,
            query_string=parsed.query or b"",
            headers={
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers
            },
        )

    def query(self) -> Mapping[str, str]:
        """The first value of each name; raises ProtocolError where it can't be read."""
        if not self.query_string:
            return {}
        try:
            pairs = parse_qsl(
                self.query_string.decode("ascii"),
                keep_blank_values=True,
                max_num_fields=_MOST_FIELDS,
            )
        except ValueError as error:
            raise ProtocolError(f"the query can't be read: {error}") from None
        return dict(reversed(pairs))


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}  # msgspec copies it

    def parts(self, method: str, *, close: bool) -> list[bytes]:
        """What is written to answer a request.

        Args:
            method: the request's; to HEAD only the headers are sent.
            close: no further request is read.

        Raises:
            ValueError: a header would be several.
        """
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {text}" for name, text in self.headers.items()]
        lines.append(f"content-length: {len(self.body)}")
        if close and "connection" not in self.headers:
            lines.append("connection: close")
        head = "\r\n".join((*lines, "", ""))
        if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
            raise ValueError("a line's end within a header")
        return [head.encode("latin-1"), self.body if method != "HEAD" else b""]


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
