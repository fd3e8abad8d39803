"""Malformed requests to a server in a process of its own: refused, and its memory as before."""

import gc
import json
import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest
import serve_fake
from fake_hosts import EVERY, Identity, Pictures, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow
BODY_BYTES = 2**22  # of one request: less than that is nobody's body
LIMITS: dict[str, Any] = {
    "max_body_bytes": BODY_BYTES,
    "max_held_bytes": 2**24,
    "body_timeout_s": 0.5,
}


@dataclass(frozen=True)
class Server:
    process: psutil.Process
    host: str
    port: int

    def ask(self, sent: bytes, *, wait_s: float = 2) -> bytes:
        """What comes back until the line is closed, or nothing more comes."""
        found = b""
        with socket.create_connection((self.host, self.port), wait_s) as line:
            try:
                line.sendall(sent)
                line.shutdown(socket.SHUT_WR)
                while chunk := line.recv(65536):
                    found += chunk
            except OSError:  # it hung up
                pass
        return found

    def is_well(self) -> bool:
        url = f"http://{self.host}:{self.port}/v2/health/ready"
        return httpx.get(url, timeout=10).status_code == 200


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = serve_fake.started(**LIMITS)
    assert started.stdout is not None
    try:
        host, port = started.stdout.readline().split()[0].removeprefix("http://").split(":")
        yield Server(psutil.Process(started.pid), host, int(port))
    finally:
        started.terminate()
        started.stdout.close()
        assert started.wait(20) == 0


def statuses(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


HEADERS = st.lists(
    st.sampled_from(
        [
            b"host: localhost",
            b"content-length: 5",
            b"content-length: -1",
            b"content-length: 99999999999999999999",
            b"content-length: 5\r\ncontent-length: 6",
            b"transfer-encoding: chunked",
            b"transfer-encoding: gzip, chunked",
            b"inference-header-content-length: 3",
            b"content-type: multipart/form-data; boundary=x",
            b"expect: 100-continue",
            b"connection: upgrade\r\nupgrade: websocket",
            b"authorization: Bearer \xff",
            b"x-request-id: \x80",
        ]
    )
    | st.binary(max_size=30),
    max_size=5,
)
REQUESTS = st.builds(
    lambda method, path, headers, body: (
        (method + b" " + path + b" HTTP/1.1\r\n" + b"".join(h + b"\r\n" for h in headers) + b"\r\n")
        + body
    ),
    st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PRI"])
    | st.binary(max_size=8),
    st.sampled_from(
        [
            b"/",
            b"/v2",
            b"/v2/models/one/infer",
            b"/v2/models/../infer",
            b"/v2/models/%00/infer",
            b"/v1/classify?model=pics",
            b"/v1/classify?model=" + b"a" * 3000,
            b"*",
            b"http://elsewhere/v2",
        ]
    )
    | st.binary(max_size=20),
    HEADERS,
    st.binary(max_size=60),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REQUESTS)
def test_what_is_no_request_is_refused(server: Server, sent: bytes) -> None:
    found = statuses(server.ask(sent))
    assert all(code < 500 for code in found), (sent, found)
    assert server.process.is_running()


def bodies() -> list[bytes]:
    """Requests of megabytes that are wrong in the end, or never end."""
    post = b"POST /v2/models/one/infer HTTP/1.1\r\nhost: localhost\r\n"
    picture = b"POST /v1/classify?model=pics HTTP/1.1\r\nhost: localhost\r\n"
    megabytes = b"[" * 2**21 + b"1" * 2**21
    told = {"name": "in_float32", "datatype": "FP32", "shape": [2**40]}
    head = json.dumps({"inputs": [{**told, "parameters": {"binary_data_size": 2**21}}]}).encode()
    length = f"content-length: {2**22}\r\n".encode()
    return [
        post + length + b"\r\n" + megabytes,
        post + length + b"\r\n" + megabytes[: 2**21],  # and then nothing
        post + b"content-length: 10000000000\r\n\r\n" + megabytes,
        post + b"transfer-encoding: chunked\r\n\r\n" + b"100000\r\n" + megabytes,
        post
        + f"content-length: {len(head) + 2**21}\r\n".encode()
        + f"inference-header-content-length: {len(head)}\r\n\r\n".encode()
        + head
        + megabytes[: 2**21],
        picture + length + b"content-type: multipart/form-data; boundary=x\r\n\r\n" + megabytes,
        b"GET /v2 HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % i for i in range(10_000)) + b"\r\n",
    ]


def round_of(server: Server, all_bodies: Sequence[bytes]) -> None:
    asking = [threading.Thread(target=server.ask, args=(body,)) for body in [*all_bodies] * 3]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert server.is_well()


def test_memory_is_as_before() -> None:
    """Counted, not asked of the system, whose allocator keeps what it likes."""
    models = Identity("echo", EVERY), Identity("one"), Pictures("pics")
    with serving(*models, **LIMITS) as at:
        host, port = at.http.removeprefix("http://").split(":")
        server, sent = Server(psutil.Process(), host, int(port)), bodies()
        tracemalloc.start()
        try:
            round_of(server, sent)
            before = held_bytes()
            for _ in range(6):
                round_of(server, sent)
            grown = held_bytes() - before
        finally:
            tracemalloc.stop()
    assert grown < BODY_BYTES, f"{grown / 2**20:.1f} MiB more"


@pytest.mark.parametrize(("chunked", "planted"), [(False, False), (True, False), (True, True)])
def test_what_large_bodies_took_goes_back_to_the_system(chunked: bool, planted: bool) -> None:
    body = b"x" * 48_000_000
    with serve_fake.started(keeps_pictures=planted) as started:
        assert started.stdout is not None
        process, address = psutil.Process(started.pid), started.stdout.readline().split()[0]

        def ask(_: int) -> int:
            url = f"{address}/v1/classify?model=pics"
            content = (body[i : i + 1_000_000] for i in range(0, len(body), 1_000_000))
            return httpx.post(url, content=content if chunked else body, timeout=60).status_code

        try:
            before = process.memory_info().rss
            with ThreadPoolExecutor(8) as pool:
                assert set(pool.map(ask, range(24))) <= {200, 503}
            for _ in range(30):  # the last ones' tasks may still be ending
                if (grown := process.memory_info().rss - before) < len(body):
                    break
                time.sleep(0.1)
        finally:
            started.terminate()
    assert (grown < len(body)) == (not planted), f"{grown / 1e6:.0f} MB more"


def held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
