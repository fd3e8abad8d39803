"""Several models after one command: which, what goes with one alone, and their table."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.cli.console import (
    fitting_table,
    literal,
    print_json,
    print_warning,
    print_written,
    progress_bar,
    stdout,
)
from paddleport.errors import ModelNotFoundError, UsageError
from paddleport.wording import counted

if TYPE_CHECKING:
    from paddleport.validate.overview.model_by_model import ModelTask
    from paddleport.validate.overview.model_overview import ModelOverview

DEFAULT_FOLDER = Path("out")

ModelsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL...",
        help="A name of the zoo (paddleport models), or a folder, .tar or program file; "
        "several give one table.",
    ),
]
AllOfOption = Annotated[
    list[str] | None,
    typer.Option(
        "--all-of", metavar="FAMILY", help="Every model of a family of the zoo; repeatable."
    ),
]
FreshOption = Annotated[
    bool,
    typer.Option(
        "--fresh",
        help="With several models: measure again what an earlier run in the same folder has "
        "measured with the same options; by default it is taken from there.",
    ),
]


def typed_command() -> str:
    """What was typed, for a report."""
    return shlex.join(["paddleport", *sys.argv[1:]])


def is_several(models: Sequence[str] | None, families: Sequence[str] | None) -> bool:
    """Whether a table is asked for: several models, or a family of whatever size."""
    return bool(families) or len(models or ()) > 1


def names_of_models(models: Sequence[str] | None, families: Sequence[str] | None) -> list[str]:
    """The models that are named, then those of the families; each once.

    Raises:
        ModelNotFoundError: there is no such family, or one of several is neither in the zoo nor a
            path: what is mistyped must not come up after hours.
    """
    names = list(models or ())
    if not is_several(models, families):
        return names
    from paddleport.models.zoo import registry as zoo

    for family in families or ():
        names += [card.name for card in zoo.family_cards(family)]
    known = zoo.names()
    for name in names:
        if name not in known and not Path(name).exists():
            unknown = zoo.unknown_model(name)
            raise ModelNotFoundError(f"{unknown}; nor is there a folder or file {name}")
    return list({zoo.lookup(name).name if name in known else name: None for name in names})


def refuse_with_several(options: Mapping[str, object]) -> None:
    """Refuse what belongs to one model.

    Raises:
        UsageError: names the first of ``options`` that was given.
    """
    for option, value in options.items():
        if value:
            raise UsageError(
                f"{option} goes with one model, and several are named: one command for each"
            )


def run_models(
    task: "ModelTask",
    names: Sequence[str],
    *,
    families: Sequence[str] | None,
    folder: Path,
    fresh: bool,
    json: bool,
) -> None:
    """Go through the models, print their table, and exit with the highest of their codes."""
    from paddleport.cli.crash_report import report_crash
    from paddleport.validate.overview.model_by_model import ModelByModel

    what = counted(len(names), "model")
    title = f"{', '.join(families)}: {what}" if families else what
    with progress_bar() as progress:
        overview = ModelByModel(
            task=task,
            names=names,
            folder=folder,
            title=title,
            fresh=fresh,
            command=typed_command(),
            on_crash=report_crash,
            progress=progress,
        ).run()
    _warn(overview)
    if json:
        print_json(overview.to_dict())
    else:
        print_overview(overview, folder)
    raise typer.Exit(overview.exit_code)


def print_overview(overview: "ModelOverview", folder: Path) -> None:
    """The table, what is to be known of its figures, and a sentence for each that needs one."""
    from paddleport.validate.overview import overview_table

    console = stdout()
    console.print(f"[bold]{literal(overview.title)}[/]")
    console.print()
    table = overview_table.models_table(overview)
    console.print(fitting_table(table, overview_table.least_needed(overview)))
    console.print()
    for row, text in overview_table.explanations(overview):
        console.print(f"[bold]{literal(row.name)}[/]: {literal(text)}")
    for note in overview_table.notes(overview):
        console.print(literal(note), style="dim")
    files = overview.files(folder)
    print_written(files, overview_table.tally(overview))


def _warn(overview: "ModelOverview") -> None:
    """The first model's warning, and how many others have one."""
    warned = [row for row in overview.rows if row.warning]
    if warned:
        more = f" (and {len(warned) - 1} more)" if len(warned) > 1 else ""
        print_warning(f"{warned[0].name}{more}: {warned[0].warning}")
