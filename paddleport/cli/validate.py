"""``paddleport validate``: is it still the same model, and how fast is it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.cli import options
from paddleport.cli.console import (
    new_table,
    print_json,
    print_warning,
    progress_bar,
    stdout,
    verdict_text,
)

if TYPE_CHECKING:
    from paddleport.validate.report import ParityReport

EXIT_CODES = {"agrees": 0, "differs": 1, "unproven": 2}


def validate(
    model: options.ModelArgument = None,
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", "-b", help="Repeatable; by default every backend."),
    ] = None,
    reference: Annotated[
        str, typer.Option("--reference", help="What the numbers are judged against.")
    ] = "paddle",
    onnx: Annotated[
        Path | None,
        typer.Option("--onnx", metavar="FILE", help="An ONNX file that should be the same model."),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option("--images", metavar="DIR", help="Pictures to feed; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where reports go. Default: out/NAME"),
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
        float, typer.Option("--seconds", help="Time to measure each backend; 0: none.")
    ] = 3.0,
    json: options.JsonOption = False,
) -> None:
    """Compare every backend with native Paddle: numbers, and latency side by side.

    [bold]paddleport validate MobileNetV2[/]

    [bold]paddleport validate FOLDER --onnx FILE.onnx --backend onnxruntime[/]
    """
    from paddleport.convert.prepare import prepare_source
    from paddleport.runners.base import available_threads
    from paddleport.runners.classify import find_pictures
    from paddleport.validate.parity import Plan
    from paddleport.validate.parity import validate as validate_model

    plan = Plan(
        tuple(backend) if backend else None,
        reference,
        device,
        options.precision_from(precision),
        available_threads() if threads is None else threads,
        options.extras_from(extra),
        seconds,
    )
    shapes, tensors = options.shapes_from(shape), options.feed_from(feed)
    pictures = list(find_pictures(images or []))
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
        report = validate_model(
            source, file, plan, pictures=pictures, shapes=shapes, feed=tensors, progress=progress
        )
    files = report.write(out or Path("out") / source.name)
    if source.warning:
        print_warning(source.warning)
    if json:
        print_json(report.to_dict())
    else:
        print_report(report, files)
    raise typer.Exit(EXIT_CODES[report.verdict])


def print_report(report: "ParityReport", files: list[Path]) -> None:
    """The report as a table, with a sentence for whatever needs one."""
    from rich.markup import escape

    from paddleport.validate.report import COLUMNS, reasons, row_cells

    console = stdout()
    console.print(f"[bold]{escape(str(report.model['title']))}[/]")
    console.print(f"reference  {report.reference}", style="dim")
    console.print(f"speed      against {escape(report.speed_reference)}", style="dim")
    console.print()
    table = new_table(*COLUMNS, numbers=COLUMNS[5:])
    for row in report.rows:
        cells = list(row_cells(row))
        cells[2] = verdict_text(cells[2])
        table.add_row(*cells)
    console.print(table)
    console.print()
    for sentence in reasons(report.rows):
        console.print(f"[dim]{escape(sentence)}[/]")
    summary = {"agrees": "all agree", "differs": "not all agree", "unproven": "nothing is proven"}
    paths = "  ".join(f"[bold]{file}[/]" for file in files)
    console.print(f"{summary[report.verdict]} · {paths}")
