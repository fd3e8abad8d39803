"""The evaluation as one HTML page: no network, no script, its pictures inside."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from paddleport.validate.evaluate.accuracy.evaluated_row import ClassFigures, EvaluatedRow
from paddleport.validate.evaluate.counts.changed_pictures import KEPT, KINDS, ChangedPicture
from paddleport.validate.evaluate.report import (
    evaluation_charts,
    evaluation_summary,
    evaluation_tables,
)
from paddleport.validate.evaluate.report.evaluation_report import EvaluationReport
from paddleport.validate.evaluate.report.interval_chart import IntervalChart
from paddleport.validate.reports import figures
from paddleport.validate.reports.html import SYMBOLS, html_template, stylesheet

_PACKAGE = "paddleport.validate.evaluate.report"
_IMAGE = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+")
_KIND_TITLES = {
    "lost": "Right on Paddle, wrong here",
    "gained": "Wrong on Paddle, right here",
    "other": "Wrong on both, in another way",
}


@dataclass(frozen=True)
class ChangedGroup:
    """Changed answers of one kind: its title, how many there are, and those that are shown."""

    title: str
    count: int
    pictures: tuple[ChangedPicture, ...]


@dataclass(frozen=True, kw_only=True)
class ClassBar:
    """A class as a bar: the share that is right and those of the commonest wrong answers.

    Attributes:
        figures: of the class.
        name: of the class.
        right: width of the right answers, 0 to 100.
        wrong: width and name of each wrong answer, and how many got it.
    """

    figures: ClassFigures
    name: str
    right: float
    wrong: tuple[tuple[float, str, int], ...]


def evaluation_html(report: EvaluationReport) -> str:
    """The whole report as one page."""
    name, _, rest = str(report.model.get("title", "model")).partition(" · ")
    text: str = html_template(_PACKAGE, "evaluate.html.j2").render(
        report=report,
        heading=(name, rest),
        css=stylesheet() + files(_PACKAGE).joinpath("evaluate.css").read_text("utf-8"),
        symbols=SYMBOLS | {"passed": "✓", "lower": "✗"},
        summary=evaluation_summary,
        tables=evaluation_tables,
        accuracy=_drawn(evaluation_charts.accuracy_chart(report, top1=True)),
        topk=_drawn(evaluation_charts.accuracy_chart(report, top1=False)),
        drop=_drawn(evaluation_charts.drop_chart(report)),
        changed=[(row, groups) for row in report.rows if (groups := _groups(row))],
        classes=[(row, bars) for row in report.rows if (bars := _bars(report, row))],
        source=lambda picture: picture if _IMAGE.fullmatch(picture) else "",
    )
    return figures.printable(text)


def _drawn(chart: IntervalChart | None) -> list[tuple[str, str]]:
    """For a screen and for a phone."""
    if chart is None:
        return []
    return [("wide", chart.svg(wide=True)), ("narrow", chart.svg(wide=False))]


def _groups(row: EvaluatedRow) -> list[ChangedGroup]:
    if row.changes is None:
        return []
    counts = {"lost": row.changes.lost, "gained": row.changes.gained, "other": row.changes.other}
    made = []
    for kind in KINDS:
        shown = tuple(item for item in row.changed_pictures if item.kind == kind)[: KEPT[kind]]
        if shown:
            made.append(ChangedGroup(_KIND_TITLES[kind], counts[kind], shown))
    return made


def _bars(report: EvaluationReport, row: EvaluatedRow) -> Sequence[ClassBar]:
    """None for a row that failed or answers all as Paddle does."""
    found = row.changes
    if row.verdict == "failed" or (found and not found.lost + found.gained + found.other):
        return []
    return [
        ClassBar(
            figures=item,
            name=report.class_name(item.label),
            right=100 * item.right / item.count,
            wrong=tuple(
                (100 * answer.count / item.count, report.class_name(answer.answer), answer.count)
                for answer in item.answers
            ),
        )
        for item in row.worst_classes
    ]
