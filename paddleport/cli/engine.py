"""``paddleport convert --to tensorrt-rtx``: an engine, by way of a proven ONNX file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.cli.console import print_json, print_warning, progress_bar, stdout

if TYPE_CHECKING:
    from paddleport.convert.engine import EngineFile
    from paddleport.runners.base import Precision
    from paddleport.tensors import Array, ShapeRange


def convert_to_engine(
    model: str | None,
    output: Path | None,
    backend: str,
    *,
    opset: int,
    weights: str,
    program: Path | None,
    params: Path | None,
    precision: "Precision | None",
    capabilities: Sequence[tuple[int, int]],
    ranges: "Mapping[str, ShapeRange]",
    feed: "Mapping[str, Array]",
    timeout_s: float | None,
    json: bool,
) -> None:
    """Build it and print what the library says of it."""
    from paddleport.convert.engine import DEFAULT_TIMEOUT_S, to_engine
    from paddleport.models.resolve import resolve

    with progress_bar() as progress:
        source = resolve(model, weights=weights, program=program, params=params, progress=progress)
        file = to_engine(
            source,
            backend,
            output,
            opset=opset,
            precision=precision,
            capabilities=capabilities,
            ranges=ranges,
            feed=feed,
            timeout_s=timeout_s or DEFAULT_TIMEOUT_S,
            progress=progress,
        )
    if source.warning:
        print_warning(source.warning)
    if json:
        print_json(file.to_dict())
    else:
        print_engine(file)


def print_engine(file: "EngineFile") -> None:
    """A line each for what it is, what it is for, and what it takes and gives."""
    from rich.markup import escape

    console, facts = stdout(), file.facts
    size = f"{file.size_bytes / 1e6:.1f} MB"
    console.print(f"[bold]{escape(str(file.path))}[/]  {facts.library} · {size}")
    rounded = "TF32 on" if facts.tf32 else "TF32 off"
    gpus = ", ".join(facts.capabilities) or "of the GPU here"
    lines = {
        "weights": f"{file.source.weights_title}: {file.source.weights_from}",
        "from": f"ONNX, opset {file.opset}, proven against native Paddle",
        "computes in": f"{facts.computes_in}, {rounded}; {facts.layers} layers before fusion",
        "capability": gpus,
    }
    for name, text in lines.items():
        console.print(f"  {name:<12} {escape(text)}")
    for spec in facts.inputs:
        console.print(f"  {'takes':<12} {escape(f'{spec}: {file.ranges[spec.name]}')}")
    for spec in facts.outputs:
        console.print(f"  {'gives':<12} {escape(str(spec))}")
    for note in facts.notes:
        console.print(f"  {'note':<12} {escape(note)}")
    console.print(f"  {'as JSON':<12} [bold]{escape(str(file.path))}.json[/]")
