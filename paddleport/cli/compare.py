"""``paddleport compare``: what changed between two reports beyond noise."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.cli import options
from paddleport.cli.console import literal, new_table, print_json, stdout

if TYPE_CHECKING:
    from paddleport.validate.report_diff import ReportDiff

_STYLES = {"regression": "bold red", "improvement": "green", "change": "default"}


def compare(
    old: Annotated[
        Path, typer.Argument(metavar="OLD.json", help="The parity.json or evaluate.json before.")
    ],
    new: Annotated[
        Path, typer.Argument(metavar="NEW.json", help="The one after, of the same kind.")
    ],
    latency_threshold: Annotated[
        float,
        typer.Option(
            "--latency-threshold",
            metavar="PERCENT",
            help="A latency counts if it moved by more, with disjoint 95 % intervals, and still "
            "does when divided by Paddle's own in the same report.",
        ),
    ] = 5.0,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="A summary for a pull request."),
    ] = None,
    json: options.JsonOption = False,
) -> None:
    """Say what changed between two reports beyond noise; exit code 1 if anything is worse.

    [bold]paddleport compare before/parity.json out/MobileNetV2/parity.json[/]

    [bold]paddleport compare before/evaluate.json out/MobileNetV2/evaluate.json[/]
    """
    from paddleport.files import write_atomically
    from paddleport.validate.report_diff import compare_reports

    found = compare_reports(old, new, latency_threshold_percent=latency_threshold)
    if markdown is not None:
        write_atomically(markdown, found.to_markdown().encode())
    if json:
        print_json(found.to_dict())
    else:
        print_changes(found)
    raise typer.Exit(1 if found.regressed else 0)


def print_changes(found: "ReportDiff") -> None:
    """Notes, a table of what changed, and the conclusion."""
    from paddleport.validate.report_diff.changes import COLUMNS

    console = stdout()
    for note in found.notes:
        console.print(f"[dim]note  {literal(note)}[/]")
    if found.notes:
        console.print()
    if found.changes:
        table = new_table(*COLUMNS)
        for change in found.changes:
            style = _STYLES[change.kind]
            *cells, kind = (literal(cell) for cell in change.cells)
            table.add_row(*cells, f"[{style}]{kind}[/]")
        console.print(table)
        console.print()
    style = "bold red" if found.regressed else "green"
    console.print(f"[{style}]{found.conclusion}[/]")
