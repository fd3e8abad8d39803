"""The two streams: results on stdout, progress and errors on stderr."""

import io
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.progress import Progress, no_progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from paddleport.validate.reports.tables import Table as Texts

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_ANY_WIDTH = 10_000
_PLAIN_WIDTH = 132  # of tables that go to a file or a pipe
_STYLES = {
    "agrees": "green",
    "passed": "green",
    "reference": "cyan",
    "lower": "bold red",
    "differs": "bold red",
    "failed": "bold red",
    "unproven": "yellow",
    "skipped": "dim",
    "not run": "dim",
}


def stdout() -> "Console":
    """Where results go."""
    from rich.console import Console

    return Console(
        highlight=False, emoji=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH
    )


def stderr() -> "Console":
    """Where progress, warnings and errors go: in whole lines, but on a terminal by its words."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, soft_wrap=not sys.stderr.isatty())


def keep_stdout_for_results() -> None:
    """Have what vendors' libraries print themselves, in C++, go to stderr and not between results.

    It lasts as long as the process: Python's stdout is a descriptor of its own from now on.
    """
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or stream.fileno() != 1:
        return
    stream.flush()
    results = open(os.dup(1), "wb", buffering=0 if stream.write_through else -1)  # noqa: SIM115
    sys.stdout = io.TextIOWrapper(
        results,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    try:
        os.dup2(2, 1)
    except OSError:  # stderr is closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def print_whatever_comes() -> None:
    """Let no character fail that a stream's encoding lacks, nor a stream that is closed."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def shown(text: str) -> str:
    """A foreign text with its control characters written out: none of them acts on the terminal.

    Line breaks and tabs stay; what turns the direction of writing does not.
    """
    return _CONTROLS.sub(lambda found: ascii(found.group())[1:-1], text)


def literal(text: str) -> str:
    """A foreign text for rich to print as it stands: ``shown``, and markup in it is none."""
    from rich.markup import escape

    text = shown(text)
    body = text.rstrip("\\")
    last = text[len(body) :]  # before a tag, and only there, rich takes two for one
    return escape(body) + (f"{last * 2}[none][/none]" if last else "")


def print_error(error: Exception | str) -> None:
    """``error: ...`` on one line of stderr, whatever line breaks a vendor put in."""
    _print_above(f"[bold red]error:[/] {literal(' '.join(str(error).split()))}")


def print_warning(text: str) -> None:
    """Print a warning to stderr, in colour."""
    if not sys.stderr.isatty():  # rich would be imported for nothing
        print(f" warning  {shown(text)}", file=sys.stderr)
        return
    _print_above(f"[bold black on yellow] warning [/] [yellow]{literal(text)}[/]")


def _print_above(markup: str) -> None:
    """Print to stderr, above the progress bar if one is shown: that has put itself before it."""
    console = stderr()
    with console.capture() as captured:
        console.print(markup)
    sys.stderr.write(captured.get())


def print_json(value: Any) -> None:
    """A value for a script to read."""
    print(as_json(value, indent=2))


def as_json(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON that stdout can hold: in letters, or escaped where it has none for them."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return json.dumps(value, indent=indent, ensure_ascii=not encoding.startswith("utf"))


def print_written(files: Sequence[Path], said: str = "") -> None:
    """The files that were written, each whole on its line: it is to be copied, or read by a script.

    Args:
        files: in their order.
        said: what comes before them.
    """
    paths = "  ".join(f"[bold]{literal(str(file))}[/]" for file in files)
    stdout().print(" · ".join(filter(None, (said, paths))), soft_wrap=True)


def new_table(*columns: str, numbers: Sequence[str] = ()) -> "Table":
    """A table with one rule under the header; ``numbers`` are the columns set to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(
            column, justify="right" if column in numbers else "left", no_wrap=column in numbers
        )
    return table


def print_rows(table: "Table") -> None:
    """A table of which a file or a pipe gets each row on one line, without spaces at its end."""
    console = stdout()
    if sys.stdout.isatty():
        console.print(table)
        return
    console.width = _ANY_WIDTH
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), flush=True)


def fitting_table(found: "Texts", least_needed: Sequence[str]) -> "Table":
    """A table whose column ``verdict`` is coloured, without what a narrow terminal has no room for.

    What had no room is named below it. A column that is empty in every line is left out, too. A
    header's ``×`` goes below its word where that saves room.

    Args:
        found: the texts.
        least_needed: columns that may be left out, the first of them first.
    """
    console = stdout()
    filled = zip(found.columns, zip(*found.lines, strict=True), strict=True) if found.lines else ()
    columns = [column for column, cells in filled if any(cells)] or list(found.columns)
    left_out = [column for column in least_needed if column in columns]
    table = _coloured(found, columns)
    unlimited = console.options.update(max_width=1000)

    def is_too_wide() -> bool:
        return console.measure(table, options=unlimited).maximum > console.width

    if is_too_wide():
        table = _coloured(found, columns, stacked=True)
    gone: list[str] = []
    while left_out and is_too_wide():
        gone.append(left_out.pop(0))
        columns.remove(gone[-1])
        table = _coloured(found, columns, stacked=True)
    if gone:
        table.caption = f"no room here for {', '.join(map(literal, gone))}"
        table.caption_justify = "left"
    return table


def _coloured(found: "Texts", columns: Sequence[str], *, stacked: bool = False) -> "Table":
    table = new_table(*columns, numbers=found.columns[found.texts :])
    for column in table.columns if stacked else ():
        column.header = str(column.header).replace(" ×", "\n×")
    for line in found.lines:
        cells = {
            column: verdict_text(literal(cell)) if column == "verdict" else literal(cell)
            for column, cell in zip(found.columns, line, strict=True)
        }
        table.add_row(*(cells[column] for column in columns))
    return table


def verdict_text(verdict: str) -> str:
    """The verdict, and the cause after its colon, in its colour."""
    return f"[{_STYLES.get(verdict.partition(':')[0], 'default')}]{verdict}[/]"


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on stderr, if that is a terminal; gives a ``progress(step, share)``.

    A share of ``None`` is work without a known end: the bar pulses.
    """
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TimeElapsedColumn(),
    )
    console = stderr()
    with progress.Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=1.0)

        def update(step: str, share: float | None) -> None:
            total = None if share is None else 1.0
            bar.update(task, description=step, total=total, completed=share or 0.0)

        yield update
