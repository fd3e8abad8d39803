"""``paddleport explain-input``: what a user's own preprocessing does differently."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.cli import feed_files, options
from paddleport.cli.console import literal, new_table, print_json, progress_bar, stdout
from paddleport.wording import counted

if TYPE_CHECKING:
    from paddleport.validate.input_diff.explanation import Explanation

_EXIT_CODES = {"same": 0, "explained": 1, "unexplained": 1, "ambiguous": 2}
_STYLES = {"same": "bold green", "ambiguous": "bold yellow"}


def explain_input(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="The file it was made of.")],
    tensor: Annotated[
        Path, typer.Argument(metavar="TENSOR.npy", help="Your tensor; or a .npz with one.")
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME|FOLDER|FILE.onnx",
            help="Whose preprocessing to compare with.",
        ),
    ] = "MobileNetV2",
    json: options.JsonOption = False,
) -> None:
    """Find out what your own preprocessing does differently; exit code 1 if anything.

    [bold]paddleport explain-input photo.jpg tensor.npy[/]
    """
    from paddleport.models.resolve import resolve_preprocess
    from paddleport.validate.input_diff.explain import explain_input as explain

    preprocess = resolve_preprocess(model)
    given = feed_files.load_array(tensor)
    with progress_bar() as progress:
        found = explain(picture, given, preprocess, progress=progress)
    if json:
        print_json(found.to_dict())
    else:
        print_explanation(found)
    raise typer.Exit(_EXIT_CODES[found.verdict])


def print_explanation(found: "Explanation") -> None:
    """The sentence, both pipelines part by part, and what is left."""
    console = stdout()
    console.print(f"[{_STYLES.get(found.verdict, 'bold red')}]{literal(found.sentence)}[/]")
    console.print()
    if found.rows:
        table = new_table("part", "ours", "yours", "")
        for row in found.rows:
            mark = "[bold red]differs[/]" if row.differs else ""
            style = "" if row.differs else "[dim]"
            cells = (row.part, row.ours, row.theirs)
            table.add_row(*(f"{style}{literal(cell)}" for cell in cells), mark)
        console.print(table)
        console.print()
    left = found.residual
    if left.before_levels is not None:
        console.print(
            f"[dim]largest difference to our tensor: {left.before_levels:.3g} of 255 levels, "
            f"{left.before_units:.3g} in the tensor's units[/]"
        )
    if left.after_levels is not None:
        console.print(
            f"[dim]to the pipeline in the table: {left.after_levels:.3g} levels; "
            f"{counted(found.tried, 'combination')} tried[/]"
        )
    if found.next_step:
        console.print(f"[dim]next: {literal(found.next_step)}[/]")
