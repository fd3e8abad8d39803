"""ncnn and MNN against ONNX Runtime and OpenVINO on the same file, and over their own calls."""

import statistics
from collections.abc import Mapping
from dataclasses import replace

from claims import NO_LIMIT, Claim, Results, spread
from fp32_claims import speed_ratio
from fp32_speed import ROUNDS, SIZES, latency_rounds
from missed_limits import python_calls
from run_configuration import THREADS, RunConfiguration
from runner_overhead import RUNS, runner_overhead

from paddleport.convert.loadable import loadable
from paddleport.models.artifact import Artifact
from paddleport.runners import runner_class, why_not
from paddleport.worker import run_in_worker

EDGE, OTHERS = ("ncnn", "mnn"), ("onnxruntime", "openvino")
_TIMEOUT_S = 300
_OVERHEAD = 1.02
_LEAST_RUNS = 10
_ASLEEP = "ncnn, threads asleep"
# ncnn's OpenMP threads spin between layers; on CPUs that others use, too, that costs dearly
_SLEEPING: Mapping[str, str] = {"GOMP_SPINCOUNT": "0"}


def edge_results(onnx: Artifact, rounds: int = ROUNDS) -> Results:
    """fp32 at batch 1 on 1 and 2 threads, all in turn, and ``run`` over the vendors' own calls.

    Args:
        onnx: the file that all others are made of.
        rounds: of the latencies; fewer than the usual ones mean fewer runs of the overhead, too.
    """
    missing = {name: why_not(name) for name in EDGE}
    models = {name: onnx for name in OTHERS}
    models |= {
        name: loadable(onnx, runner_class(name).formats) for name in EDGE if not missing[name]
    }
    claims = [_not_measured(name, why) for name, why in missing.items() if why]
    series: dict[str, object] = {}
    for threads in (1, THREADS):
        found = latency_rounds(_configurations(models, threads), rounds)
        series[f"edge_latency_ms_{threads}_threads"] = found
        title = f"batch 1, {threads} thread{'s' * (threads > 1)}, fp32"
        claims += [
            speed_ratio(f"{title}: {other} / {name}", found[other], times, 0)
            for name, times in found.items()
            if name not in OTHERS
            for other in OTHERS
        ]
    runs = max(_LEAST_RUNS, RUNS * rounds // ROUNDS)
    claims += [_overhead(name, models[name], runs) for name in EDGE if name in models]
    return Results(claims, {}, series)


def _configurations(models: Mapping[str, Artifact], threads: int) -> dict[str, RunConfiguration]:
    found = {
        name: RunConfiguration.as_run(name, model, SIZES, threads=threads)
        for name, model in models.items()
    }
    if "ncnn" in found and threads > 1:
        found[_ASLEEP] = replace(found["ncnn"], environ=_SLEEPING)
    return found


def _not_measured(name: str, why: str) -> Claim:
    what = f"fp32: onnxruntime / {name}"
    return Claim(what=what, value=None, limit=NO_LIMIT, unit="x", detail="", reason=why)


def _overhead(name: str, model: Artifact, runs: int) -> Claim:
    ours, bare = run_in_worker(runner_overhead, _TIMEOUT_S, name, model, runs)
    ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
    detail = f"{spread(ours)} ms against {spread(bare)} ms, {len(ours)} runs each"
    claim = Claim(
        what=f"{name} run / bare call", value=ratio, limit=_OVERHEAD, unit="x", detail=detail
    )
    if claim.missed:
        claim = replace(claim, reason=run_in_worker(python_calls, _TIMEOUT_S, name, model))
    return claim
