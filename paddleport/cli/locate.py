"""``paddleport locate``: the first node where a backend, or the conversion, leaves Paddle."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.cli import feed_files, options
from paddleport.cli.console import (
    literal,
    new_table,
    print_json,
    print_warning,
    progress_bar,
    stdout,
)

if TYPE_CHECKING:
    from paddleport.validate.bisect import Divergence, TensorRange

_SIDES = {
    "converter": "the ONNX graph in float64, against Paddle's own values",
    "target": "the layers of the file for {backend}, against the ONNX graph in float64",
    "runtime": "the ONNX graph on {backend}, against the same in float64",
}
_RUNTIME_OF_FILE = "the file on {backend}, against the same in float64"
_NEXT = {
    "converter": "the fault is in the file, whoever runs it: report the operator and its input "
    "ranges to Paddle2ONNX, or to what else the file was written by",
    "target": "the fault came with the file's own format: report the layer, the ONNX node and its "
    "input ranges to what wrote the file, or take another backend",
    "runtime": "the file is not to blame for this: try another backend, --precision or one of its "
    "-o options, or report the node and its input ranges to {backend}",
}
_CHANGED_NEXT = "no tool is to blame, the file was changed after its conversion: convert again"
_OTHER_FEEDS = "if validate says otherwise, feed what its --save-worst saves: --feed FILE.npz"


def locate(
    model: options.ModelArgument = None,
    backend: Annotated[
        str, typer.Option("--backend", "-b", help="The backend whose difference to locate.")
    ] = ...,  # type: ignore[assignment]  # typer's way to say: required
    onnx: options.OnnxOption = None,
    target_file: options.TargetFileOption = None,
    opset: options.OpsetIfConvertedOption = None,
    weights: options.WeightsOption = "auto",
    program: options.ProgramOption = None,
    params: options.ParamsOption = None,
    shape: options.ShapeOption = None,
    feed: feed_files.FeedOption = None,
    device: options.DeviceOption = None,
    threads: options.ThreadsOption = None,
    precision: options.PrecisionOption = None,
    extra: options.ExtraOption = None,
    seconds: Annotated[
        float,
        typer.Option("--seconds", help="Budget of the search; what it has by then is printed."),
    ] = 60.0,
    json: options.JsonOption = False,
) -> None:
    """Find the first node where a backend, or the conversion, leaves Paddle.

    [bold]paddleport locate MobileNetV2 --backend openvino --precision bf16[/]

    [bold]paddleport locate FOLDER --onnx FILE.onnx --backend onnxruntime[/]

    [bold]paddleport locate FOLDER --target-file FILE.param --backend ncnn[/]
    """
    from paddleport.convert.named_files import read_target_file
    from paddleport.convert.prepare import prepare_source
    from paddleport.convert.remaking import RemadeConversion
    from paddleport.errors import UsageError
    from paddleport.runners.runner_options import RunnerOptions, available_threads
    from paddleport.validate.bisect import check_backend, sides_of
    from paddleport.validate.bisect import locate as locate_difference

    if not (math.isfinite(seconds) and seconds >= 0):
        raise UsageError(f"--seconds {seconds:g} is not possible: 0 or more")
    wanted = RunnerOptions(
        device=device,
        precision=options.precision_from(precision),
        threads=available_threads() if threads is None else threads,
        extras=options.extras_from(extra),
    )
    kind = check_backend(backend, wanted)
    shapes, tensors = options.shapes_from(shape), feed_files.feeds_from(feed)
    with progress_bar() as progress:
        source, file = prepare_source(
            model,
            onnx=onnx,
            opset=opset,
            weights=weights,
            program=program,
            params=params,
            shapes=shapes,
            feed=tensors,
            proven=False,
            progress=progress,
        )
        made = None if target_file is None else read_target_file(target_file, [backend])
        with RemadeConversion(source, file, made) as conversions:
            sides = sides_of(kind, conversions)
            found = locate_difference(
                source,
                file,
                backend,
                wanted,
                feed=tensors,
                shapes=shapes,
                seconds=seconds,
                conversions=conversions,
                progress=progress,
            )
    if source.warning:
        print_warning(source.warning)
    if json:
        print_json(to_dict(source.name, backend, sides, found))
    else:
        print_located(source.name, backend, sides, found)
    raise typer.Exit(1 if found else 0)


def to_dict(
    model: str, backend: str, sides: tuple[str, ...], found: "tuple[Divergence, ...]"
) -> dict[str, Any]:
    """The result for JSON; infinity and NaN, which it does not have, are null."""
    from dataclasses import asdict

    from paddleport.validate.reports.figures import json_value

    values: dict[str, Any] = json_value(
        {
            "schema": 1,
            "model": model,
            "backend": backend,
            "sides": sides,
            "located": [asdict(item) for item in found],
        }
    )
    return values


def print_located(
    name: str, backend: str, sides: tuple[str, ...], found: "tuple[Divergence, ...]"
) -> None:
    """What was located, one block per side, or that nothing diverges."""
    console = stdout()
    console.print(f"[bold]{literal(name)} · {literal(backend)}[/]")
    if "runtime" not in sides:
        console.print(
            f"[dim]{literal(backend)} does not load the ONNX file: only the conversion is in "
            "question; of its own file and its runtime, paddleport validate says who is to blame[/]"
        )
    for item in found:
        _print_one(backend, item, of_file="target" in sides)
    if not found:
        console.print("[green]nothing parts[/]: no output leaves Paddle by more than the limit")
        console.print(f"[dim]next: {_OTHER_FEEDS}[/]")


def _print_one(backend: str, item: "Divergence", *, of_file: bool) -> None:
    console = stdout()
    console.print()
    what = _RUNTIME_OF_FILE if of_file and item.side == "runtime" else _SIDES[item.side]
    side = what.format(backend=backend)
    console.print(f"[bold red]{item.side}[/]  [dim]{literal(side)}[/]")
    console.print(_facts(item, of_file=of_file))
    if item.inputs:
        console.print()
        console.print(_ranges(item.inputs))
    console.print()
    console.print(literal(item.sentence))
    if item.complete:  # else the sentence says what to do
        next_step = _CHANGED_NEXT if _was_changed(item) else _NEXT[item.side]
        console.print(f"[dim]next: {literal(next_step.format(backend=backend))}[/]")


def _was_changed(item: "Divergence") -> bool:
    """Whether it is no tool's fault: the file is not the one that was converted."""
    from paddleport.convert.remaking import CHANGED
    from paddleport.validate.diagnose.causes import describe_step

    return item.side == "converter" and item.sentence.endswith(describe_step(CHANGED))


def _facts(item: "Divergence", *, of_file: bool) -> Any:
    from rich.table import Table

    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    whole = "" if item.complete else "  [yellow](at or before it)[/]"
    cut = item.side == "runtime" and not of_file
    looked = "cuts run" if cut else "values looked up"
    before = f"{_figure(item.error_before)} before, " if item.complete else ""
    facts.add_row(
        "layer" if of_file and item.side != "converter" else "node",
        f"[bold]{literal(item.node)}[/]{whole}",
    )
    facts.add_row("operator", f"{literal(item.operator)}, {item.position} of {item.nodes}")
    facts.add_row("output", literal(item.output))
    facts.add_row("error", f"{before}{_figure(item.error_after)} after, limit {item.limit:g}")
    facts.add_row("found with", f"feed {literal(item.feed)}, {item.cuts} {looked}")
    return facts


def _ranges(inputs: "tuple[TensorRange, ...]") -> Any:
    from paddleport.tensors import format_shape

    table = new_table("input", "shape", "min", "max", numbers=("min", "max"))
    for tensor in inputs:
        shape = literal(f"[{format_shape(tensor.shape)}]")
        low, high = f"{tensor.minimum:.4g}", f"{tensor.maximum:.4g}"
        table.add_row(literal(tensor.name), shape, low, high)
    return table


def _figure(error: float) -> str:
    return "beyond comparison" if math.isinf(error) else f"{error:.2g}"
