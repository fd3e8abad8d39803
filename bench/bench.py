"""``make bench``: what paddleport costs above the vendors, as ratios in one interleaved run.

Writes out/bench.json, out/bench.md and its plots, and prints the table. Both sides are taken in
turn. For whole commands the ratio is that of the medians, else the median of the pairs' ratios;
the spread is the middle half.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from claims import NO_LIMIT, Claim, Results, spread, table, write
from command_timing import BINARIES, RUNS, in_turn, seconds
from conversion_memory import memory_results
from cpp_speed import ROUNDS as CPP_ROUNDS
from cpp_speed import cpp_results
from edge_speed import edge_results
from evaluate_speed import evaluate_claims
from fp32_claims import TIMEOUT_S, fp32_results
from fp32_speed import ROUNDS, SIZES
from long_run import long_run_results
from measurement_accuracy import Pairs, against_bare_loop, against_benchmark_app
from missed_limits import python_calls
from picture_throughput import pipeline_claim, pipeline_passes
from preprocess_speed import CASES, preprocess_times, ratios
from ray_throughput import ray_results
from run_configuration import THREADS, RunConfiguration
from runner_overhead import runner_overhead
from serve_speed import LARGER, serve_results
from startup_time import startup_claims
from tuned_speed import tuned_results

from paddleport.convert import convert
from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.resolve import SourceModel, resolve
from paddleport.worker import run_in_worker

PARTS = (
    *("help", "startup", "convert", "overhead", "rig", "preprocess", "validate", "pipeline"),
    *("others", "edge", "tuned", "growth", "memory", "evaluate", "serve", "ray", "cpp"),
)
OUT = Path("out")


def help_claims(folder: Path) -> list[Claim]:
    """How long ``paddleport --help`` takes."""
    times = [seconds([BINARIES / "paddleport", "--help"], folder) for _ in range(RUNS + 1)][1:]
    return [_seconds_claim("paddleport --help", times, 0.3)]


def convert_claims(source: SourceModel, folder: Path) -> list[Claim]:
    """``convert`` with all its checks against the bare paddle2onnx command."""
    model, params = source.model.path, source.model.weights_file
    ours = [BINARIES / "paddleport", "convert", "--model", model, "--params", params]
    bare = [BINARIES / "paddle2onnx", "--model_dir", model.parent, "--model_filename", model.name]
    bare += ["--params_filename", Path(str(params)).name, "--save_file", folder / "bare.onnx"]
    bare += ["--opset_version", "11", "--optimize_tool", "None"]
    ours += ["--opset", "11", "--output", folder / "again.onnx"]
    times = in_turn(lambda: seconds(ours, folder), lambda: seconds(bare, folder), RUNS)
    ratio = statistics.median(times[0]) / statistics.median(times[1])
    detail = f"{spread(times[0])} s against {spread(times[1])} s"
    return [
        Claim(what="convert / bare paddle2onnx", value=ratio, limit=1.6, unit="x", detail=detail)
    ]


def overhead_claims(source: SourceModel, onnx: Artifact) -> list[Claim]:
    """A runner's ``run`` against the vendor's own call, each backend in its own process."""
    claims = []
    for backend in ("onnxruntime", "openvino", "paddle"):
        model = source.model if backend == "paddle" else onnx
        ours, bare = run_in_worker(runner_overhead, 300, backend, model)
        ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
        detail = f"{spread(ours)} ms against {spread(bare)} ms, {len(ours)} runs each"
        claim = Claim(
            what=f"{backend} run / bare call", value=ratio, limit=1.02, unit="x", detail=detail
        )
        if claim.missed:
            reason = run_in_worker(python_calls, TIMEOUT_S, backend, model)
            claim = replace(claim, reason=reason)
        claims.append(claim)
    return claims


def measurement_claims(onnx: Artifact, folder: Path) -> list[Claim]:
    """What ``validate`` measures, against other ways to measure the same."""
    return [
        deviation("rig: openvino / benchmark_app", against_benchmark_app(onnx, folder), 5),
        deviation("rig: onnxruntime / bare loop", against_bare_loop(onnx), 3),
    ]


def preprocess_claims() -> list[Claim]:
    """Preprocessing against PaddleClas's deployment code."""
    claims = []
    for case in CASES:
        ours, theirs, turned = run_in_worker(preprocess_times, 300, case)
        ratio, detail = ratios(ours, theirs)
        detail = f"{detail} x as fast; {ratios(ours, turned)[1]} x where it is given RGB; "
        detail += f"{spread(ours)} ms against {spread(theirs)} ms, {len(ours)} runs each"
        claims.append(
            Claim(
                what=f"preprocess {case.what} / PaddleClas",
                value=1 / ratio,
                limit=case.limit,
                unit="x",
                detail=detail,
            )
        )
    return claims


def deviation(what: str, pairs: Pairs, limit: float) -> Claim:
    """How far the median of the pairs' ratios is from 1, on either side."""
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (spread(times) for times in zip(*pairs, strict=True))
    detail = f"ratio {spread(ratios)}; {ours} ms against {theirs} ms, {len(pairs)} pairs"
    return Claim(
        what=what,
        value=abs(statistics.median(ratios) - 1) * 100,
        limit=limit,
        unit="%",
        detail=detail,
    )


def validate_claims(folder: Path) -> list[Claim]:
    """How long a whole validation takes, conversion cached."""
    command = [BINARIES / "paddleport", "validate", "MobileNetV2", "--weights", "seeded"]
    command += ["--out", folder / "report"]
    seconds([*command, "--quick", "--seconds", "0"], folder)  # caches
    quick = [seconds([*command, "--quick"], folder) for _ in range(3)]
    whole = [seconds(command, folder) for _ in range(2)]
    return [
        _seconds_claim("paddleport validate --quick", quick, 15),
        _seconds_claim("paddleport validate", whole, 60),
    ]


def _seconds_claim(what: str, times: Sequence[float], limit: float) -> Claim:
    return Claim(
        what=what, value=statistics.median(times), limit=limit, unit="s", detail=spread(times)
    )


def pipeline_claims(source: SourceModel, onnx: Artifact, folder: Path) -> list[Claim]:
    """Pictures per second of ``run`` over a folder, against a plain loop on native Paddle."""
    assert source.preprocess is not None
    configurations = {
        backend: RunConfiguration.as_run(backend, onnx, SIZES, extras={"streams": str(THREADS)})
        for backend in ("openvino", "onnxruntime")
    }
    passes = pipeline_passes(source.model, configurations, source.preprocess, folder)
    return [
        pipeline_claim(
            f"pipeline: {configurations[backend].name} / plain Paddle loop",
            passes[backend],
            at_least,
        )
        for backend, at_least in (("openvino", 2.5), ("onnxruntime", NO_LIMIT))
    ]


def _converted(model: str, folder: Path) -> Artifact:
    return convert(resolve(model, weights="seeded"), folder / f"{model}.onnx").artifact


def measured(asked: argparse.Namespace, folder: Path) -> Results:
    """The results of the named parts, in the table's order; of all where none is named."""
    source = resolve("MobileNetV2", weights="seeded")
    onnx = convert(source, folder / "ours.onnx", opset=11).artifact
    parts: tuple[Callable[[], list[Claim] | Results], ...] = (
        lambda: help_claims(folder),
        lambda: startup_claims(onnx, folder),
        lambda: convert_claims(source, folder),
        lambda: overhead_claims(source, onnx),
        lambda: measurement_claims(onnx, folder),
        preprocess_claims,
        lambda: validate_claims(folder),
        lambda: pipeline_claims(source, onnx, folder),
        lambda: fp32_results(source, onnx, folder),
        lambda: edge_results(onnx, asked.rounds),
        lambda: tuned_results(folder, asked.seconds),
        lambda: long_run_results(source, onnx, folder, asked.pictures),
        lambda: memory_results(folder, BINARIES),
        lambda: evaluate_claims(source, onnx, folder),
        lambda: serve_results(onnx, _converted(LARGER, folder), asked.minutes),
        lambda: ray_results(onnx, source.preprocess or Preprocess(), folder),
        lambda: cpp_results(onnx, folder, min(asked.rounds, CPP_ROUNDS)),
    )
    found = [
        one if isinstance(one := part(), Results) else Results(one, {}, {})
        for name, part in zip(PARTS, parts, strict=True)
        if name in (asked.only or PARTS)
    ]
    return Results.merged(found)


def main() -> None:
    """Measure, write JSON, Markdown and plots, print the table; exit 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", default=[], choices=PARTS)
    parser.add_argument("--seconds", type=float, default=60, help="of each tune")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the edge runtimes")
    parser.add_argument("--pictures", type=int, default=4000, help="of the growth's long run")
    parser.add_argument("--minutes", type=float, default=2, help="of the server's soak")
    asked = parser.parse_args()
    os.environ.setdefault("PADDLEPORT_OFFLINE", "1")
    folder = Path(tempfile.mkdtemp(prefix="paddleport-bench-"))
    try:
        results = measured(asked, folder)
    finally:
        shutil.rmtree(folder)
    write(OUT, results)
    print(table(results.claims), end="")
    sys.exit(any(claim.missed for claim in results.claims))


if __name__ == "__main__":
    main()
