"""``paddleport serve`` as a user types it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import colour_pictures
import grpc
import httpx
import onnx
import pytest
from onnx import numpy_helper
from test_cli import Command, cache, one_line_error, paddleport
from test_rpc import call

from paddleport.cli.serve_run import print_serving
from paddleport.models.artifact import Artifact
from paddleport.serve.rpc.open_inference_messages import METHODS
from paddleport.serve.server import Addresses

__all__ = ["cache", "paddleport"]

_FREE = ("--http-port", 0, "--grpc-port", 0)


@dataclass(frozen=True)
class Serving:
    process: subprocess.Popen[str]
    told: dict[str, Any]
    client: httpx.Client

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def serving(folder: Path, cache: Path, *typed: object, **environ: str) -> Iterator[Serving]:
    command = [sys.executable, "-m", "paddleport", "serve", "--json", "--http-port", "0"]
    with (folder / "stderr.txt").open("w") as stderr:
        process = subprocess.Popen(
            [*command, "--grpc-port", "0", *map(str, typed)],
            cwd=folder,
            env={**os.environ, "PADDLEPORT_CACHE": str(cache), **environ},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder / "stderr.txt").read_text()
        told = json.loads(line)
        with httpx.Client(base_url=told["http"], timeout=30) as client:
            yield Serving(process, told, client)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("serve") / "colours.onnx"
    colour_pictures.save_classifier(path, described=True)
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = colour_pictures.draw_colours(tmp_path_factory.mktemp("pictures"), 3)
    return next(folder.rglob("*.png")).read_bytes()


def test_it_serves_until_it_is_told_to_end(
    tmp_path: Path, cache: Path, colours: Path, picture: bytes
) -> None:
    log = tmp_path / "requests.jsonl"
    typed = (colours, "--log", log, "--log-format", "json", "--topk", 2)
    with serving(tmp_path, cache, *typed) as server:
        (model,) = server.told["models"]
        assert (model["model"], model["state"]) == ("colours", "ready")
        done = server.client.post("/v1/classify", content=picture, headers={"x-request-id": "me"})
        assert len(done.json()["predictions"]) == 2
        assert "compute;dur=" in done.headers["server-timing"]
        assert "<title>" in server.client.get("/").text
        assert "default-src 'none'" in server.client.get("/").headers["content-security-policy"]
        metrics = server.client.get("/metrics").text
        assert 'paddleport_model_ready{model="colours"} 1.0' in metrics
        assert server.client.post("/v2/repository/models/colours/unload").status_code == 403
        assert server.end() == 0
    first = json.loads(log.read_text().splitlines()[0])
    assert (first["request_id"], first["model"], first["status"]) == ("me", "colours", "200")


def test_two_backends_have_two_names(tmp_path: Path, cache: Path, colours: Path) -> None:
    with serving(tmp_path, cache, f"c={colours}", "-b", "onnxruntime", "-b", "openvino") as server:
        assert [item["model"] for item in server.told["models"]] == ["c", "c-openvino"]
        assert server.client.get("/v2/models/c-openvino/ready").status_code == 200


def test_paddle_is_asked_for_a_model_by_its_folder(
    tmp_path: Path, cache: Path, small_pir: Artifact, paddleport: Command
) -> None:
    made = tmp_path / "small.onnx"
    assert paddleport("convert", small_pir.path, "-o", made).code == 0
    with serving(tmp_path, cache, f"a={small_pir.path}", f"b={made}", "--prove") as server:
        asked, not_asked = server.told["models"]
    assert asked["proof"] == not_asked["proof"] == "agrees"
    assert "native Paddle running" in asked["sentence"] and not asked["warning"]
    assert "native Paddle was not asked: small.onnx does not say" in not_asked["warning"]


def test_a_changed_file_is_not_ready(tmp_path: Path, cache: Path, paddleport: Command) -> None:
    path = tmp_path / "m.onnx"
    typed = ("convert", "MobileNetV2_x0_25", "--weights", "seeded", "-o", path)
    assert paddleport(*typed).code == 0
    graph = onnx.load(path)
    weight = max(graph.graph.initializer, key=lambda item: len(item.raw_data))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.5, weight.name))
    onnx.save(graph, path)
    with serving(tmp_path, cache, path) as server:
        (model,) = server.told["models"]
        assert model["state"] == "not ready"
        assert "differs" in model["reason"] and model["proof"] == "differs"
        assert server.client.get("/v2/health/ready").status_code == 503
        refused = server.client.post("/v1/classify?model=m", content=b"x")
        assert refused.status_code == 503 and "not ready" in refused.json()["error"]


def test_a_repository_is_loaded_by_request(tmp_path: Path, cache: Path, colours: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "mine.onnx").write_bytes(colours.read_bytes())
    with serving(tmp_path, cache, "--repository", folder, "--allow-load") as server:
        index = server.client.post("/v2/repository/index").json()
        assert [(item["name"], item["state"]) for item in index] == [("mine", "UNAVAILABLE")]
        assert server.client.get("/v2/models/mine/ready").status_code == 503
        assert server.client.post("/v2/repository/models/mine/load").status_code == 200
        assert server.client.get("/v2/models/mine/ready").status_code == 200
        assert server.client.post("/v2/repository/models/mine/unload").status_code == 200
        assert server.client.get("/v2/models/mine/ready").status_code == 503
        assert server.client.post("/v2/repository/models/other/load").status_code == 404


@pytest.mark.parametrize("allow_load", [True, False])
def test_what_waits_to_be_loaded_is_told_and_not_warned_of(
    capsys: pytest.CaptureFixture[str], allow_load: bool
) -> None:
    of_all = {"backend": "onnxruntime", "proof": "", "sentence": "", "warning": ""}
    named = {"model": "a", "state": "not ready", "reason": "it differs", **of_all}
    waiting = {"model": "b", "state": "not ready", "reason": "it is not loaded", **of_all}
    addresses = Addresses("http://127.0.0.1:8080", "127.0.0.1:8081")
    print_serving([named], [waiting], addresses, allow_load=allow_load)
    out, err = capsys.readouterr()
    *_, last = out.splitlines()
    assert last.split() == ["b", "onnxruntime", "not", "loaded", "/v2/models/b"]
    warning, told = err.splitlines()
    assert "is not ready: it differs" in warning
    how = "POST /v2/repository/models/NAME/load loads one" if allow_load else "--allow-load lets"
    assert told.startswith(f"0 of 1 models ready · 1 model not loaded: {how}")


def test_a_damaged_file_is_no_secret_of_where_it_lies(
    tmp_path: Path, cache: Path, colours: Path
) -> None:
    folder = tmp_path / "my models"
    (folder / "nested").mkdir(parents=True)
    content = colours.read_bytes()
    (folder / "mine.onnx").write_bytes(content)
    (folder / "cut.onnx").write_bytes(content[: len(content) // 2])
    (folder / "nested" / "junk.onnx").write_bytes(b"\xff" * 500)
    (folder / "other.mnn").write_bytes(b"\0" * 500)  # which this backend does not load
    with serving(tmp_path, cache, "--repository", folder, "--allow-load") as server:
        for name, file in (("cut", "cut.onnx"), ("nested", "junk.onnx"), ("other", "other.mnn")):
            done = server.client.post(f"/v2/repository/models/{name}/load")
            assert done.status_code == 503, done.text
            assert f"{name} can't be loaded: " in done.json()["error"]
            with pytest.raises(grpc.RpcError) as raised:
                asked = METHODS["RepositoryModelLoad"][0](model_name=name)
                call(server.told["grpc"], "RepositoryModelLoad", asked)
            error: Any = raised.value
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            told = (
                done.text,
                error.details(),
                server.client.get(f"/v2/models/{name}/ready").text,
                server.client.post(f"/v1/classify?model={name}", content=b"x").text,
            )
            assert all(file in text and "my models" not in text for text in told), told
        everything = server.client.post("/v2/repository/index").text
        assert str(tmp_path) not in everything + server.client.get("/v1/models").text
        assert server.client.post("/v2/repository/models/mine/load").status_code == 200
        assert server.client.get("/v2/models/mine/ready").status_code == 200
    assert str(folder / "cut.onnx") in (tmp_path / "stderr.txt").read_text()


def test_a_killed_worker_is_started_again(
    tmp_path: Path, cache: Path, colours: Path, picture: bytes
) -> None:
    import psutil

    with serving(tmp_path, cache, colours) as server:
        (worker, *_) = psutil.Process(server.process.pid).children()
        worker.kill()
        for _ in range(200):
            if 'paddleport_worker_restarts_total{model="colours"} 1.0' in (
                server.client.get("/metrics").text
            ):
                break
            time.sleep(0.05)
        assert server.client.post("/v1/classify", content=picture).status_code == 200


def test_a_token_from_a_file(tmp_path: Path, cache: Path, colours: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    with serving(tmp_path, cache, colours, "--token-file", token) as server:
        assert server.client.get("/v1/models").status_code == 401
        right = {"authorization": "Bearer secret"}
        assert server.client.get("/v1/models", headers=right).status_code == 200


def test_what_can_not_be_served_is_one_line(
    paddleport: Command, colours: Path, tmp_path: Path
) -> None:
    one_line_error(paddleport("serve", "--topk", 3), "nothing to serve")
    one_line_error(paddleport("serve", "MobileNetV9", *_FREE), "MobileNetV9")
    one_line_error(paddleport("serve", colours, f"colours={colours}", *_FREE), "two models")
    one_line_error(paddleport("serve", colours, "--tls-cert", colours), "--tls-key")
    one_line_error(paddleport("serve", colours, "--token-file", tmp_path / "no"), "--token-file")
    (tmp_path / "two").write_text("a\nb\n")
    refused = paddleport("serve", colours, "--token-file", tmp_path / "two")
    one_line_error(refused, "what no client can send in a header")
    one_line_error(paddleport("serve", colours, "--log-format", "xml"), "--log-format")
    one_line_error(paddleport("serve", f"={colours}", *_FREE), "gives no name to serve it by")
    one_line_error(paddleport("serve", "colours=", *_FREE), "names no model")
    refused = paddleport("serve", colours, "--http-port", 99999)
    one_line_error(refused, "--http-port 99999 is not possible: 0 to 65535")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one_line_error(paddleport("serve", colours, "--http-port", port), "--http-port")
        first = paddleport("serve", "MobileNetV9", "--http-port", port)  # before any model
        one_line_error(first, "--http-port takes another")
        pair = ("--tls-cert", colours, "--tls-key", colours)
        one_line_error(paddleport("serve", "MobileNetV9", *pair, *_FREE), "are no certificate")
        typed = ("serve", colours, "--http-port", 0, "--grpc-port", port)
        one_line_error(paddleport(*typed), "--grpc-port")
