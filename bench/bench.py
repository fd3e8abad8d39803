"""``make bench``: what paddleport costs above the vendors, as ratios in one interleaved run.

Writes out/bench.json and prints a Markdown table. Both sides are taken in turn. For whole
commands the ratio is that of the medians, for single calls the median of the pairs' ratios; the
spread is the middle half of each side's times.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from overhead import runner_overhead

from paddleport.models.card import OnnxModel
from paddleport.models.resolve import SourceModel, resolve
from paddleport.worker import run_in_worker

RUNS = 9
OUT = Path("out")
BINARIES = Path(sys.executable).parent


@dataclass(frozen=True)
class Line:
    """One measured claim: ``value`` against ``limit``, with what it was made of."""

    what: str
    value: float
    limit: float
    unit: str
    detail: str


def seconds(command: Sequence[object], folder: Path) -> float:
    """Wall-clock seconds of one whole process that must succeed."""
    started = time.perf_counter()
    subprocess.run([*map(str, command)], check=True, capture_output=True, cwd=folder)
    return time.perf_counter() - started


def in_turn(
    first: Callable[[], float], second: Callable[[], float], runs: int
) -> tuple[list[float], list[float]]:
    """Times of two things, A B A B, after one run of each that is not counted."""
    first(), second()
    pairs = [(first(), second()) for _ in range(runs)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def spread(times: Sequence[float]) -> str:
    """Median and the middle half."""
    low, middle, high = statistics.quantiles(times, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def help_line(folder: Path) -> Line:
    """How long ``paddleport --help`` takes."""
    times = [seconds([BINARIES / "paddleport", "--help"], folder) for _ in range(RUNS + 1)][1:]
    return Line("paddleport --help", statistics.median(times), 0.3, "s", spread(times))


def convert_line(source: SourceModel, folder: Path) -> Line:
    """``convert`` with all its checks against the bare paddle2onnx command."""
    model, params = source.model.program, source.model.params
    ours = [BINARIES / "paddleport", "convert", "--model", model, "--params", params]
    bare = [BINARIES / "paddle2onnx", "--model_dir", model.parent, "--model_filename", model.name]
    bare += ["--params_filename", Path(str(params)).name, "--save_file", folder / "bare.onnx"]
    bare += ["--opset_version", "11", "--optimize_tool", "None"]
    ours += ["--opset", "11", "--output", folder / "ours.onnx"]
    times = in_turn(lambda: seconds(ours, folder), lambda: seconds(bare, folder), RUNS)
    ratio = statistics.median(times[0]) / statistics.median(times[1])
    detail = f"{spread(times[0])} s against {spread(times[1])} s"
    return Line("convert / bare paddle2onnx", ratio, 1.6, "x", detail)


def overhead_lines(source: SourceModel, onnx: OnnxModel) -> list[Line]:
    """A runner's ``run`` against the vendor's own call, each backend in its own process."""
    lines = []
    for backend in ("onnxruntime", "openvino", "paddle"):
        model = source.model if backend == "paddle" else onnx
        ours, bare = run_in_worker(runner_overhead, 300, backend, model)
        ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
        detail = f"{spread(ours)} ms against {spread(bare)} ms, {len(ours)} runs each"
        lines.append(Line(f"{backend} run / bare call", ratio, 1.03, "x", detail))
    return lines


def main() -> None:
    """Measure everything, write JSON, print Markdown; exit 1 if a limit is missed."""
    os.environ.setdefault("PADDLEPORT_OFFLINE", "1")
    source = resolve("MobileNetV2", weights="seeded")
    folder = Path(tempfile.mkdtemp(prefix="paddleport-bench-"))
    try:
        lines = [help_line(folder), convert_line(source, folder)]
        lines += overhead_lines(source, OnnxModel(folder / "ours.onnx"))
    finally:
        shutil.rmtree(folder)
    OUT.mkdir(exist_ok=True)
    (OUT / "bench.json").write_text(json.dumps([asdict(line) for line in lines], indent=2) + "\n")
    print("| what | measured | limit | medians and middle halves |\n| --- | ---: | ---: | --- |")
    for line in lines:
        print(f"| {line.what} | {line.value:.3f} {line.unit} | {line.limit} | {line.detail} |")
    sys.exit(any(line.value > line.limit for line in lines))


if __name__ == "__main__":
    main()
