"""Servers of one model, started as a user starts them, and the bare runtime beside them."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from command_timing import BINARIES

from paddleport.models.artifact import Artifact
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.runner_options import RunnerOptions

ROOT = Path(__file__).parent.parent
START_S = 120.0
MODEL = "m"
_WORKER_BYTES = 30 << 20  # a child below is none that holds a model


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running server.

    Attributes:
        pid: of the process that listens.
        rest, grpc: ``host:port``.
    """

    pid: int
    rest: str
    grpc: str

    @property
    def pids(self) -> list[int]:
        """Of it and all its children."""
        process = psutil.Process(self.pid)
        return [self.pid, *(child.pid for child in process.children(recursive=True))]

    @property
    def held_bytes(self) -> int:
        """Resident memory of all of them."""
        return sum(_resident(pid) for pid in self.pids)

    def kill_worker(self, number: int) -> None:
        """End one process that holds the model, as a crash would."""
        workers = [pid for pid in self.pids[1:] if _resident(pid) > _WORKER_BYTES]
        if not workers:
            raise RuntimeError("the server has no worker to kill")
        os.kill(workers[number % len(workers)], signal.SIGKILL)


def _resident(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


@contextmanager
def served(model: Path, backend: str, *words: str) -> Iterator[Served]:
    """``paddleport serve`` of one model, ready."""
    command = [BINARIES / "paddleport", "serve", f"{MODEL}={model}", "--backend", backend, "--json"]
    command += ["--http-port", "0", "--grpc-port", "0", *words]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()  # printed once it is ready
            if not line:
                raise RuntimeError("the server ended before it was ready")
            said = json.loads(line)
            if said["models"][0]["state"] != "ready":
                raise RuntimeError(f"the model is not ready: {said['models'][0]['reason']}")
            rest, grpc = (said[kind].rpartition("/")[2] for kind in ("http", "grpc"))
            yield Served(pid=server.pid, rest=rest, grpc=grpc)
        finally:
            server.terminate()


@contextmanager
def served_by_kserve(model: Path, python: str, ports: Sequence[int]) -> Iterator[Served]:
    """KServe's own server on the adapter, with the same runtime, ready."""
    runtime = find_spec("onnxruntime")
    assert runtime is not None and runtime.origin is not None
    script = ROOT / "tests" / "clients" / "kserve_adapter.py"
    command = [python, script, "serve", *ports, model, ROOT, Path(runtime.origin).parents[1]]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*map(str, command)], **quiet) as server:
        try:
            rest, grpc = (f"127.0.0.1:{port}" for port in ports)
            _wait_for(f"http://{rest}/v2/models/small/ready", server)
            yield Served(pid=server.pid, rest=rest, grpc=grpc)
        finally:
            server.terminate()


def _wait_for(url: str, server: subprocess.Popen[Any]) -> None:
    import httpx

    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{url} does not become ready")


class BareCalls:
    """The predictor without a server, in a process of its own."""

    def __init__(self, model: Artifact, backend: str, options: RunnerOptions) -> None:
        spec = PredictorSpec(model=model, backend=backend, options=options)
        self._predictor = spec.open()
        (self._input,) = self._predictor.runner.inputs

    def input_name(self) -> str:
        """What the model's input is called."""
        return self._input.name

    def answers(self, tensors: Sequence[Any]) -> list[Any]:
        """The first output of each, flat."""
        outputs = [self._predictor.run({self._input.name: tensor}) for tensor in tensors]
        return [next(iter(found.values())).ravel().astype(np.float32) for found in outputs]

    def one_by_one(self, tensors: Sequence[Any], count: int) -> list[float]:
        """Milliseconds of each of ``count`` calls."""
        times = []
        for index in range(count):
            feed = {self._input.name: tensors[index % len(tensors)]}
            started = time.perf_counter()
            self._predictor.run(feed)
            times.append((time.perf_counter() - started) * 1e3)
        return times

    def per_second(self, tensors: Sequence[Any], seconds: float) -> float:
        """Inferences a second of the vendor's own loop over as many streams (OpenVINO)."""
        import openvino

        runner: Any = self._predictor.runner
        queue = openvino.AsyncInferQueue(runner._compiled, runner.streams)
        done: list[Any] = []
        queue.set_callback(lambda request, _: done.append(request.get_output_tensor(0).data.copy()))
        started = time.perf_counter()
        index = 0
        while time.perf_counter() < started + seconds:
            queue.start_async({self._input.name: tensors[index % len(tensors)]})
            index += 1
        queue.wait_all()
        return len(done) / (time.perf_counter() - started)
