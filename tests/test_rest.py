"""The protocol over HTTP: what is answered, what is refused, and what that leaves behind."""

import gzip
import json
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from fake_hosts import EVERY, Identity, Pictures, serving
from raw_http import LOOPS, answer_of

from paddleport.errors import FeedError, UsageError
from paddleport.serve.hosting.model_host import (
    DeadlineError,
    OverloadedError,
    WorkerLostError,
)
from paddleport.serve.rpc.open_inference_messages import SERVICE
from paddleport.serve.server import Addresses, ServerOptions
from paddleport.serve.server_metrics import ServerMetrics

BODY_BYTES = 2**20


@pytest.fixture(scope="module")
def echo() -> Identity:
    return Identity("echo", EVERY)


@pytest.fixture(scope="module")
def at(echo: Identity) -> Iterator[Addresses]:
    pages = {"/": ("text/html", b"<p>page")}
    with serving(echo, Pictures("pics"), pages=pages, max_body_bytes=BODY_BYTES) as found:
        yield found


@pytest.fixture
def client(at: Addresses) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=at.http, timeout=20) as found:
        yield found


def tensor(**changes: Any) -> dict[str, Any]:
    plain = {"name": "in_float32", "datatype": "FP32", "shape": [1, 2], "data": [1.5, -2]}
    return {key: value for key, value in {**plain, **changes}.items() if value is not None}


def infer(client: httpx.Client, *inputs: dict[str, Any], **more: Any) -> httpx.Response:
    return client.post("/v2/models/one/infer", json={"inputs": inputs, **more})


@pytest.fixture(scope="module")
def one() -> Iterator[Addresses]:
    with serving(Identity("one"), max_body_bytes=BODY_BYTES) as found:
        yield found


@pytest.fixture
def single(one: Addresses) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=one.http, timeout=20) as found:
        yield found


def test_json_in_and_out_keeps_values_and_shape(single: httpx.Client) -> None:
    for data in ([1.5, -2], [[1.5, -2]]):
        found = infer(single, tensor(data=data), id="a7").json()
        assert found["id"] == "a7" and found["model_version"] == "1"
        assert found["outputs"] == [
            {"name": "out_float32", "datatype": "FP32", "shape": [1, 2], "data": [1.5, -2.0]}
        ]


def test_binary_tensors_after_the_json(single: httpx.Client) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    head = json.dumps(
        {
            "inputs": [
                tensor(shape=[2, 3], data=None, parameters={"binary_data_size": values.nbytes})
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    done = single.post("/v2/models/one/infer", content=head + values.tobytes(), headers=headers)
    length = int(done.headers["Inference-Header-Content-Length"])
    assert json.loads(done.content[:length])["outputs"][0]["parameters"] == {
        "binary_data_size": values.nbytes
    }
    assert done.content[length:] == values.tobytes()


WRONG: list[tuple[dict[str, Any], str]] = [
    (tensor(data=["a", "b"]), "no FP32"),
    (tensor(data=[1, 2, 3]), "3 values"),
    (tensor(data=[[1], [2]]), "of shape"),
    (tensor(data=[[[1, 2]]]), "in 3 lists"),
    (tensor(data=[[1, 2], [3]], shape=[2, 2]), "FP32"),
    (tensor(data=[1e300, 0]), "beyond FP32"),
    (tensor(data=7), "in 0 lists"),
    (tensor(data=None), "neither data"),
    (tensor(shape=[1, -2]), "shape"),
    (tensor(shape=[2**40, 4]), "takes"),
    (tensor(shape=[2**62, 2**62]), "more elements than there are"),
    (tensor(data=[], shape=[1, 2**62, 0]), "more elements than there are"),
    (tensor(shape=[1] * 40), "40 axes"),
    (tensor(datatype="FP33"), "no datatype"),
    (tensor(datatype="INT32", data=[1, 2]), "takes FP32"),
    (tensor(datatype="INT8", data=[1, 300]), "beyond INT8"),
    (tensor(datatype="INT8", data=[1, 2**70]), "INT8"),
    (tensor(datatype="INT64", data=[1, 2.5]), "no INT64"),
    (tensor(datatype="BOOL", data=[1, 2]), "no BOOL"),
    (tensor(datatype="BF16"), "BF16"),
    (tensor(name="other"), "other"),
    (tensor(parameters={"binary_data_size": 8}), "one of them"),
    (tensor(data=None, parameters={"binary_data_size": 8}), "0 are left"),
    (tensor(data=None, parameters={"binary_data_size": -8}), "binary_data_size"),
    (tensor(data=None, parameters={"binary_data_size": "8"}), "binary_data_size"),
    (tensor(parameters={"shared_memory_region": "x"}), "shared memory"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_what_is_wrong_with_a_tensor_is_said(
    single: httpx.Client, given: dict[str, Any], words: str
) -> None:
    done = infer(single, given)
    assert done.status_code == 400, done.text
    assert words in done.json()["error"] and "\n" not in done.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"inputs": 1}',
        b'{"inputs": []}',
        b'{"inputs": [{"name": "in_float32"}]}',
        b"\xff\xfe",
        b'{"inputs":' + b"[" * 100_000,
        b'{"inputs": [{"name":"in_float32","datatype":"FP32","shape":[1],"data":'
        + b"[" * 9000
        + b"1"
        + b"]" * 9000
        + b"}]}",
        b'{"inputs": [{"name":"in_float32","datatype":"FP32","shape":[1],"data":[NaN]}]}',
        b'{"inputs": [{"name":"in_float32","datatype":"FP32","shape":[1],"data":[1e999]}]}',
        b'{"inputs": [{"name":"in_float32","datatype":"FP32","shape":[1' + b"0" * 5000 + b"]}]}",
    ],
)
def test_bodies_that_are_no_request(single: httpx.Client, body: bytes) -> None:
    done = single.post("/v2/models/one/infer", content=body)
    assert done.status_code == 400, done.text
    assert done.json()["error"]


@pytest.mark.parametrize("length", ["-1", "9999", "x", "1" * 30, "4"])
def test_a_header_length_that_lies(single: httpx.Client, length: str) -> None:
    body = json.dumps({"inputs": [tensor()]})
    headers = {"Inference-Header-Content-Length": length}
    assert single.post("/v2/models/one/infer", content=body, headers=headers).status_code == 400


def test_bytes_elements_whose_lengths_lie(client: httpx.Client) -> None:
    for raw in (struct.pack("<I", 2**31) + b"abc", struct.pack("<I", 1), b"abc"):
        head = json.dumps(
            {
                "inputs": [
                    {
                        "name": "p",
                        "datatype": "BYTES",
                        "shape": [1],
                        "parameters": {"binary_data_size": len(raw)},
                    }
                ]
            }
        ).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        done = client.post("/v2/models/pics/infer", content=head + raw, headers=headers)
        assert done.status_code == 400 and "element" in done.json()["error"]


def test_nan_has_no_form_in_json_and_is_given_as_binary(single: httpx.Client) -> None:
    raw = np.array([[np.nan, np.inf]], np.float32).tobytes()
    for binary, status in ((False, 400), (True, 200)):
        head = json.dumps(
            {
                "inputs": [tensor(data=None, parameters={"binary_data_size": 8})],
                "parameters": {"binary_data_output": binary},
            }
        ).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        done = single.post("/v2/models/one/infer", content=head + raw, headers=headers)
        assert done.status_code == status, done.text
        assert done.content.endswith(raw) if binary else "NaN" in done.json()["error"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FeedError("wrong"), 400),
        (OverloadedError("full", 2.2), 503),
        (DeadlineError("late"), 504),
        (WorkerLostError("gone"), 500),
    ],
)
def test_an_error_of_the_model_has_its_status(error: Exception, status: int) -> None:
    metrics, host = ServerMetrics(), Identity("m")
    host.error = error
    with serving(host, metrics=metrics) as at, httpx.Client(base_url=at.http) as client:
        done = client.post("/v2/models/m/infer", json={"inputs": [tensor()]})
        assert (done.status_code, done.json()["error"]) == (status, str(error))
        assert done.headers.get("retry-after") == ("3" if status == 503 else None)
        assert f'status="{status}"' in client.get("/metrics").text


def test_pictures_as_curl_sends_them(client: httpx.Client) -> None:
    ways: list[dict[str, Any]] = [
        {"content": b"jpeg"},
        {"files": {"file": ("a.jpg", b"jpeg")}},
        {"files": {"picture": ("a.jpg", b"jpeg")}},
    ]
    for way in ways:
        done = client.post("/v1/classify?model=pics", **way)
        assert done.json()["predictions"] == [{"index": 0, "label": "cat", "score": 0.75}]
        assert "decode;dur=2.000" in done.headers["server-timing"]
    assert client.post("/v1/classify", content=b"jpeg").json()["model"] == "pics"
    for content, words in ((b"", "no picture"), (b"bad", "can't be read: it is no picture")):
        done = client.post("/v1/classify", content=content)
        assert done.status_code == 400 and words in done.json()["error"]
    cut = {"content-type": "multipart/form-data; boundary=x"}
    for form in (b"", b"--x\r\n", b"--x\r\nname=file\r\n\r\nabc", b"--x--"):
        assert client.post("/v1/classify", content=form, headers=cut).status_code == 400


def test_addresses_and_methods(client: httpx.Client, echo: Identity) -> None:
    assert client.get("/").text == "<p>page"
    assert client.head("/v2").text == ""
    assert client.get("/nothing").status_code == 404
    assert client.get("/v2/models/echo/infer").headers["allow"] == "POST"
    assert client.get("/v2/models/echo/versions/1").status_code == 200
    assert client.get("/v2/models/echo/versions/2").status_code == 404
    assert client.get("/v2/models/..%2f..%2fetc").status_code == 404
    assert client.post("/v2/repository/models/echo/load").status_code == 403
    echo.reason = "it is loading"
    try:
        ready = client.get("/v2/health/ready")
        assert (ready.status_code, ready.json()["reasons"]) == (503, {"echo": "it is loading"})
        assert client.get("/v2/models/echo/ready").status_code == 503
        assert client.get("/v2/health/live").status_code == 200
    finally:
        echo.reason = ""
    assert client.get("/v2/health/ready").status_code == 200


def test_a_request_keeps_its_id(client: httpx.Client) -> None:
    assert client.get("/v2", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    drawn = client.get("/v2", headers={"x-request-id": "no good!"}).headers["x-request-id"]
    assert len(drawn) == 32


def test_pages_of_other_sites_are_refused(client: httpx.Client) -> None:
    there = {"origin": "http://elsewhere.example"}
    assert client.post("/v1/classify", content=b"jpeg", headers=there).status_code == 403
    own = {"origin": str(client.base_url)}
    assert client.post("/v1/classify", content=b"jpeg", headers=own).status_code == 200


def test_a_name_that_another_site_leads_here_is_refused(client: httpx.Client) -> None:
    there = {"host": "evil.example", "origin": "http://evil.example"}
    for headers in (there, {"host": "evil.example:80"}, {"host": "127.0.0.1.evil.example"}):
        done = client.post("/v1/classify", content=b"jpeg", headers=headers)
        assert (done.status_code, "call it localhost" in done.json()["error"]) == (403, True)
        assert client.get("/v1/models", headers=headers).status_code == 403
    for name in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8080"):
        assert client.get("/v1/models", headers={"host": name}).status_code == 200, name
    with (
        serving(Identity("one"), token="secret") as at,
        httpx.Client(base_url=at.http, headers={"authorization": "Bearer secret"}) as known,
    ):
        assert known.get("/v1/models", headers={"host": "behind.example"}).status_code == 200


def test_what_would_be_ignored_is_refused(client: httpx.Client) -> None:
    done = client.post("/v1/classify?topk=2", content=b"jpeg")
    assert (done.status_code, "no topk" in done.json()["error"]) == (400, True)
    for body in (b"{bad", b"[]", b'{"parameters": 3}', b'{"parameters": {"config": "{}"}}'):
        done = client.post("/v2/repository/models/echo/load", content=body)
        assert done.status_code == 400, body


def test_an_early_answer_to_a_body_that_was_not_sent_ends_the_connection(at: Addresses) -> None:
    head = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
    with socket.create_connection(("127.0.0.1", int(at.http.rpartition(":")[2])), 10) as asking:
        asking.sendall(head + b"Expect: 100-continue\r\n\r\n")
        with asking.makefile("rb") as answers:
            answer = answer_of(answers)
            assert answer.startswith(b"HTTP/1.1 404 ") and b"connection: close" in answer
            assert answers.read() == b""


def test_compressed_bodies_are_refused(client: httpx.Client) -> None:
    headers = {"content-encoding": "gzip"}
    done = client.post("/v2/models/echo/infer", content=gzip.compress(b"{}"), headers=headers)
    assert done.status_code == 415


def test_a_token_is_asked_for() -> None:
    with serving(Identity("m"), token="secret") as at, httpx.Client(base_url=at.http) as client:
        assert client.get("/v2/health/live").status_code == 200
        assert client.get("/v2/health/ready").status_code == 200
        for given in (None, "Bearer other", "secret"):
            header = {} if given is None else {"authorization": given}
            why = "asks for a token" if given is None else "is not this server's"
            done = client.get("/v2/models/m", headers=header)
            assert (done.status_code, done.headers["www-authenticate"]) == (401, "Bearer")
            assert why in done.json()["error"]
            assert client.get("/metrics", headers=header).status_code == 401
        right = {"authorization": "Bearer secret"}
        assert client.get("/v2/models/m", headers=right).status_code == 200


def made_certificate(folder: Path, *newkey: str) -> tuple[Path, Path]:
    key, chain = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", *newkey, "-nodes", "-days", "1"]
    command += ["-keyout", str(key), "-out", str(chain), "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    if shutil.which(command[0]) is None:
        pytest.skip("openssl is not here, which makes a certificate")
    subprocess.run(command, check=True, capture_output=True)
    return chain, key


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return made_certificate(tmp_path_factory.mktemp("tls"), "rsa:2048")


@pytest.mark.parametrize("run_loop", LOOPS)
def test_tls_over_both_protocols(
    certificate: tuple[Path, Path], run_loop: Callable[..., object]
) -> None:
    chain, key = certificate
    with serving(Identity("one"), tls_cert=chain, tls_key=key, run_loop=run_loop) as at:
        assert at.http.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(chain))
        with httpx.Client(base_url=at.http, verify=trusted) as client:
            assert infer(client, tensor()).status_code == 200
            long = infer(client, tensor(shape=[1, 50_000], data=[1.5] * 50_000))
            assert long.json()["outputs"][0]["data"] == [1.5] * 50_000
        with pytest.raises(httpx.HTTPError), httpx.Client() as client:
            client.get(at.http.replace("https", "http"))
        credentials = grpc.ssl_channel_credentials(chain.read_bytes())
        with grpc.secure_channel(at.grpc, credentials) as channel:
            method = channel.unary_unary(f"/{SERVICE}/ServerLive")
            assert method(b"", timeout=10) == b"\x08\x01"
        with grpc.insecure_channel(at.grpc) as channel, pytest.raises(grpc.RpcError):
            channel.unary_unary(f"/{SERVICE}/ServerLive")(b"", timeout=3)


def test_a_key_that_grpc_takes_and_can_not_use_is_refused(tmp_path: Path) -> None:
    curve = made_certificate(tmp_path, "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    with serving(Identity("one"), tls_cert=curve[0], tls_key=curve[1]) as at:
        assert at.grpc
    chain, key = made_certificate(tmp_path, "ed25519")
    with (
        pytest.raises(UsageError, match=r"key\.pem is an Ed25519"),
        serving(Identity("one"), tls_cert=chain, tls_key=key),
    ):
        pass


def test_a_certificate_that_is_none_is_one_line(tmp_path: Path) -> None:
    nothing = tmp_path / "no.pem"
    nothing.write_text("no certificate")
    with (
        pytest.raises(UsageError, match=r"no\.pem are no certificate and its key, both in PEM"),
        serving(Identity("one"), tls_cert=nothing, tls_key=nothing),
    ):
        pass
    with (
        pytest.raises(UsageError, match=r"--tls-cert .*gone\.pem can't be read: No such file"),
        serving(Identity("one"), tls_cert=tmp_path / "gone.pem", tls_key=nothing),
    ):
        pass


def test_an_encrypted_key_is_not_asked_for_at_a_prompt(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    chain, key = certificate
    secret = tmp_path / "secret.pem"
    command = ["openssl", "pkey", "-in", str(key), "-out", str(secret), "-aes256"]
    subprocess.run([*command, "-passout", "pass:word"], check=True, capture_output=True)
    with (
        pytest.raises(UsageError, match=r"secret\.pem is encrypted: openssl pkey -in"),
        serving(Identity("one"), tls_cert=chain, tls_key=secret),
    ):
        pass


def test_addresses_that_cannot_be_had_say_which_option() -> None:
    with pytest.raises(UsageError, match="--http-port and --grpc-port are both 18095"):
        ServerOptions(http_port=18095, grpc_port=18095)
    for host in ("192.0.2.1", "nonsense.invalid"):
        with (
            pytest.raises(UsageError, match=f"{host}:0 can't be listened on .*: --host takes"),
            serving(Identity("one"), host=host),
        ):
            pass
