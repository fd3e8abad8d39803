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
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from against import TIMEOUT_S, against_others
from commands import BINARIES, RUNS, in_turn, seconds
from lasting import growth, memory
from lines import NO_LIMIT, Found, Line, spread, table, write
from others import SIZES
from overhead import runner_overhead
from pipeline import pipeline_line, pipeline_turns
from preprocess import CASES, preprocess_times, ratios
from rig import Pairs, against_bare_loop, against_benchmark_app
from startup import startup_lines
from tuned import tuned
from ways import THREADS, Way
from why import python_calls

from paddleport.convert import convert
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.worker import run_in_worker

PARTS = (
    *("help", "startup", "convert", "overhead", "rig", "preprocess", "validate", "pipeline"),
    *("others", "tuned", "growth", "memory"),
)
OUT = Path("out")


def help_lines(folder: Path) -> list[Line]:
    """How long ``paddleport --help`` takes."""
    times = [seconds([BINARIES / "paddleport", "--help"], folder) for _ in range(RUNS + 1)][1:]
    return [Line("paddleport --help", statistics.median(times), 0.3, "s", spread(times))]


def convert_lines(source: SourceModel, folder: Path) -> list[Line]:
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
    return [Line("convert / bare paddle2onnx", ratio, 1.6, "x", detail)]


def overhead_lines(source: SourceModel, onnx: Artifact) -> list[Line]:
    """A runner's ``run`` against the vendor's own call, each backend in its own process."""
    lines = []
    for backend in ("onnxruntime", "openvino", "paddle"):
        model = source.model if backend == "paddle" else onnx
        ours, bare = run_in_worker(runner_overhead, 300, backend, model)
        ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
        detail = f"{spread(ours)} ms against {spread(bare)} ms, {len(ours)} runs each"
        line = Line(f"{backend} run / bare call", ratio, 1.02, "x", detail)
        if line.missed:
            reason = run_in_worker(python_calls, TIMEOUT_S, backend, model)
            line = replace(line, reason=reason)
        lines.append(line)
    return lines


def rig_lines(onnx: Artifact, folder: Path) -> list[Line]:
    """The measuring rig against other ways to measure the same."""
    return [
        apart("rig: openvino / benchmark_app", against_benchmark_app(onnx, folder), 5),
        apart("rig: onnxruntime / bare loop", against_bare_loop(onnx), 3),
    ]


def preprocess_lines() -> list[Line]:
    """Preprocessing against PaddleClas's straight line."""
    lines = []
    for case in CASES:
        ours, theirs, turned = run_in_worker(preprocess_times, 300, case)
        ratio, detail = ratios(ours, theirs)
        detail = f"{detail} x as fast; {ratios(ours, turned)[1]} x where it is given RGB; "
        detail += f"{spread(ours)} ms against {spread(theirs)} ms, {len(ours)} runs each"
        lines.append(
            Line(f"preprocess {case.what} / PaddleClas", 1 / ratio, case.limit, "x", detail)
        )
    return lines


def apart(what: str, pairs: Pairs, limit: float) -> Line:
    """How far the median of the pairs' ratios is from 1, on either side."""
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (spread(times) for times in zip(*pairs, strict=True))
    detail = f"ratio {spread(ratios)}; {ours} ms against {theirs} ms, {len(pairs)} pairs"
    return Line(what, abs(statistics.median(ratios) - 1) * 100, limit, "%", detail)


def validate_lines(folder: Path) -> list[Line]:
    """How long a whole validation takes, conversion cached."""
    command = [BINARIES / "paddleport", "validate", "MobileNetV2", "--weights", "seeded"]
    command += ["--out", folder / "report"]
    seconds([*command, "--quick", "--seconds", "0"], folder)  # caches
    quick = [seconds([*command, "--quick"], folder) for _ in range(3)]
    whole = [seconds(command, folder) for _ in range(2)]
    return [
        Line("paddleport validate --quick", statistics.median(quick), 15, "s", spread(quick)),
        Line("paddleport validate", statistics.median(whole), 60, "s", spread(whole)),
    ]


def pipeline_lines(source: SourceModel, onnx: Artifact, folder: Path) -> list[Line]:
    """Pictures a second of ``run`` over a folder, by those of a plain loop on native Paddle."""
    assert source.preprocess is not None
    ways = {
        backend: Way.as_run(backend, onnx, SIZES, extras={"streams": str(THREADS)})
        for backend in ("openvino", "onnxruntime")
    }
    turns = pipeline_turns(source.model, ways, source.preprocess, folder)
    return [
        pipeline_line(
            f"pipeline: {ways[backend].name} / plain Paddle loop", turns[backend], at_least
        )
        for backend, at_least in (("openvino", 2.5), ("onnxruntime", NO_LIMIT))
    ]


def measured(asked: argparse.Namespace, folder: Path) -> Found:
    """What the named parts found, in the table's order; all where none is named."""
    source = resolve("MobileNetV2", weights="seeded")
    onnx = convert(source, folder / "ours.onnx", opset=11).artifact
    parts: tuple[Callable[[], list[Line] | Found], ...] = (
        lambda: help_lines(folder),
        lambda: startup_lines(onnx, folder),
        lambda: convert_lines(source, folder),
        lambda: overhead_lines(source, onnx),
        lambda: rig_lines(onnx, folder),
        preprocess_lines,
        lambda: validate_lines(folder),
        lambda: pipeline_lines(source, onnx, folder),
        lambda: against_others(source, onnx, folder),
        lambda: tuned(folder, asked.seconds),
        lambda: growth(source, onnx, folder, asked.pictures),
        lambda: memory(folder, BINARIES),
    )
    found = [
        one if isinstance(one := part(), Found) else Found(one, {}, {})
        for name, part in zip(PARTS, parts, strict=True)
        if name in (asked.only or PARTS)
    ]
    return Found.together(found)


def main() -> None:
    """Measure, write JSON, Markdown and plots, print the table; exit 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", default=[], choices=PARTS)
    parser.add_argument("--seconds", type=float, default=60, help="of each tune")
    parser.add_argument("--pictures", type=int, default=4000, help="of the growth's long run")
    asked = parser.parse_args()
    os.environ.setdefault("PADDLEPORT_OFFLINE", "1")
    folder = Path(tempfile.mkdtemp(prefix="paddleport-bench-"))
    try:
        found = measured(asked, folder)
    finally:
        shutil.rmtree(folder)
    write(OUT, found)
    print(table(found.lines), end="")
    sys.exit(any(line.missed for line in found.lines))


if __name__ == "__main__":
    main()
