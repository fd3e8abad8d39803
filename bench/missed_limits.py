"""Why a limit is missed: where the time goes, by the vendors' profiles and by Python's."""

import cProfile
import pstats
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fp32_speed import SIZES, Streams
from run_configuration import THREADS

from paddleport import process
from paddleport.models.artifact import Artifact
from paddleport.runners import open_runner
from paddleport.runners.runner_options import RunnerOptions

RUNS = 100
SHOWN = 3


def shares(costs: Mapping[str, float], shown: int = SHOWN) -> str:
    """The dearest few, each with its share of all."""
    total = sum(costs.values()) or 1.0
    dearest = sorted(costs.items(), key=lambda item: -item[1])[:shown]
    return ", ".join(f"{name} {cost / total:.0%}" for name, cost in dearest)


def operators(path: Path) -> str:
    """OpenVINO's kernels by kind and share of the time, at fp32; in a process of its own."""
    import openvino

    process.pin(process.first_cpus(THREADS))
    settings = {
        **{"PERF_COUNT": True, "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1},
        **{"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"},
    }
    core = openvino.Core()
    request = core.compile_model(core.read_model(str(path)), "CPU", settings).create_infer_request()
    tensor = np.random.default_rng(0).standard_normal(SIZES, np.float32)
    costs: Counter[str] = Counter()
    for index in range(RUNS + 1):
        request.infer({0: tensor})
        if index:  # the first prepares its kernels
            for item in request.profiling_info:
                costs[f"{item.node_type} ({item.exec_type})"] += item.real_time.total_seconds()
    return f"openvino's kernels: {shares(costs)}"


def python_calls(backend: str, model: Any) -> str:
    """What ``run`` does beside the vendor's call, by own time; in a process of its own."""
    with open_runner(backend, model, RunnerOptions(threads=THREADS)) as runner:
        name = runner.inputs[0].name
        feed = {name: np.random.default_rng(0).standard_normal(SIZES, np.float32)}
        for _ in range(RUNS):
            runner.run(feed)
        with cProfile.Profile() as profile:
            for _ in range(RUNS):
                runner.run(feed)
    return f"python's own time in run: {_own_times(profile)}"


def python_streams(onnx: Artifact) -> str:
    """What ``run_many`` does in Python while requests are computed; in a process of its own."""
    process.pin(process.first_cpus(THREADS))
    streams = Streams(onnx)
    streams.frames_per_s(1)
    with cProfile.Profile() as profile:
        streams.frames_per_s(2)
    return f"python's own time in run_many, waiting included: {_own_times(profile)}"


def imports(
    ours: Sequence[object], bare: Sequence[object], folder: Path, environ: Mapping[str, str]
) -> str:
    """What one command of Python's imports that another does not, by package."""
    costs, others = (_imported(command, folder, environ) for command in (ours, bare))
    for module in others:
        costs.pop(module, None)
    packages: Counter[str] = Counter()
    for module, cost in costs.items():
        package = module.partition(".")[0]
        packages["Python's own" if package in sys.stdlib_module_names else package] += cost
    return f"imports beyond the script's, {sum(costs.values()):.3f} s: {shares(packages, 5)}"


def _imported(
    command: Sequence[object], folder: Path, environ: Mapping[str, str]
) -> dict[str, float]:
    """Seconds that each module took, without what it imports itself."""
    python = [sys.executable, "-X", "importtime", *map(str, command)]
    log = subprocess.run(
        python, check=True, capture_output=True, text=True, cwd=folder, env=environ
    ).stderr
    return import_times(log)


def import_times(log: str) -> dict[str, float]:
    """Seconds per module, from what ``-X importtime`` prints in µs."""
    found = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", log, re.MULTILINE)
    return {module: int(cost) / 1e6 for cost, module in found}


def _own_times(profile: cProfile.Profile) -> str:
    costs: Counter[str] = Counter()
    # (file, line, function) to (calls, recursive calls, own seconds, ...)
    for (_, _, function), times in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        costs[function.replace("<", "").replace(">", "")] += times[2]
    return shares(costs, 5)


def roofline(ours: float, theirs: float, limit: float, flops: float, peak_gflops: float) -> str:
    """The share of the measured peak that the limit would take.

    Args:
        ours: ms of the faster one.
        theirs: ms of native Paddle.
        limit: how many times as fast ours must be.
        flops: of one inference.
        peak_gflops: measured.
    """
    reached, native = (flops / ms / 1e6 / peak_gflops for ms in (ours, theirs))
    return (
        f"{limit:g} x would take {native * limit:.0%} of the measured peak: native Paddle "
        f"reaches {native:.0%}, ours {reached:.0%}"
    )
