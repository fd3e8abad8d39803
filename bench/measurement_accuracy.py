"""Whether ``validate`` measures what others do: OpenVINO's benchmark_app, and a bare loop."""

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from paddleport import process
from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import RunnerOptions, available_threads
from paddleport.telemetry import openvino_telemetry_hidden
from paddleport.validate.benchmark.interleaved_rounds import measure
from paddleport.validate.benchmark.machine import settle
from paddleport.validate.benchmark.timed_backend import Budget, TimedBackend
from paddleport.validate.session import Session
from paddleport.worker import Worker

PAIRS = 11
SECONDS = 1.2  # counted, of each side of a pair
TIMEOUT_S = 120.0

Pairs = list[tuple[float, float]]  # medians in ms: ours, theirs


def against_benchmark_app(onnx: Artifact, folder: Path) -> Pairs:
    """OpenVINO as ``validate`` measures it, and by OpenVINO's own tool.

    The same file with its free batch, the same input type, fp32, one request, as many threads.
    benchmark_app's clock is in OpenVINO itself; ours counts what Python adds.
    """
    threads = available_threads()

    def theirs(name: str, shape: tuple[int, ...]) -> float:
        with Worker() as worker:
            worker.call(process.pin, TIMEOUT_S, process.first_cpus(threads))
            return worker.call(benchmark_app_ms, TIMEOUT_S, onnx.path, folder, name, shape, threads)

    return _in_turn("openvino", onnx, threads, lambda feed: theirs(*_only(feed)))


def against_bare_loop(onnx: Artifact) -> Pairs:
    """ONNX Runtime as ``validate`` measures it, and in a plain timing loop."""
    threads = available_threads()
    with Worker() as worker:
        worker.call(process.pin, TIMEOUT_S, process.first_cpus(threads))
        loop = worker.hold(BareLoop, TIMEOUT_S, onnx.path, threads)

        def theirs(feed: Mapping[str, Any]) -> float:
            return worker.call(BareLoop.median_ms, TIMEOUT_S, loop, feed, SECONDS)

        return _in_turn("onnxruntime", onnx, threads, theirs, worker.pid)


def _in_turn(
    backend: str,
    onnx: Artifact,
    threads: int,
    theirs: Callable[[Mapping[str, Any]], float],
    *pids: int,
) -> Pairs:
    """A B, B A, A B, ... after one of each that is not counted."""
    with closing(Session(backend, onnx, RunnerOptions(threads=threads))) as session:
        feed = {"x": np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)}
        sides = (lambda: _validate_ms(session, feed), lambda: theirs(feed))
        pairs = []
        for index in range(PAIRS + 1):
            found: dict[int, float] = {}
            for side in (0, 1) if index % 2 else (1, 0):
                settle([session.facts.pid, *pids])
                found[side] = sides[side]()
            pairs.append((found[0], found[1]))
    return pairs[1:]


def _validate_ms(session: Session, feed: Mapping[str, Any]) -> float:
    """The main number as ``validate`` measures it."""
    backend = TimedBackend(session=session, feeds={1: feed}, grid=False)
    (found,) = measure({"it": backend}, Budget(main_s=SECONDS)).values()
    if found.error is not None:
        raise found.error
    return found.latencies[0].p50_ms


def _only(feed: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    ((name, tensor),) = feed.items()
    return name, tensor.shape


def benchmark_app_ms(
    path: Path, folder: Path, name: str, shape: tuple[int, ...], threads: int
) -> float:
    """The median that benchmark_app reports; in a process of its own."""
    with openvino_telemetry_hidden():
        from openvino.tools.benchmark.main import main

    sizes = ",".join(map(str, shape))
    asked = {
        **{"-m": path, "-d": "CPU", "-data_shape": f"{name}[{sizes}]", "-ip": "f32", "-op": "f32"},
        **{"-api": "sync", "-hint": "none", "-nireq": 1, "-nstreams": 1, "-nthreads": threads},
        **{"-infer_precision": "f32", "-niter": 300},
        **{"-report_type": "no_counters", "-report_folder": folder},
    }
    sys.argv = ["benchmark_app", *(str(word) for pair in asked.items() for word in pair)]
    sys.argv += ["-json_stats"]
    main()
    report = json.loads((folder / "benchmark_report.json").read_text())
    return float(report["execution_results"]["latency (ms)"])


class BareLoop:
    """A session of ONNX Runtime and a clock."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime as ort

        settings = ort.SessionOptions()
        settings.intra_op_num_threads = threads
        self._session = ort.InferenceSession(str(path), settings)

    def median_ms(self, feed: Mapping[str, Any], seconds: float) -> float:
        """Twenty runs that are not counted, then as many as there is time for."""
        for _ in range(20):
            self._session.run(None, feed)
        times = []
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            started = time.perf_counter()
            self._session.run(None, feed)
            times.append((time.perf_counter() - started) * 1e3)
        return statistics.median(times)
