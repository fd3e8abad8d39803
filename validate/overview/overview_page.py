"""The overview as one HTML page: no network, no script, links to the models' own reports."""

from dataclasses import dataclass
from urllib.parse import quote

from paddleport.validate.overview import overview_table
from paddleport.validate.overview.accuracy_chart import accuracy_charts
from paddleport.validate.overview.model_overview import ModelOverview, OverviewRow
from paddleport.validate.reports import figures
from paddleport.validate.reports.html import SYMBOLS, html_template, stylesheet

_OTHER_SYMBOLS = {"passed": "✓", "not run": "○"}
_HEADLINES = {
    0: "Every model agrees",
    1: "Not every model is the same",
    2: "Not every model answered",
}


@dataclass(frozen=True, kw_only=True)
class PageRow:
    """One line of the page's table.

    Attributes:
        row: the model.
        link: address of its own report; empty where there is none.
        cells: after the verdict, as the columns have them.
        filled: how much of the meter is filled, 0 to 100; ``None`` draws none.
    """

    row: OverviewRow
    link: str
    cells: tuple[str, ...]
    filled: float | None


def to_html(overview: ModelOverview) -> str:
    """The whole page."""
    table = overview_table.models_table(overview)
    timed = overview_table.timed_backends(overview)
    text: str = html_template("paddleport.validate.overview", "overview.html.j2").render(
        overview=overview,
        css=stylesheet(),
        symbols={**SYMBOLS, **_OTHER_SYMBOLS},
        headline=_headline(overview),
        columns=table.columns[table.texts :],
        rows=[
            _page_row(row, line[table.texts :])
            for row, line in zip(overview.rows, table.lines, strict=True)
        ],
        charts=accuracy_charts(overview, timed),
        latencies=overview_table.latencies_table(overview),
        explanations=overview_table.explanations(overview),
        notes=overview_table.notes(overview),
        tally=overview_table.tally(overview),
        facts=figures.facts(overview.environment),
        verdict=_verdict(overview),
    )
    return figures.printable(text)


def _headline(overview: ModelOverview) -> str:
    if not overview.complete:
        return f"{len(overview.rows)} of {overview.total} so far"
    if overview.task == "convert" and overview.exit_code == 0:
        return "Every model is converted"
    return _HEADLINES.get(overview.exit_code, _HEADLINES[2])


def _verdict(overview: ModelOverview) -> str:
    """The class that colours the headline."""
    return {0: "agrees", 1: "differs"}.get(overview.exit_code, "unproven")


def _page_row(row: OverviewRow, cells: tuple[str, ...]) -> PageRow:
    share = row.worst_error / row.limit if row.worst_error is not None and row.limit else None
    return PageRow(
        row=row,
        link=quote(row.page),
        cells=cells,
        filled=None if share is None else 100 * min(share, 1.0),
    )
