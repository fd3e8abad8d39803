"""The report as one HTML page: no network, no script, its pictures inside."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from paddleport.validate.report import BackendRow, FeedRow, ParityReport
from paddleport.validate.reports import error_chart, figures, latency_chart, tables
from paddleport.validate.reports.markdown import COLUMNS, explained, row_cells

if TYPE_CHECKING:
    from jinja2 import Template

SYMBOLS = {
    "reference": "◆",
    "agrees": "✓",
    "differs": "✗",
    "unproven": "?",
    "skipped": "○",
    "failed": "!",
}
_IMAGE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")
_TEXT_COLUMNS = 6


@dataclass(frozen=True)
class WorstInput:
    """A feed that is the worst of its kind for some backend.

    Attributes:
        feed: its row of the report.
        thumbnail: a PNG data URI, or empty.
        errors: backend and error, the largest first.
    """

    feed: FeedRow
    thumbnail: str
    errors: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Parting:
    """A backend that was located, and how far through the graph that is, from 0 to 100."""

    row: BackendRow
    percent: float


def to_html(report: ParityReport) -> str:
    """The whole report as one page."""
    found = error_chart.points(report)
    rows = report.rows
    text: str = _template().render(
        report=report,
        css=_resource("parity.css"),
        summary=figures.summary(report),
        symbols=SYMBOLS,
        error_unit=figures.ERROR_UNIT,
        heading=_heading(report),
        backends=tables.Table(
            "Every backend", COLUMNS, tuple(row_cells(row) for row in rows), _TEXT_COLUMNS
        ),
        explanations=[(row, explained(row)) for row in rows if explained(row)],
        error_charts=_error_charts(report, found),
        point_notes=error_chart.point_notes(found),
        latency_charts=[
            (figures.configuration_text(wanted), latency_chart.latency_bars(rows, wanted, position))
            for position, wanted in enumerate(figures.configurations(rows))
        ],
        partings=[
            Parting(row, 100.0 * row.located.position / max(row.located.nodes, 1))
            for row in rows
            if row.located
        ],
        worst_inputs=_worst_inputs(report),
        published=_published(report),
        figures=figures,
        tables=tables,
        latency_notes=tables.latency_notes(report),
    )
    return figures.printable(text)


def _heading(report: ParityReport) -> tuple[str, str]:
    """The model's name, and what else its title says."""
    name, _, rest = str(report.model.get("title", "model")).partition(" · ")
    return name, rest


def _error_charts(report: ParityReport, found: list[error_chart.Point]) -> list[tuple[str, str]]:
    if not error_chart.drawable(found):
        return []
    return [
        ("wide", error_chart.error_against_latency(report, wide=True)),
        ("narrow", error_chart.error_against_latency(report, wide=False)),
    ]


def _worst_inputs(report: ParityReport) -> list[WorstInput]:
    """The worst feeds by kind with their pictures, each once, and whose worst it is."""
    errors: dict[str, dict[str, float]] = {}
    for row, item in tables.judged(report.rows):
        for worst in item.worst_feeds:
            found = errors.setdefault(worst.feed, {})
            error = float("inf") if worst.error is None else worst.error
            found[row.name] = max(found.get(row.name, 0.0), error)
    return [
        WorstInput(
            feed,
            feed.thumbnail if _IMAGE.fullmatch(feed.thumbnail) else "",
            tuple(
                (name, figures.error(error))
                for name, error in sorted(
                    errors[feed.name].items(), key=lambda pair: pair[1], reverse=True
                )
            ),
        )
        for feed in report.feeds
        if feed.name in errors
    ]


def _published(report: ParityReport) -> tables.Table:
    """The series page's figures beside what was measured here."""
    lines = []
    for title, measured, key in (
        ("parameters, millions", report.model.get("parameters"), "mparams"),
        ("operations, GFLOP", report.model.get("flops"), "gflops"),
    ):
        scale = 1e6 if key == "mparams" else 1e9
        here = f"{measured / scale:.2f}" if isinstance(measured, int | float) else ""
        if key in report.published:
            lines.append((title, here, str(report.published[key])))
    for key in ("top1", "top5"):
        value = report.published.get(key)
        if isinstance(value, int | float):
            lines.append((f"ImageNet {key.replace('top', 'top-')}", "", f"{100 * value:.1f} %"))
    return tables.Table(
        "The model's figures", ("figure", "counted here", "published"), tuple(lines), 1
    )


def _resource(name: str) -> str:
    return files("paddleport.validate.reports").joinpath(name).read_text("utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_resource("parity.html.j2"))
