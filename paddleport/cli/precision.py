"""``paddleport convert --precision int8``: a lower precision, judged before it gets its name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from paddleport.cli.console import (
    new_table,
    print_error,
    print_json,
    print_warning,
    progress_bar,
    stdout,
)
from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.convert.precision.wanted import BackendGate, Format, Lowered
    from paddleport.runners.base import Precision

_POSSIBLE = ("fp32", "fp16", "bf16", "int8")
_SHOWN_LAYERS = 8


def convert_to_precision(
    model: str | None,
    output: Path | None,
    to: str,
    *,
    precision: "Precision",
    opset: int,
    weights: str,
    program: Path | None,
    params: Path | None,
    shapes: Mapping[str, Sequence[int]],
    labelled: Path | None,
    images: Sequence[Path],
    calibrate: Path | None,
    keep_fp32: str | None,
    backends: Sequence[str],
    keep: bool,
    timeout_s: float | None,
    json: bool,
) -> None:
    """Make it, print each backend's judgement, and exit with 1 where one says no."""
    if precision not in _POSSIBLE:
        raise UsageError(f"no file holds {precision}: --precision {', '.join(_POSSIBLE[1:])}")
    from paddleport.convert.precision.pipeline import DEFAULT_TIMEOUT_S, to_precision
    from paddleport.convert.precision.wanted import Wanted
    from paddleport.models.resolve import resolve

    kept = tuple(name.strip() for name in (keep_fp32 or "").split(",") if name.strip())
    format: Format = "openvino" if to == "openvino" else "onnx"
    with progress_bar() as progress:
        source = resolve(model, weights=weights, program=program, params=params, progress=progress)
        done = to_precision(
            source,
            Wanted(precision, format, kept),
            output,
            opset=opset,
            shapes=shapes,
            labelled=labelled,
            images=images,
            calibrate=calibrate,
            backends=backends,
            keep=keep,
            timeout_s=timeout_s or DEFAULT_TIMEOUT_S,
            progress=progress,
        )
    if source.warning:
        print_warning(source.warning)
    if json:
        print_json(done.to_dict())
    else:
        print_lowered(done)
    if done.explanation:
        print_error(done.explanation)
        raise typer.Exit(1 if done.verdict == "failed" else 2)


def print_lowered(done: "Lowered") -> None:
    """What the file is, what it was made and judged with, and a row a backend."""
    from rich.markup import escape

    console = stdout()
    where = escape(str(done.path or "no file written"))
    share = done.size_bytes / done.fp32_bytes
    console.print(
        f"[bold]{where}[/]  {done.wanted.precision} · {done.size_bytes / 1e6:.1f} MB, "
        f"{share:.0%} of fp32"
    )
    lines = {"weights": f"{done.source.weights_title}: {done.source.weights_from}"}
    sets = {"judged on": done.pictures, "calibrated": done.calibration}
    for title, pictures in sets.items():
        if pictures:
            lines[title] = (
                f"{pictures['pictures']} pictures ({pictures['source']}), sha256 "
                f"{pictures['sha256'][:12]}"
            )
    if done.wanted.keep:
        lines["in fp32"] = ", ".join(done.wanted.keep)
    if done.kept:
        lines["in fp32 too"] = ", ".join(f"{name} ({why})" for name, why in done.kept.items())
    if done.mend and done.mend.harm:
        worst = list(done.mend.harm.items())[:_SHOWN_LAYERS]
        lines["most harmful"] = ", ".join(f"{name} {harm:.2g}" for name, harm in worst)
    for name, text in lines.items():
        console.print(f"  {name:<12} {escape(text)}")
    titles = ("backend", "computes in", "top-1", "fp32 top-1", "agreement", "log-p", "verdict")
    table = new_table(*titles)
    for row in done.rows:
        table.add_row(*(escape(cell) for cell in _cells(row)))
    console.print(table)


def _cells(row: "BackendGate") -> tuple[str, ...]:
    result = row.result
    if result is None:
        return (row.backend, "–", "–", "–", "–", "–", f"not judged: {row.unavailable}")
    error = result.log_probability_error
    return (
        row.backend,
        row.computes_in,
        "–" if result.top1 is None else f"{result.top1:.1%}",
        "–" if result.reference_top1 is None else f"{result.reference_top1:.1%}",
        f"{result.agreement:.1%} of {result.pictures}",
        "–" if error is None else f"{error:.2g}",
        "passed" if result.passed else result.reason,
    )
