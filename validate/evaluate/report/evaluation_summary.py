"""The evaluation in sentences."""

from collections import Counter

from paddleport.validate.evaluate.accuracy.evaluated_row import EvaluatedVerdict
from paddleport.validate.evaluate.report.evaluation_report import EvaluationReport
from paddleport.validate.reports import figures
from paddleport.validate.reports.told_together import told_together
from paddleport.wording import counted

_VERDICTS: tuple[EvaluatedVerdict, ...] = ("lower", "failed", "unproven", "passed")


def headline(report: EvaluationReport) -> str:
    """The verdict in a few words."""
    than = "native Paddle" if report.reference and len(report.rows) > 1 else "published"
    if report.verdict == "passed":
        return f"As accurate as {than}"
    if report.verdict == "lower":
        everywhere = all(row.verdict in ("lower", "reference") for row in report.rows)
        return f"Less accurate than {than}{'' if everywhere else ', on some'}"
    if report.label_problem:
        return "These may not be the model's labels"
    somewhere = any(row.verdict == "passed" for row in report.rows)
    return "Not proven everywhere" if somewhere else "Nothing is proven"


def outcome(report: EvaluationReport) -> str:
    """How many backends came out how, and on what."""
    counts = Counter(row.verdict for row in report.rows)
    texts = [f"{counts[verdict]} {verdict}" for verdict in _VERDICTS if counts[verdict]]
    allowed = f"{100 * report.max_drop:g} point{'' if report.max_drop == 0.01 else 's'}"
    seen = report.data.classes_seen
    classes = f"{seen:,} class{'' if seen == 1 else 'es'}"
    where = f"{counted(report.data.pictures, 'picture')} of {classes}"
    return f"{', '.join(texts)} on {where}; a drop of {allowed} is allowed."


def published(report: EvaluationReport) -> str:
    """The published accuracy, or that there is none."""
    found = report.published
    texts = [
        f"{name} {100 * share:.4g} %"
        for name, share in (("top-1", found.top1), ("top-5", found.top5))
        if share is not None
    ]
    if not texts:
        return "no figure for this model with these weights"
    return f"{', '.join(texts)}{f' ({found.source})' if found.source else ''}"


def data(report: EvaluationReport) -> str:
    """What was read, and how much of it."""
    found = report.data
    of = f" of {found.count:,}" if found.count not in (None, found.pictures) else ""
    limit = f", --limit {found.limit}" if found.limit is not None else ""
    return f"{found.source}: {found.pictures:,}{of} pictures{limit}"


def speed(report: EvaluationReport) -> str:
    """How fast the pass was; empty where nobody measured."""
    texts = []
    if report.pictures_per_second:
        texts.append(f"{report.pictures_per_second:.0f} pictures a second through all of it")
    if report.seconds:
        minutes, seconds = divmod(round(report.seconds), 60)
        texts.append(f"{minutes} min {seconds} s" if minutes else f"{seconds} s")
    return ", ".join(texts)


def reasons(report: EvaluationReport) -> list[tuple[str, str]]:
    """What is to be said of which rows; the problem with the labels stands in the report alone."""
    found = []
    for row in report.rows:
        reason = "" if row.reason == report.label_problem else row.reason
        counted = ""
        if row.verdict == "failed" and row.top1.count:  # its share is of other pictures
            counted = f"its figures are of the {row.top1.count:,} pictures before"
        parts = [figures.one_line(part) for part in (reason, counted, *row.notes) if part]
        found.append((row.name, "; ".join(parts)))
    return [(", ".join(names), text) for names, text in told_together(found)]
