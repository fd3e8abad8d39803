"""Claims on each runtime at fp32, against native Paddle and benchmark_app."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from claims import NO_LIMIT, Claim, Results, ratio_detail
from fp32_speed import PADDLE, SIZES, fp32_configurations, frames_pairs, latency_rounds
from missed_limits import operators, python_streams, roofline
from run_configuration import THREADS

from paddleport.models.artifact import Artifact
from paddleport.models.onnx.cost import cost
from paddleport.models.resolve import SourceModel
from paddleport.validate.benchmark.machine import peak_gflops
from paddleport.worker import run_in_worker

TIMEOUT_S = 120.0
_FP32, _FRAMES = 1.5, 0.97


def fp32_results(source: SourceModel, onnx: Artifact, folder: Path) -> Results:
    """Latency at batch 1, shares of the measured peak, frames per second."""
    rounds = latency_rounds(fp32_configurations(source.model, onnx))
    flops = cost(onnx.path, {"x": SIZES}).flops or 0
    peak = peak_gflops(THREADS)
    medians = {name: statistics.median(times) for name, times in rounds.items()}
    runtimes = [name for name in medians if name != PADDLE]
    best = min(runtimes, key=medians.__getitem__)
    claims = []
    for name in (best, *(other for other in runtimes if other != best)):
        least = _FP32 if name == best else 0.0  # the claim is about the best
        what = f"batch 1, {THREADS} threads, fp32: {PADDLE} / {name}"
        claim = speed_ratio(what, rounds[PADDLE], rounds[name], least)
        if claim.missed:
            ceiling = roofline(medians[name], medians[PADDLE], _FP32, flops, peak)
            kernels = run_in_worker(operators, TIMEOUT_S, onnx.path)
            claim = replace(claim, reason=f"{ceiling}; {kernels}")
        claims.append(claim)
    claims += [peak_share(name, times, flops, peak) for name, times in rounds.items()]
    claims.append(_frames_claim(onnx, folder))
    series = {"latency_ms": rounds, "peak_gflops": peak, "flops": flops}
    return Results(claims, {}, series)


def _frames_claim(onnx: Artifact, folder: Path) -> Claim:
    ours, theirs = zip(*frames_pairs(onnx, folder), strict=True)
    what = "openvino run_many / benchmark_app -hint throughput, frames a second"
    claim = _ratio(what, ours, theirs, _FRAMES, "frames/s")
    if claim.missed:
        claim = replace(claim, reason=run_in_worker(python_streams, TIMEOUT_S, onnx))
    return claim


def speed_ratio(what: str, theirs: Sequence[float], ours: Sequence[float], least: float) -> Claim:
    """How many times as fast, by the median of the rounds' ratios; ``least`` 0 is no limit."""
    return _ratio(what, theirs, ours, least, "ms")


def _ratio(
    what: str, first: Sequence[float], second: Sequence[float], least: float, unit: str
) -> Claim:
    value = statistics.median(one / other for one, other in zip(first, second, strict=True))
    detail = ratio_detail(first, second, unit)
    return Claim(
        what=what,
        value=value,
        limit=least or NO_LIMIT,
        unit="x",
        detail=detail,
        at_least=True,
    )


def peak_share(name: str, times: Sequence[float], flops: float, peak: float) -> Claim:
    """GFLOP/s divided by those of a large matrix product on as many threads."""
    reached = flops / statistics.median(times) / 1e6 if flops else math.nan
    detail = f"{reached:.1f} of {peak:.1f} GFLOP/s, which numpy's BLAS reaches"
    return Claim(
        what=f"share of the measured peak: {name}",
        value=reached / peak,
        limit=NO_LIMIT,
        unit="",
        detail=detail,
    )
