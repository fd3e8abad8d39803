"""The parity report as one HTML page: no network, no script, its pictures inside."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from paddleport.validate.parity.parity_report import BackendRow, FeedRow, ParityReport
from paddleport.validate.reports import (
    error_chart,
    error_coordinates,
    figures,
    float64_distances,
    latency_chart,
    latency_tables,
    summary,
    tables,
)
from paddleport.validate.reports.summary import explained

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
_BY_GRAVITY = ("differs", "failed", "unproven", "agrees", "skipped", "reference")
_SHOWN = 4  # errors beside a picture; the table has all


@dataclass(frozen=True, kw_only=True)
class WorstInput:
    """A feed that is the worst of its kind for some backend.

    Attributes:
        feed: its row of the report.
        thumbnail: a PNG data URI, or empty.
        errors: backend and error, the largest first.
        more: how many errors were left out.
    """

    feed: FeedRow
    thumbnail: str
    errors: tuple[tuple[str, str], ...]
    more: int


@dataclass(frozen=True)
class Parting:
    """A backend that was located, and how far through the graph that is, from 0 to 100."""

    row: BackendRow
    percent: float


def to_html(report: ParityReport) -> str:
    """The whole report as one page."""
    found = error_coordinates.points(report)
    rows = report.rows
    text: str = html_template("paddleport.validate.reports", "parity.html.j2").render(
        report=report,
        reference=summary.reference(report),
        css=stylesheet(),
        symbols=SYMBOLS,
        heading=_heading(report),
        lines=[summary.line(row) for row in rows],
        explanations=_explanations([row for row in rows if _is_explained(row)]),
        remarks=_explanations([row for row in rows if not _is_explained(row)]),
        error_charts=_error_charts(report, found),
        point_notes=error_coordinates.notes(found),
        latency_charts=[
            (figures.configuration_text(wanted), latency_chart.latency_bars(rows, wanted, position))
            for position, wanted in enumerate(figures.configurations(rows))
        ],
        brought_in_chart=latency_chart.brought_in_bars(report.brought_in),
        partings=[
            Parting(row, 100.0 * row.located.position / max(row.located.nodes, 1))
            for row in rows
            if row.located
        ],
        worst_inputs=_worst_inputs(report),
        figures=figures,
        float64_distances=float64_distances,
        latency_tables=latency_tables,
        summary=summary,
        tables=tables,
    )
    return figures.printable(text)


def _heading(report: ParityReport) -> tuple[str, str]:
    """The model's name, and what else its title says."""
    name, _, rest = str(report.model.get("title", "model")).partition(" · ")
    return name, rest


def _is_explained(row: BackendRow) -> bool:
    return bool(row.cause) or row.verdict in ("differs", "failed", "unproven", "skipped")


def _explanations(rows: Sequence[BackendRow]) -> list[tuple[BackendRow, str]]:
    """What there is to say of some rows, the gravest verdicts first."""
    pairs = [(row, explained(row, located=False)) for row in rows]
    return sorted(
        (pair for pair in pairs if pair[1]), key=lambda pair: _BY_GRAVITY.index(pair[0].verdict)
    )


def _error_charts(
    report: ParityReport, found: list[error_coordinates.ErrorPoint]
) -> list[tuple[str, str]]:
    if not error_coordinates.drawable(found):
        return []
    return [
        ("wide", error_chart.error_against_latency(report, wide=True)),
        ("narrow", error_chart.error_against_latency(report, wide=False)),
    ]


def _worst_inputs(report: ParityReport) -> list[WorstInput]:
    """The worst feeds by kind with their pictures, each once, and whose worst it is."""
    errors: dict[str, dict[str, float]] = {}
    for row, item in tables.candidate_comparisons(report.rows):
        for worst in item.worst_feeds:
            found = errors.setdefault(worst.feed, {})
            error = float("inf") if worst.error is None else worst.error
            found[row.name] = max(found.get(row.name, 0.0), error)
    worst_first = sorted(
        (feed for feed in report.feeds if feed.name in errors),
        key=lambda feed: -max(errors[feed.name].values()),
    )
    made = []
    for feed in worst_first:
        pairs = sorted(errors[feed.name].items(), key=lambda pair: pair[1], reverse=True)
        shown = tuple((name, figures.error(error)) for name, error in pairs[:_SHOWN])
        picture = feed.thumbnail if _IMAGE.fullmatch(feed.thumbnail) else ""
        made.append(
            WorstInput(feed=feed, thumbnail=picture, errors=shown, more=len(pairs) - len(shown))
        )
    return made


def stylesheet() -> str:
    """The one of every page."""
    return files("paddleport.validate.reports").joinpath("parity.css").read_text("utf-8")


@cache
def html_template(package: str, name: str) -> "Template":
    """A template in a package's folder: text is escaped, and a name it lacks is an error.

    What it imports, such as ``macros.html.j2``, lies beside the parity report's.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    shared = files("paddleport.validate.reports")
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: shared.joinpath(name).read_text("utf-8")),
    )
    return environment.from_string(files(package).joinpath(name).read_text("utf-8"))
