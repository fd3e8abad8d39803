"""A report's table for the terminal, as many of its columns as there is room for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paddleport.cli.console import new_table, stdout, verdict_text

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from paddleport.validate.reports.tables import Table


def fitting_table(found: "Table", least_needed: Sequence[str]) -> "RichTable":
    """The table, without some columns where the terminal is too narrow for all.

    Args:
        found: as the files have it.
        least_needed: the columns that may go, the first one first; the files hold them all.
    """
    console, columns = stdout(), list(found.columns)
    left_out = [column for column in least_needed if column in columns]
    table = _rich_table(found, columns)
    unlimited = console.options.update(max_width=1000)
    while left_out and console.measure(table, options=unlimited).maximum > console.width:
        columns.remove(left_out.pop(0))
        table = _rich_table(found, columns)
    return table


def _rich_table(found: "Table", columns: list[str]) -> "RichTable":
    from rich.markup import escape

    table = new_table(*columns, numbers=found.columns[found.texts :])
    for line in found.lines:
        cells = {
            column: verdict_text(escape(cell)) if column == "verdict" else escape(cell)
            for column, cell in zip(found.columns, line, strict=True)
        }
        table.add_row(*(cells[column] for column in columns))
    return table
