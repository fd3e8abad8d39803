"""The adapter for KServe's server, in KServe's environment, by a foreign client."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest
import small_network
from conftest import skip_or_fail

from paddleport.errors import BackendUnavailableError
from paddleport.models.artifact import Artifact
from paddleport.tensors import Array

ROOT = Path(__file__).parent.parent
SCRIPT = str(Path(__file__).parent / "clients" / "kserve_adapter.py")


def test_without_kserve_one_line_says_what_to_install() -> None:
    with pytest.raises(BackendUnavailableError, match="pip install kserve"):
        __import__("paddleport.integrations.kserve_model")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def ports(
    clients_python: Path, small_onnx: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, int]]:
    """KServe's server, ready: its ports for REST and gRPC."""
    http, grpc = _free_port(), _free_port()
    log = tmp_path_factory.mktemp("kserve") / "log"
    words = [clients_python, SCRIPT, "serve", http, grpc, small_onnx.path]
    runtime = find_spec("onnxruntime")
    if runtime is None or runtime.origin is None:
        skip_or_fail("onnxruntime", "it is not installed")
    words += [ROOT, Path(runtime.origin).parents[1]]
    with log.open("w") as file:
        server = subprocess.Popen([*map(str, words)], stdout=file, stderr=file)
    try:
        end = time.monotonic() + 120
        while not _answers(f"http://127.0.0.1:{http}/v2/models/small/ready"):
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield http, grpc
    finally:
        server.terminate()
        server.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def check(found: dict[str, Array], x: Array) -> None:
    for name, right in zip(small_network.OUTPUTS, small_network.expected(x), strict=True):
        np.testing.assert_allclose(found[name], right, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_its_rest_answers_and_refuses_by_name(ports: tuple[int, int]) -> None:
    url = f"http://127.0.0.1:{ports[0]}/v2/models/small"
    (given,) = httpx.get(url).json()["inputs"]
    assert given == {"name": "x", "datatype": "FP32", "shape": [-1, *small_network.SHAPE]}
    x = small_network.feed(2)["x"]
    tensor = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.ravel().tolist()}
    answer = httpx.post(f"{url}/infer", json={"inputs": [tensor]}, timeout=30)
    assert answer.status_code == 200, answer.text
    outputs = answer.json()["outputs"]
    check({one["name"]: np.reshape(one["data"], one["shape"]) for one in outputs}, x)
    wrong = httpx.post(f"{url}/infer", json={"inputs": [{**tensor, "name": "y"}]}, timeout=30)
    assert wrong.status_code == 400 and "'y'" in wrong.text


@pytest.mark.slow
def test_its_grpc_answers_tritons_client(
    ports: tuple[int, int], clients_python: Path, tmp_path: Path
) -> None:
    x = small_network.feed(3, seed=1)["x"]
    np.save(tmp_path / "x.npy", x)
    words = [str(clients_python), SCRIPT, "ask", str(ports[1]), str(tmp_path / "x.npy")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    check({name: np.asarray(rows) for name, rows in json.loads(done.stdout).items()}, x)
