"""HTTP by hand, for what no client would send, and the event loops that a server may run in."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable
from typing import IO

from paddleport.serve.server import Addresses

LOOPS: list[Callable[..., object]] = [asyncio.run]
with contextlib.suppress(ImportError):  # it is not for every system
    import uvloop

    LOOPS.append(uvloop.run)


def line_to(at: Addresses, wait_s: float = 10) -> socket.socket:
    host, port = at.http.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), wait_s)


def raw_exchange(at: Addresses, sent: bytes, wait_s: float = 5) -> bytes:
    with line_to(at, wait_s) as line:
        line.sendall(sent)
        found = b""
        try:
            while chunk := line.recv(65536):
                found += chunk
        except (ConnectionError, TimeoutError):
            pass
    return found


def read_answer(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """The headers of one answer, and its body."""
    head = b"".join(iter(stream.readline, b"\r\n"))
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    assert length is not None, head
    return head, stream.read(int(length[1]))


def answer_of(stream: IO[bytes]) -> bytes:
    """The headers of one answer; its body is read as well."""
    return read_answer(stream)[0]
