"""The evaluation's pictures: accuracy beside the published one, and the drop against Paddle."""

from paddleport.validate.evaluate.accuracy.evaluated_row import CountedShare, EvaluatedRow
from paddleport.validate.evaluate.report.evaluation_report import EvaluationReport
from paddleport.validate.evaluate.report.interval_chart import (
    ChartMark,
    IntervalChart,
    IntervalLine,
)

_COLOURS = {"reference": "accent", "passed": "good", "lower": "bad", "unproven": "unsure"}


def accuracy_chart(report: EvaluationReport, *, top1: bool) -> IntervalChart | None:
    """Each backend's top-1, or top-k, with its 95 % interval; ``None`` where there is none."""
    found = [
        (row, item)
        for row in report.rows
        if (item := row.top1 if top1 else row.topk) is not None and _drawn(row) and item.count
    ]
    if not found:
        return None
    known = report.published.top1 if top1 else report.published.top5 if report.k == 5 else None
    marks = [] if known is None else [ChartMark(100 * known, f"published {100 * known:.4g}")]
    return IntervalChart(
        name="top1" if top1 else "topk",
        title=f"Top-{1 if top1 else report.k} accuracy in percent with 95 % intervals",
        lines=[_share_line(row, item) for row, item in found],
        marks=marks,
        within=(0.0, 100.0),
    )


def drop_chart(report: EvaluationReport) -> IntervalChart | None:
    """By how many points each backend is lower than Paddle; ``None`` where nothing was paired."""
    lines = [
        IntervalLine(
            name=row.name,
            value=100 * row.changes.drop,
            low=100 * row.changes.drop_low,
            high=100 * row.changes.drop_high,
            text=f"{100 * row.changes.drop:.2f} "
            f"({100 * row.changes.drop_low:.2f} to {100 * row.changes.drop_high:.2f})",
            colour=_COLOURS[row.verdict],
        )
        for row in report.rows
        if row.changes is not None and _drawn(row) and row.top1.count
    ]
    if not lines:
        return None
    limit = 100 * report.max_drop
    return IntervalChart(
        name="drop",
        title="Points of top-1 lost against native Paddle, with 95 % intervals",
        lines=lines,
        marks=[ChartMark(0.0, "as Paddle"), ChartMark(limit, f"{limit:g} allowed")],
        band=(limit, 101.0),
    )


def _share_line(row: EvaluatedRow, item: CountedShare) -> IntervalLine:
    return IntervalLine(
        name=row.name,
        value=100 * item.share,
        low=100 * item.low,
        high=100 * item.high,
        text=f"{100 * item.share:.2f} ({100 * item.low:.1f} – {100 * item.high:.1f})",
        colour=_COLOURS[row.verdict],
    )


def _drawn(row: EvaluatedRow) -> bool:
    return row.verdict in _COLOURS
