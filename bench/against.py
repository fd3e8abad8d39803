"""Each runtime at fp32 against native Paddle, and against benchmark_app."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lines import NO_LIMIT, Found, Line, ratio_detail
from others import PADDLE, SIZES, THREADS, fp32_ways, frames_pairs, latency_rounds
from why import operators, python_streams, roofline

from paddleport.models.artifact import Artifact
from paddleport.models.onnx.cost import cost
from paddleport.models.resolve import SourceModel
from paddleport.validate.benchmark.machine import peak_gflops
from paddleport.worker import run_in_worker

TIMEOUT_S = 120.0
_FP32, _FRAMES = 1.5, 0.97


def against_others(source: SourceModel, onnx: Artifact, folder: Path) -> Found:
    """Latency at batch 1 in the same rounds, shares of the peak, frames a second."""
    ways = fp32_ways(source.model, onnx)
    rounds = latency_rounds(ways)
    flops = cost(onnx.path, {"x": SIZES}).flops or 0
    peak = peak_gflops(THREADS)
    medians = {name: statistics.median(times) for name, times in rounds.items()}
    runtimes = [name for name in medians if name != PADDLE]
    best = min(runtimes, key=medians.__getitem__)
    lines = []
    for name in (best, *(other for other in runtimes if other != best)):
        least = _FP32 if name == best else 0.0  # the claim is about the best
        what = f"batch 1, {THREADS} threads, fp32: {PADDLE} / {name}"
        line = faster(what, rounds[PADDLE], rounds[name], least)
        if line.missed:
            ceiling = roofline(medians[name], medians[PADDLE], _FP32, flops, peak)
            line = told(line, f"{ceiling}; {run_in_worker(operators, TIMEOUT_S, onnx.path)}")
        lines.append(line)
    lines += [share(name, times, flops, peak) for name, times in rounds.items()]
    lines.append(_frames_line(onnx, folder))
    series = {"latency_ms": rounds, "peak_gflops": peak, "flops": flops}
    return Found(lines, {}, series)


def _frames_line(onnx: Artifact, folder: Path) -> Line:
    ours, theirs = zip(*frames_pairs(onnx, folder), strict=True)
    what = "openvino run_many / benchmark_app -hint throughput, frames a second"
    line = _ratio(what, ours, theirs, _FRAMES, "frames/s")
    if line.missed:
        line = told(line, run_in_worker(python_streams, TIMEOUT_S, onnx))
    return line


def faster(what: str, theirs: Sequence[float], ours: Sequence[float], least: float) -> Line:
    """How many times as fast, by the median of the rounds' ratios; no limit where it is 0."""
    return _ratio(what, theirs, ours, least, "ms")


def _ratio(
    what: str, first: Sequence[float], second: Sequence[float], least: float, unit: str
) -> Line:
    value = statistics.median(one / other for one, other in zip(first, second, strict=True))
    detail = ratio_detail(first, second, unit)
    return Line(what, value, least or NO_LIMIT, "x", detail, at_least=True)


def share(name: str, times: Sequence[float], flops: float, peak: float) -> Line:
    """GFLOP/s by those of a large matrix product on as many threads."""
    reached = flops / statistics.median(times) / 1e6 if flops else math.nan
    detail = f"{reached:.1f} of {peak:.1f} GFLOP/s, which numpy's BLAS reaches"
    return Line(f"share of the measured peak: {name}", reached / peak, NO_LIMIT, "", detail)


def told(line: Line, reason: str) -> Line:
    """The line with the reason why it is missed."""
    return replace(line, reason=reason)
