"""Connections: what ends them, what is refused, and whose bytes are whose."""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
import serve_fake
from fake_hosts import EVERY, Identity, serving
from raw_http import LOOPS, answer_of, line_to, raw_exchange, read_answer

from paddleport.serve.hosting.model_host import OverloadedError
from paddleport.serve.rest import http_connection
from paddleport.serve.server import Addresses
from paddleport.serve.server_metrics import ServerMetrics

BODY_BYTES = 2**20


@pytest.fixture(scope="module", params=LOOPS, ids=["asyncio", "uvloop"][: len(LOOPS)])
def at(request: pytest.FixtureRequest) -> Iterator[Addresses]:
    hosts = Identity("echo", EVERY), Identity("one")
    with serving(*hosts, max_body_bytes=BODY_BYTES, run_loop=request.param) as found:
        yield found


def tensor() -> dict[str, Any]:
    return {"name": "in_float32", "datatype": "FP32", "shape": [1, 2], "data": [1.5, -2]}


def test_beyond_the_queue_a_body_is_not_read_and_the_connection_goes_on() -> None:
    metrics, host = ServerMetrics(), Identity("m")
    body = json.dumps({"inputs": [tensor()]}).encode()
    head = "POST /v2/models/m/infer HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with (
        serving(host, metrics=metrics) as at,
        line_to(at) as connection,
        connection.makefile("rb") as answers,
    ):
        host.full = OverloadedError("full", 2.2)
        connection.sendall(head.encode())
        refused = answer_of(answers)  # the body was not sent yet
        assert refused.startswith(b"HTTP/1.1 503 ") and b"retry-after: 3\r\n" in refused
        connection.sendall(body)
        host.full = None
        connection.sendall(head.encode() + body)
        assert answer_of(answers).startswith(b"HTTP/1.1 200 ")
    assert host.fed == 1
    assert 'model="m",protocol="http",status="503"' in metrics.text().decode()


def test_sizes_are_refused_before_they_are_read(at: Addresses) -> None:
    post = b"POST /v2/models/echo/infer HTTP/1.1\r\nhost: localhost\r\n"
    said = raw_exchange(at, post + b"content-length: 10000000000\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413")
    chunked = b"transfer-encoding: chunked\r\n\r\n"
    chunks = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert raw_exchange(at, post + chunked + chunks * 20).startswith(b"HTTP/1.1 413")
    assert httpx.get(f"{at.http}/v2/health/live").status_code == 200


def test_a_client_that_reads_after_it_has_sent_sees_why_its_body_is_too_large(
    at: Addresses,
) -> None:
    body = b"x" * (40 << 20)  # more than the kernel's buffers hold
    for sent in (body, iter([body[: 1 << 20]] * 40)):  # with its length, and in chunks
        asking = http.client.HTTPConnection(at.http.removeprefix("http://"), timeout=20)
        with contextlib.closing(asking):
            asking.request("POST", "/v2/models/echo/infer", sent, encode_chunked=True)
            answer = asking.getresponse()
            assert (answer.status, answer.getheader("connection")) == (413, "close")
            assert str(BODY_BYTES) in answer.read().decode()


def check_hung_up_on(line: socket.socket, piece: bytes) -> None:
    """Soon, though it goes on to send."""
    started = time.monotonic()
    with pytest.raises(ConnectionError):
        while time.monotonic() - started < 5:
            line.sendall(piece)
            time.sleep(0.05)
    assert time.monotonic() - started < 2


def test_what_is_sent_after_a_refusal_is_bounded(
    at: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = b"POST /v2/models/echo/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: "
    monkeypatch.setattr(http_connection, "LINGER_S", 0.5)
    with line_to(at) as slow:
        slow.sendall(head + b"10000000000\r\n\r\n")
        with slow.makefile("rb") as answers:
            assert answer_of(answers).startswith(b"HTTP/1.1 413 ")
            assert answers.read() == b""  # its end is told at once
        check_hung_up_on(slow, b"x")
    monkeypatch.setattr(http_connection, "LINGER_S", 60)
    monkeypatch.setattr(http_connection, "MOST_LINGERED_BYTES", 1 << 20)
    with line_to(at) as fast:
        fast.sendall(head + b"10000000000\r\n\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(64):
                fast.sendall(b"x" * (1 << 20))


def test_the_rest_of_a_refused_body_has_to_come_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is kept after a 503: whoever sends on without an end is hung up on."""
    monkeypatch.setattr(http_connection, "LINGER_S", 0.5)
    full = Identity("m")
    full.full = OverloadedError("full", 1)
    head = (
        b"POST /v2/models/m/infer HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    with serving(full) as at, line_to(at) as kept:
        kept.sendall(head + b"1\r\nx\r\n")
        with kept.makefile("rb") as answers:
            assert answer_of(answers).startswith(b"HTTP/1.1 503 ")
            kept.sendall(b"1\r\nx\r\n0\r\n\r\n" + head + b"1\r\nx\r\n")  # in time
            assert answer_of(answers).startswith(b"HTTP/1.1 503 ")
            check_hung_up_on(kept, b"1\r\nx\r\n")


CHUNKED = b"POST /v2/models/one/infer HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"


def test_what_comes_after_a_body_is_not_its_request_s(at: Addresses) -> None:
    body = json.dumps({"inputs": [tensor()]}).encode()
    trailers = b"origin: http://other\r\ncontent-encoding: gzip\r\nx-request-id: trailer\r\n"
    said = raw_exchange(
        at,
        CHUNKED
        + b"connection: close\r\nx-request-id: header\r\n\r\n"
        + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers),
    )
    assert said.startswith(b"HTTP/1.1 200 ") and b"x-request-id: header\r\n" in said


@pytest.mark.parametrize("begun", [b"0\r\nx: ", b"1;x="])
def test_trailers_and_extensions_are_limited(at: Addresses, begun: bytes) -> None:
    with line_to(at) as line:
        line.sendall(CHUNKED + b"\r\n1\r\na\r\n" + begun)
        with pytest.raises(ConnectionError):
            for _ in range(200):
                line.sendall(b"a" * 65536)


def test_a_connection_that_says_no_more_after_a_refused_body_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_connection, "KEEP_ALIVE_S", 0.5)
    with serving(Identity("m")) as at, line_to(at) as kept:
        kept.sendall(b"POST /q HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\n")
        with kept.makefile("rb") as answers:
            assert answer_of(answers).startswith(b"HTTP/1.1 404 ")
            kept.sendall(b"aaaa")
            assert answers.read() == b""  # hung up on


def test_nothing_is_answered_after_an_answer_that_ends_the_connection(
    at: Addresses, capfd: pytest.CaptureFixture[str]
) -> None:
    first = b"GET /v2 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
    second = b"POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nabc"
    said = raw_exchange(at, first + second, wait_s=1)
    assert said.count(b"HTTP/1.1 ") == 1 and said.startswith(b"HTTP/1.1 200 ")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("header", "status"),
    [("origin: http://[", b"403"), ("inference-header-content-length: \xb2", b"400")],
)
def test_odd_headers_are_no_fault_of_the_server(at: Addresses, header: str, status: bytes) -> None:
    head = b"POST /v2/models/echo/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n"
    sent = head + header.encode("latin-1") + b"\r\nconnection: close\r\n\r\n{}"
    assert raw_exchange(at, sent).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_of_headers_is_exact(at: Addresses, more: int) -> None:
    head = b"GET /v2 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: \r\n\r\n"
    filled = b"y" * (http_connection.MOST_HEADER_BYTES - len(head) + more)
    said = raw_exchange(at, head[:-4] + filled + head[-4:])
    assert said.startswith(b"HTTP/1.1 400 " if more else b"HTTP/1.1 200 ")


def test_a_body_in_one_piece_with_its_headers_is_none_of_them(at: Addresses) -> None:
    body = json.dumps({"inputs": [tensor()]}).encode() + b" " * 70_000
    head = b"POST /v2/models/one/infer HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    whole = head + b"content-length: %d\r\n\r\n" % len(body) + body
    assert raw_exchange(at, whole).startswith(b"HTTP/1.1 200 ")


def test_headers_are_limited(at: Addresses) -> None:
    many = b"".join(b"x-%d: 1\r\n" % index for index in range(10_000))
    for headers in (many, b"x: " + b"y" * 200_000 + b"\r\n"):
        said = raw_exchange(at, b"GET /v2 HTTP/1.1\r\nhost: localhost\r\n" + headers + b"\r\n")
        assert said.startswith(b"HTTP/1.1 400") or not said
    said = raw_exchange(at, b"GET /" + b"a" * 200_000)
    assert said.startswith(b"HTTP/1.1 400") or not said
    assert httpx.get(f"{at.http}/v2/health/live").status_code == 200


def test_slow_clients_are_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEADER_TIMEOUT_S", 0.3)
    with serving(Identity("m"), body_timeout_s=0.3) as at:
        started = time.monotonic()
        assert raw_exchange(at, b"GET /v2 HTT") == b""
        assert raw_exchange(at, b"") == b""
        post = (
            b"POST /v2/models/m/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nabc"
        )
        assert raw_exchange(at, post).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started < 4
        with httpx.Client(base_url=at.http) as client:
            client.get("/v2/health/live")
            time.sleep(0.6)  # a connection that is kept is no slow one
            assert client.get("/v2/health/live").status_code == 200


def test_a_client_that_hangs_up_is_not_computed_for() -> None:
    host = Identity("m", delay_s=30)
    with serving(host) as at:
        with (
            pytest.raises(httpx.ReadTimeout),
            httpx.Client(base_url=at.http, timeout=0.5) as client,
        ):
            client.post("/v2/models/m/infer", json={"inputs": [tensor()]})
        host.check_cancelled()


def test_what_was_taken_is_finished_at_the_end() -> None:
    with serve_fake.started(delay_s=1.5) as server, ThreadPoolExecutor() as pool:
        assert server.stdout is not None
        url = f"{server.stdout.readline().split()[0]}/v2/models/one/infer"
        body = {"inputs": [tensor()]}
        asked = [pool.submit(httpx.post, url, json=body, timeout=20) for _ in range(3)]
        time.sleep(0.8)  # all have come
        server.terminate()
        assert [answer.result().status_code for answer in asked] == [200, 200, 200]
        assert server.wait(timeout=10) == 0


def infer_of(values: np.ndarray[Any, Any], name: str = "one", close: bool = False) -> bytes:
    """A request with one binary tensor, and the answer's too."""
    given: dict[str, Any] = {"name": "in_float32", "datatype": "FP32", "shape": list(values.shape)}
    given["parameters"] = {"binary_data_size": values.nbytes}
    head = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}}).encode()
    lines = [f"POST /v2/models/{name}/infer HTTP/1.1", "host: localhost"]
    lines += [f"inference-header-content-length: {len(head)}"]
    lines += [f"content-length: {len(head) + values.nbytes}"]
    lines += ["connection: close"] if close else []
    return "\r\n".join((*lines, "", "")).encode() + head + values.tobytes()


@pytest.mark.parametrize("pieces", [1, 3, 50])
def test_bodies_of_any_size_one_after_the_other_are_whose_they_are(
    at: Addresses, pieces: int
) -> None:
    counts = [1, 3800, 4050, 4051, 4096, 4097, 16_384, 30_000, 150_000, 2, 200_000]
    sent = [np.arange(count, dtype=np.float32).reshape(1, -1) + count for count in counts]
    whole = b"".join(infer_of(values, close=values is sent[-1]) for values in sent)
    with line_to(at) as line, ThreadPoolExecutor() as pool:
        size = -(-len(whole) // pieces)

        def send() -> None:
            for start in range(0, len(whole), size):
                line.sendall(whole[start : start + size])
                time.sleep(0.002)

        sending = pool.submit(send)
        with line.makefile("rb") as answers:
            found = [read_answer(answers) for _ in sent]
            assert answers.read() == b""
        sending.result()
    for (head, body), values in zip(found, sent, strict=True):
        assert head.startswith(b"HTTP/1.1 200 ") and body.endswith(values.tobytes())


@pytest.mark.parametrize("run_loop", LOOPS)
def test_a_body_that_comes_before_it_is_asked_for_is_let_on(
    run_loop: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "MOST_UNASKED_BYTES", 0)
    request = infer_of(np.ones((1, 200_000), np.float32))
    with serving(Identity("one"), body_timeout_s=5, run_loop=run_loop) as at, line_to(at) as line:
        for _ in range(3):
            line.sendall(request)
            with line.makefile("rb") as answers:
                assert answer_of(answers).startswith(b"HTTP/1.1 200 ")


def test_what_comes_before_bytes_that_are_no_http_is_answered(at: Addresses) -> None:
    get = b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
    long = infer_of(np.ones((1, 9000), np.float32))
    for sent in ([get], [long], [get, get], [get, long]):
        said = raw_exchange(at, b"".join(sent) + b"\0nonsense\r\n\r\n")
        assert said.count(b"HTTP/1.1 200 ") == len(sent), said[:200]
        assert b"HTTP/1.1 400" not in said and said.count(b"connection: close") == 1
    assert raw_exchange(at, b"\0nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    broken = b"POST /q HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
    assert raw_exchange(at, broken).count(b"HTTP/1.1 ") == 1


def test_an_upgrade_is_answered_as_what_it_is(at: Addresses) -> None:
    head = b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n"
    said = raw_exchange(at, head + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 ") and b"connection: close" in said


@pytest.mark.parametrize("count", [2, 3000, 200_000])
def test_an_upgrade_s_body_is_its_own(at: Addresses, count: int) -> None:
    """To the parser an upgrade has none, and memory that nobody has filled may be another's."""
    secret = infer_of(np.full((1, count), 7, np.float32), close=True)
    values = np.arange(count, dtype=np.float32).reshape(1, -1)
    upgrade = infer_of(values).replace(b"\r\n", b"\r\nconnection: upgrade\r\nupgrade: h2c\r\n", 1)
    head, _, body = upgrade.partition(b"\r\n\r\n")
    for _ in range(4):
        assert raw_exchange(at, secret).startswith(b"HTTP/1.1 200 ")
        said = raw_exchange(at, upgrade)
        assert said.startswith(b"HTTP/1.1 200 ") and said.endswith(values.tobytes())
        assert raw_exchange(at, head + b"\r\n\r\n", wait_s=0.3) == b""
        with line_to(at) as line:
            line.sendall(head + b"\r\n\r\n" + body[:50])
            time.sleep(0.02)
            line.sendall(body[50:])
            with line.makefile("rb") as answers:
                assert read_answer(answers)[1].endswith(values.tobytes())
    chunked = head.replace(b"content-length: ", b"transfer-encoding: chunked\r\nx: ")
    assert raw_exchange(at, chunked + b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("behind", [b"\r\n", b"GET /v2 HTTP/1.1\r\nhost: ", b"all"])
def test_no_timer_ends_a_request_that_is_being_answered(
    behind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEADER_TIMEOUT_S", "KEEP_ALIVE_S"):
        monkeypatch.setattr(http_connection, name, 0.3)
    request = infer_of(np.ones((1, 2), np.float32))
    with serving(Identity("one", delay_s=1)) as at, line_to(at) as line:
        line.sendall(request)
        time.sleep(0.1)
        line.sendall(request if behind == b"all" else behind)
        with line.makefile("rb") as answers:
            assert answers.read().count(b"HTTP/1.1 200 ") == (2 if behind == b"all" else 1)


def test_a_client_that_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "KEEP_ALIVE_S", 0.3)
    request = infer_of(np.zeros((1, 5_000_000), np.float32))
    with serving(Identity("one")) as at, socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", int(at.http.rpartition(":")[2])))
        line.sendall(request)
        time.sleep(2)
        line.settimeout(5)
        received = 0
        with contextlib.suppress(ConnectionError):
            while chunk := line.recv(1 << 20):
                received += len(chunk)
        assert received < 20_000_000  # of its answer


def test_clients_that_go_at_bad_moments_are_no_errors_of_the_server(
    at: Addresses, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    post = b"POST /v2/models/one/infer HTTP/1.1\r\nhost: localhost\r\n"
    expecting = post + b"expect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n"
    nowhere = b"POST /nope HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    for sent in [expecting, nowhere + b"content-length: 99999\r\n\r\nxx"] * 20:
        with line_to(at) as line:
            line.sendall(sent)
    assert raw_exchange(at, expecting, wait_s=1).startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in capfd.readouterr().err and not caplog.records


def test_a_client_that_takes_no_answers_is_not_read_from(at: Addresses) -> None:
    request = infer_of(np.zeros((1, 200_000), np.float32))
    with line_to(at, 2) as line:
        line.settimeout(1)
        with pytest.raises(TimeoutError):
            for _ in range(200):  # 160 MB, and as much in answers
                line.sendall(request)


def test_a_client_that_hangs_up_within_a_body_leaves_nothing(at: Addresses) -> None:
    request = infer_of(np.zeros((1, 200_000), np.float32))
    for sent in (request[:100_000], request[:20_000], request + request[:300_000]):
        with line_to(at) as line:
            line.sendall(sent)
    for _ in range(30):  # each of 800 kB, and 512 MB may be held
        assert raw_exchange(at, infer_of(np.ones((1, 200_000), np.float32), close=True)).startswith(
            b"HTTP/1.1 200 "
        )
