"""The evaluation's tables as texts, the same for the terminal, Markdown and HTML."""

from collections.abc import Mapping

from paddleport.validate.evaluate.accuracy.accuracy_verdict import NOISE, p_value
from paddleport.validate.evaluate.accuracy.evaluated_row import (
    AnswerChanges,
    CountedShare,
    EvaluatedRow,
)
from paddleport.validate.evaluate.report.evaluation_report import EvaluationReport
from paddleport.validate.reports import figures
from paddleport.validate.reports.tables import Table

LEGEND = (
    "Lower by: points of top-1 against native Paddle on the same pictures; p: McNemar's exact "
    "test; changed: answers that only Paddle has right (−), only the backend has right (+), and "
    "others (~); loss: mean cross entropy in nats; ECE: expected calibration error."
)


def evaluated_rows(report: EvaluationReport) -> Table:
    """Verdict, accuracy and changed answers of every backend."""
    ranked = any(row.topk is not None for row in report.rows)
    timed = any(row.pictures_per_second for row in report.rows)
    paired = any(row.changes for row in report.rows)
    columns = (
        *("backend", "computes in", "verdict", "top-1 %", "95 %"),
        *((f"top-{report.k} %",) if ranked else ()),
        *(("lower by", "95 % of it", "p", "changed") if paired else ()),
        *("loss", "ECE"),
        *(("pictures/s",) if timed else ()),
    )
    lines = []
    for row in report.rows:
        lines.append(
            (
                *(row.name, row.precision, row.verdict, percent(row.top1)),
                interval(row.top1),
                *((percent(row.topk),) if ranked else ()),
                *(_change_cells(row.changes) if paired else ()),
                *(certain(row.loss), certain(row.calibration_error)),
                *((speed(row.pictures_per_second),) if timed else ()),
            )
        )
    return Table(caption="Every backend", columns=columns, lines=tuple(lines), texts=3)


def unreadable(report: EvaluationReport) -> Table:
    """The first pictures that could not be read."""
    found = report.data.unreadable_listed
    return Table(
        caption=f"Pictures that could not be read ({report.data.unreadable:,})",
        columns=("picture", "why"),
        lines=tuple((item.name, item.reason) for item in found),
        texts=2,
    )


def confused(report: EvaluationReport, row: EvaluatedRow) -> Table:
    """The commonest wrong answers of a row."""
    paired = any(item.reference_count is not None for item in row.confused_pairs)
    lines = tuple(
        (
            *(report.class_name(item.label), report.class_name(item.answer), f"{item.count:,}"),
            *((f"{item.reference_count:,}",) if item.reference_count is not None else ()),
        )
        for item in row.confused_pairs
    )
    columns = ("class", "answered as", "pictures", *(("by Paddle",) if paired else ()))
    return Table(caption=f"Most confused by {row.name}", columns=columns, lines=lines, texts=2)


def worst(report: EvaluationReport, row: EvaluatedRow) -> Table:
    """The classes that a row answers right most seldom."""
    paired = any(item.reference_right is not None for item in row.worst_classes)
    lines = tuple(
        (
            report.class_name(item.label),
            ", ".join(
                f"{report.class_name(answer.answer)} ({answer.count:,})" for answer in item.answers
            ),
            f"{item.right:,} of {item.count:,}",
            *((f"{item.reference_right:,}",) if item.reference_right is not None else ()),
        )
        for item in row.worst_classes
    )
    columns = ("class", "answered as", "right", *(("by Paddle",) if paired else ()))
    return Table(caption=f"Worst classes of {row.name}", columns=columns, lines=lines, texts=2)


def calibration(row: EvaluatedRow) -> Table:
    """How often a row is right where it is so sure."""
    ends = [*(item.above for item in row.calibration[1:]), 1.0][: len(row.calibration)]
    lines = tuple(
        (
            f"{100 * item.above:.0f} – {100 * end:.0f}",
            *(f"{item.count:,}", probability(item.confidence), probability(item.accuracy)),
        )
        for item, end in zip(row.calibration, ends, strict=True)
        if item.count
    )
    columns = ("probability %", "pictures", "its mean %", "right %")
    return Table(caption=f"Calibration of {row.name}", columns=columns, lines=lines, texts=1)


def changed(report: EvaluationReport, row: EvaluatedRow) -> Table:
    """The pictures whose answer changed, as far as they were kept."""
    lines = tuple(
        (
            item.name,
            item.kind,
            report.class_name(item.label),
            report.class_name(item.reference_answer),
            report.class_name(item.answer),
            probability(item.reference_probability),
            probability(item.probability),
        )
        for item in row.changed_pictures
    )
    columns = (
        *("picture", "change", "true class", "Paddle's answer", "its answer"),
        *("Paddle %", "its %"),
    )
    return Table(caption=f"Answers changed by {row.name}", columns=columns, lines=lines, texts=5)


def facts(report: EvaluationReport) -> dict[str, list[tuple[str, str]]]:
    """Model, data, machine and versions as pairs of texts; empty groups are left out."""
    environment = report.environment
    machine = {key: value for key, value in environment.items() if key != "packages"}
    packages = environment.get("packages")
    data = {"source": report.data.source, "sha256": report.data.sha256 or None}
    data |= {"classes": str(report.data.classes)}
    groups = {
        "Model": {key: value for key, value in report.model.items() if key != "title"},
        "Data": data,
        "Machine": machine,
        "Versions": packages if isinstance(packages, Mapping) else {},
    }
    found = {title: figures.facts(values) for title, values in groups.items()}
    return {title: pairs for title, pairs in found.items() if pairs}


def probability(value: float | None) -> str:
    """In percent, without the sign."""
    return figures.NOTHING if value is None else f"{100 * value:.1f}"


def percent(item: CountedShare | None) -> str:
    """Two decimals, without the sign; of no pictures there is no share."""
    if item is None:
        return ""
    return f"{100 * item.share:.2f}" if item.count else figures.NOTHING


def interval(item: CountedShare) -> str:
    """Such as ``71.8 – 72.6``."""
    if not item.count:
        return figures.NOTHING
    return f"{100 * item.low:.1f} – {100 * item.high:.1f}"


def certain(value: float | None) -> str:
    """A loss or a calibration error."""
    return figures.NOTHING if value is None else f"{value:.4f}"


def speed(value: float | None) -> str:
    """Pictures per second."""
    return "" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _change_cells(changes: AnswerChanges | None) -> tuple[str, ...]:
    if changes is None:
        return ("",) * 4
    low, high = 100 * changes.drop_low, 100 * changes.drop_high
    noise = changes.mcnemar > NOISE and changes.lost + changes.gained > 0
    chance = p_value(changes.mcnemar) + (" (noise)" if noise else "")
    return (
        f"{100 * changes.drop:.2f}".replace("-0.00", "0.00"),
        f"{low:.2f} to {high:.2f}",
        chance,
        f"−{changes.lost:,} +{changes.gained:,} ~{changes.other:,}",
    )
