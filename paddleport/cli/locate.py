"""``paddleport locate``: the first node where a backend, or the conversion, leaves Paddle."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddleport.cli import options
from paddleport.cli.console import new_table, print_json, print_warning, progress_bar, stdout

if TYPE_CHECKING:
    from paddleport.validate.locate import Located

_SIDES = {
    "converter": "the ONNX graph, computed in float64, against Paddle's own values",
    "runtime": "the ONNX graph on {backend} against the same in float64",
}
_NEXT = {
    "converter": "the fault is in the file, whoever runs it: convert again with another --opset, "
    "or report the operator and its input ranges to Paddle2ONNX",
    "runtime": "the file is not to blame for this: try another backend, --precision or one of its "
    "-o options, or report the node and its input ranges to {backend}",
}
_MORE_TIME = "the search was cut short: give it more --seconds"


def locate(
    model: options.ModelArgument = None,
    backend: Annotated[
        str, typer.Option("--backend", "-b", help="Whose difference to look for.")
    ] = ...,  # type: ignore[assignment]  # typer's way to say: required
    onnx: Annotated[
        Path | None,
        typer.Option("--onnx", metavar="FILE", help="An ONNX file that should be the same model."),
    ] = None,
    opset: options.OpsetOption = 17,
    weights: options.WeightsOption = "auto",
    program: options.ProgramOption = None,
    params: options.ParamsOption = None,
    shape: options.ShapeOption = None,
    feed: options.FeedOption = None,
    device: options.DeviceOption = "cpu",
    threads: options.ThreadsOption = None,
    precision: options.PrecisionOption = None,
    extra: options.ExtraOption = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="Budget of the search; what it has then is told.")
    ] = 60.0,
    json: options.JsonOption = False,
) -> None:
    """Find the first node where a backend, or the conversion, leaves Paddle.

    [bold]paddleport locate MobileNetV2 --backend openvino --precision bf16[/]

    [bold]paddleport locate FOLDER --onnx FILE.onnx --backend onnxruntime[/]
    """
    from paddleport.convert.prepare import prepare_source
    from paddleport.errors import UsageError
    from paddleport.runners.base import RunnerOptions, available_threads
    from paddleport.validate.locate import locate as locate_difference

    if not (math.isfinite(seconds) and seconds >= 0):
        raise UsageError(f"--seconds {seconds:g} is not possible: 0 or more")
    wanted = RunnerOptions(
        device,
        options.precision_from(precision),
        available_threads() if threads is None else threads,
        options.extras_from(extra),
    )
    shapes, tensors = options.shapes_from(shape), options.feed_from(feed)
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
            progress=progress,
        )
        found = locate_difference(
            source,
            file,
            backend,
            wanted,
            feed=tensors,
            shapes=shapes,
            seconds=seconds,
            progress=progress,
        )
    if source.warning:
        print_warning(source.warning)
    if json:
        print_json({"schema": 1, "backend": backend, "located": [to_dict(item) for item in found]})
    else:
        print_located(source.name, backend, found)
    raise typer.Exit(1 if found else 0)


def print_located(name: str, backend: str, found: "tuple[Located, ...]") -> None:
    """What was located, one block a side, or that nothing parts."""
    from rich.markup import escape

    console = stdout()
    console.print(f"[bold]{escape(name)} · {escape(backend)}[/]")
    if not found:
        console.print("[green]nothing parts[/]: no output leaves Paddle by more than the limit")
    for item in found:
        _print_one(backend, item)


def _print_one(backend: str, item: "Located") -> None:
    from rich.markup import escape
    from rich.table import Table

    from paddleport.tensors import format_shape

    console = stdout()
    console.print()
    side = _SIDES[item.side].format(backend=backend)
    console.print(f"[bold red]{item.side}[/]  [dim]{escape(side)}[/]")
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    whole = "" if item.complete else "  [yellow](at or before it)[/]"
    facts.add_row("node", f"[bold]{escape(item.node)}[/]{whole}")
    facts.add_row("operator", f"{escape(item.operator)}, {item.position} of {item.nodes}")
    facts.add_row("output", escape(item.output))
    facts.add_row(
        "error", f"{_figure(item.error_before)} → {_figure(item.error_after)}, limit {item.limit:g}"
    )
    looked = "cuts run" if item.side == "runtime" else "values looked up"
    facts.add_row("found with", f"feed {escape(item.feed)}, {item.cuts} {looked}")
    console.print(facts)
    if item.inputs:
        console.print()
        table = new_table("input", "shape", "min", "max", numbers=("min", "max"))
        for tensor in item.inputs:
            shape = f"\\[{format_shape(tensor.shape)}]"
            low, high = f"{tensor.minimum:.4g}", f"{tensor.maximum:.4g}"
            table.add_row(escape(tensor.name), shape, low, high)
        console.print(table)
    console.print()
    console.print(escape(item.sentence))
    following = _NEXT[item.side].format(backend=backend) if item.complete else _MORE_TIME
    console.print(f"[dim]next: {escape(following)}[/]")


def to_dict(item: "Located") -> dict[str, Any]:
    """For JSON, which has no infinity and no NaN: they are null there."""
    from dataclasses import asdict

    return {key: _finite(value) for key, value in asdict(item).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _figure(error: float) -> str:
    return "beyond comparison" if math.isinf(error) else f"{error:.2g}"
