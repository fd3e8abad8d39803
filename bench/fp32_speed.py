"""Measures each runtime at fp32: latency in turn, frames per second against benchmark_app."""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from run_configuration import THREADS, RunConfiguration

from paddleport import process
from paddleport.models.artifact import Artifact
from paddleport.telemetry import openvino_telemetry_hidden
from paddleport.validate.benchmark.machine import settle
from paddleport.validate.session import Session
from paddleport.worker import Worker

SIZES = (1, 3, 224, 224)
ROUNDS = 15
ROUND_S, WARM_UP_S = 0.4, 0.1
PAIRS = 5
SECONDS = 5
TIMEOUT_S = 120.0
PADDLE = "paddle oneDNN"


def fp32_configurations(paddle: Artifact, onnx: Artifact) -> dict[str, RunConfiguration]:
    """Native Paddle with oneDNN, and each runtime, with the same threads and precision."""
    return {
        PADDLE: RunConfiguration.as_run("paddle", paddle, SIZES),
        "openvino": RunConfiguration.as_run("openvino", onnx, SIZES),
        "onnxruntime": RunConfiguration.as_run("onnxruntime", onnx, SIZES),
    }


def latency_rounds(
    configurations: Mapping[str, RunConfiguration], rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """The median in ms of each round of each configuration.

    Each runs in its own process, in turn; the first changes from round to round.
    """
    generator = np.random.default_rng(0)
    feeds = {
        name: {"x": generator.standard_normal(configuration.shape, np.float32)}
        for name, configuration in configurations.items()
    }
    found: dict[str, list[float]] = {name: [] for name in configurations}
    with ExitStack() as opened:
        sessions = {}
        for name, configuration in configurations.items():
            with _environment(configuration.environ):
                sessions[name] = Session(
                    configuration.backend, configuration.model, configuration.options
                )
            opened.callback(sessions[name].close)
        names = list(configurations)
        for index in range(rounds + 1):
            for name in names[index % len(names) :] + names[: index % len(names)]:
                settle([session.facts.pid for session in sessions.values()])
                times = sessions[name].time_ms(feeds[name], at_most_s=ROUND_S, warm_up_s=WARM_UP_S)
                if index:  # the first is not counted
                    found[name].append(statistics.median(times))
    return found


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables for the processes that are started inside."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def frames_pairs(onnx: Artifact, folder: Path) -> list[tuple[float, float]]:
    """Frames per second: ``run_many`` in as many streams as threads, and benchmark_app's best.

    The same file and precision, on the same CPUs, A B, B A. benchmark_app may choose streams and
    requests for itself, and is given the size of its pictures.
    """
    cpus = process.first_cpus(THREADS)
    with Worker() as worker:
        worker.call(process.pin, TIMEOUT_S, cpus)
        streams = worker.hold(Streams, TIMEOUT_S, onnx)

        def ours() -> float:
            return worker.call(Streams.frames_per_s, TIMEOUT_S, streams, SECONDS)

        def theirs() -> float:
            with Worker() as other:
                other.call(process.pin, TIMEOUT_S, cpus)
                return other.call(benchmark_app_frames, TIMEOUT_S, onnx.path, folder)

        worker.call(Streams.frames_per_s, TIMEOUT_S, streams, 1)  # not counted
        pairs = []
        for index in range(PAIRS):
            found: dict[int, float] = {}
            for side in (0, 1) if index % 2 else (1, 0):
                settle([worker.pid])
                found[side] = (ours, theirs)[side]()
            pairs.append((found[0], found[1]))
    return pairs


class Streams:
    """OpenVINO's runner as ``run`` opens it for many pictures."""

    def __init__(self, onnx: Artifact) -> None:
        extras = {"streams": str(THREADS)}
        self.runner = RunConfiguration.as_run("openvino", onnx, SIZES, extras=extras).open()
        generator = np.random.default_rng(0)
        self._tensors = [generator.standard_normal(SIZES, np.float32) for _ in range(4)]

    def frames_per_s(self, seconds: float) -> float:
        """Feed until the time is up; how many were answered per second."""
        started = time.perf_counter()
        count = sum(1 for _ in self.runner.run_many(self._feeds(started + seconds)))
        return count / (time.perf_counter() - started)

    def _feeds(self, until: float) -> Iterator[dict[str, Any]]:
        index = 0
        while time.perf_counter() < until:
            yield {"x": self._tensors[index % len(self._tensors)]}
            index += 1


def benchmark_app_frames(path: Path, folder: Path) -> float:
    """Frames per second as benchmark_app reports them; in a process of its own."""
    with openvino_telemetry_hidden():
        from openvino.tools.benchmark.main import main

    settings = folder / "benchmark_app.json"  # with a hint it takes no -nthreads
    settings.write_text(json.dumps({"CPU": {"INFERENCE_NUM_THREADS": str(THREADS)}}))
    sizes = ",".join(map(str, SIZES))
    asked = {
        **{"-m": path, "-d": "CPU", "-shape": f"x[{sizes}]", "-ip": "f32", "-op": "f32"},
        **{"-hint": "throughput", "-infer_precision": "f32", "-t": SECONDS},
        **{"-load_config": settings},
        **{"-report_type": "no_counters", "-report_folder": folder},
    }
    sys.argv = ["benchmark_app", *(str(word) for pair in asked.items() for word in pair)]
    sys.argv += ["-json_stats"]
    main()
    report = json.loads((folder / "benchmark_report.json").read_text())
    return float(report["execution_results"]["throughput"])
