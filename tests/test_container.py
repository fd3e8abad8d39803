"""The container file and KServe's manifest, started as KServe would, without a container engine.

``PADDLEPORT_IMAGE_PYTHON`` names a Python with the packages of the image alone, as in CI.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import small_network
import yaml
from conftest import skip_or_fail

from paddleport.models.artifact import Artifact

KSERVE = Path(__file__).parent.parent / "examples" / "kserve"
MODELS = "/mnt/models"  # where KServe lays what STORAGE_URI points to
# What an image's user can read stands here below folders of root's: reading alone is allowed it.
_CAPABILITIES = "-all,+dac_read_search"
_READ_ONLY = (
    "mount --make-rprivate / && mount --bind /tmp /tmp && mount -t tmpfs tmpfs /mnt"
    f' && mkdir {MODELS} && mount --bind "$1" {MODELS} && mount -o remount,bind,ro {MODELS}'
    " && mount -o remount,bind,ro / && cd / && user=$2 && shift 2"
    ' && exec setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups'
    f" --bounding-set {_CAPABILITIES} --inh-caps {_CAPABILITIES} --ambient-caps {_CAPABILITIES}"
    ' "$@"'
)


@dataclass(frozen=True, kw_only=True)
class Image:
    """What the last stage of a container file says."""

    environ: dict[str, str]
    user: str
    entrypoint: list[str]
    command: list[str]
    exposed: list[int]


def read_image(text: str) -> Image:
    lines = text.replace("\\\n", " ").splitlines()
    last = max(index for index, line in enumerate(lines) if line.startswith("FROM "))
    said = [line.partition(" ")[::2] for line in lines[last + 1 :] if re.match("[A-Z]+ ", line)]
    only = dict(said)
    pairs = [pair for word, rest in said if word == "ENV" for pair in shlex.split(rest)]
    return Image(
        environ=dict(pair.split("=", 1) for pair in pairs),
        user=only["USER"],
        entrypoint=json.loads(only["ENTRYPOINT"]),
        command=json.loads(only["CMD"]),
        exposed=[int(port) for port in only["EXPOSE"].split()],
    )


@pytest.fixture(scope="module")
def image() -> Image:
    return read_image((KSERVE / "Containerfile").read_text())


@pytest.fixture(scope="module")
def predictor() -> dict[str, Any]:
    manifest = yaml.safe_load((KSERVE / "inference_service.yaml").read_text())
    found: dict[str, Any] = manifest["spec"]["predictor"]
    return found


def test_the_image_needs_no_root_and_one_writable_folder(
    image: Image, predictor: dict[str, Any]
) -> None:
    (container,) = predictor["containers"]
    security = container["securityContext"]
    assert image.user == f"{security['runAsUser']}:{security['runAsUser']}" != "0:0"
    assert security["readOnlyRootFilesystem"] and security["runAsNonRoot"]
    (mounted,) = (mount["mountPath"] for mount in container["volumeMounts"])
    for name in ("HOME", "PADDLEPORT_CACHE"):
        assert Path(image.environ[name]).is_relative_to(mounted)
    assert [volume["name"] for volume in predictor["volumes"]] == ["scratch"]


def test_ports_and_probes_are_those_of_the_command(image: Image, predictor: dict[str, Any]) -> None:
    (container,) = predictor["containers"]
    words = image.entrypoint
    http, grpc = (int(words[words.index(f"--{name}-port") + 1]) for name in ("http", "grpc"))
    assert image.exposed == [http, grpc]
    assert [port["containerPort"] for port in container["ports"]] == [http] == [8080]
    paths = {name: container[f"{name}Probe"]["httpGet"] for name in ("readiness", "liveness")}
    assert {name: probe["port"] for name, probe in paths.items()} == dict.fromkeys(paths, http)
    assert [probe["path"] for probe in paths.values()] == ["/v2/health/ready", "/v2/health/live"]


def free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (one, other)]


@dataclass(frozen=True)
class Started:
    process: subprocess.Popen[str]
    url: str
    log: Path

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=20)

    def wait_until_ready(self) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.get("/v2/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        pytest.fail(f"not ready: {self.log.read_text()}")


@pytest.fixture(params=["manifest", "image"])
def started(
    request: pytest.FixtureRequest,
    image: Image,
    predictor: dict[str, Any],
    small_onnx: Artifact,
    tmp_path: Path,
) -> Iterator[Started]:
    """The server with the manifest's arguments, or with the image's own."""
    isolated = ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh"]
    tried = [*isolated, str(KSERVE), image.user, "true"]
    if shutil.which("unshare") is None or subprocess.run(tried, capture_output=True).returncode:
        skip_or_fail("container", "only root can lay a read-only file system and be another user")
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(small_onnx.path, models / "MobileNetV2.onnx")
    arguments = predictor["containers"][0]["args"]
    words = [*image.entrypoint, *(arguments if request.param == "manifest" else image.command)]
    ports = free_ports()
    given = dict(zip(map(str, image.exposed), map(str, ports), strict=True))
    python = os.environ.get("PADDLEPORT_IMAGE_PYTHON", sys.executable)
    words = [python, "-m", *(given.get(word, word) for word in words)]
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*isolated, str(models), image.user, *words],
            env={**image.environ, "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            text=True,
        )
    try:
        yield Started(process, f"http://127.0.0.1:{ports[0]}", log)
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_it_starts_as_kserve_starts_it_answers_and_ends(started: Started) -> None:
    started.wait_until_ready()
    assert started.get("/v2/health/live").status_code == 200
    status = Path(f"/proc/{started.process.pid}/status").read_text()
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    (name,) = (model["name"] for model in _index(started))
    x = small_network.feed(1)[small_network.INPUT]
    tensor = {"name": small_network.INPUT, "datatype": "FP32", "shape": list(x.shape)}
    answer = httpx.post(
        f"{started.url}/v2/models/{name}/infer",
        json={"inputs": [{**tensor, "data": x.ravel().tolist()}]},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    found = {output["name"]: output["data"] for output in answer.json()["outputs"]}
    for output, right in zip(small_network.OUTPUTS, small_network.expected(x), strict=True):
        np.testing.assert_allclose(found[output], right.ravel(), rtol=1e-4, atol=1e-5)
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(timeout=60) in (0, -signal.SIGTERM), started.log.read_text()


def _index(started: Started) -> list[dict[str, Any]]:
    answer = httpx.post(f"{started.url}/v2/repository/index", json={}, timeout=20)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found
