"""Two reports compared, and what differs between the runs besides their results."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddleport.errors import UsageError
from paddleport.validate.report_diff.changes import ReportChange, ReportDiff, in_order
from paddleport.validate.report_diff.evaluation_changes import compare_evaluations
from paddleport.validate.report_diff.performance_changes import (
    OTHER_MACHINE,
    LatencyChanges,
    compare_costs,
    compare_models,
)
from paddleport.validate.report_diff.recorded_evaluation import read_evaluation
from paddleport.validate.report_diff.recorded_report import (
    SPEED_REFERENCE,
    RecordedFeed,
    RecordedReport,
    is_evaluation,
    read_report,
    report_values,
)
from paddleport.validate.report_diff.result_changes import compare_rows
from paddleport.validate.report_diff.run_notes import (
    brought_in_notes,
    order_notes,
    version_notes,
)

LATENCY_THRESHOLD_PERCENT = 5.0
Report = Mapping[str, Any] | str | Path
_DIGITS = 12  # of a hash
_FORMS = ("opset", "weights", "mends", "paddle format")  # of the model, in words
_PEAK_MOVED = 1.2


def compare_reports(
    old: Report, new: Report, *, latency_threshold_percent: float = LATENCY_THRESHOLD_PERCENT
) -> ReportDiff:
    """What changed from one report to the next beyond noise.

    What counts as noise is said where it is decided: errors in ``result_changes``, latencies,
    load time and memory in ``performance_changes``, accuracy in ``evaluation_changes``.

    Args:
        old: a ``parity.json`` or ``evaluate.json`` file, or what the report's ``to_dict`` gives.
        new: another of the same kind, likewise.
        latency_threshold_percent: the smallest change of a median latency that counts.

    Raises:
        ModelNotFoundError: there is no such file.
        OutputError: what is there is no report, or one of a schema not known here.
        UsageError: the threshold is no percentage, or one is a parity report and the other an
            evaluation.
    """
    if not 0 <= latency_threshold_percent < float("inf"):
        raise UsageError(
            f"a latency threshold of {latency_threshold_percent:g} % is not possible: 0 or more"
        )
    old_source, old_values = report_values(old, "the old report")
    new_source, new_values = report_values(new, "the new report")
    kinds = [is_evaluation(values) for values in (old_values, new_values)]
    if all(kinds):
        return compare_evaluations(
            read_evaluation(old_values, old_source), read_evaluation(new_values, new_source)
        )
    if any(kinds):
        evaluated, other = (old_source, new_source) if kinds[0] else (new_source, old_source)
        raise UsageError(
            f"{evaluated} is a report of evaluate and {other} is none: give two of one kind"
        )
    before, after = read_report(old_values, old_source), read_report(new_values, new_source)
    latencies = LatencyChanges(old=before, new=after, threshold=latency_threshold_percent / 100)
    same = same_task(before, after)
    changes: list[ReportChange] = []
    for name in dict.fromkeys((*after.backends, *before.backends)):
        one, two = before.backends.get(name), after.backends.get(name)
        changes += compare_rows(name, one, two, same_task=same)
    both = [name for name in after.backends if name in before.backends]
    texts = list(notes(before, after))
    if before.threads == after.threads:
        changes += (change for name in both for change in latencies.changes(name))
        texts += latencies.notes()
        for name in both if latencies.same_machine else ():
            changes += compare_costs(name, before.backends[name], after.backends[name])
    changes += compare_models(before.model, after.model)
    return ReportDiff(in_order(changes), tuple(texts))


def same_task(old: RecordedReport, new: RecordedReport) -> bool:
    """Whether the same model got the same feeds and was held against the same backend."""
    return (
        old.model.get("paddle sha256") == new.model.get("paddle sha256")
        and old.feeds == new.feeds
        and old.reference.split()[:1] == new.reference.split()[:1]
    )


def notes(old: RecordedReport, new: RecordedReport) -> Iterator[str]:
    """A sentence for whatever is not the same, the weightiest first."""
    yield from order_notes(old.created, new.created)
    yield from _models(old, new)
    yield from _limits(old, new)
    yield from _feeds(old, new)
    pairs = {
        "reference": (old.reference, new.reference),
        "float64": (old.float64_reference, new.float64_reference),
    }
    yield from (f"{what}: {one} → {two}" for what, (one, two) in pairs.items() if one != two)
    if old.strict != new.strict:
        yield f"only {'NEW' if new.strict else 'OLD'} counts a skipped backend as a failure"
    yield from _machines(old, new)
    yield from brought_in_notes(old, new)
    yield from version_notes(old.environment, new.environment)
    if old.command != new.command:
        yield f"command: {old.command or '(none)'} → {new.command or '(none)'}"


def _models(old: RecordedReport, new: RecordedReport) -> Iterator[str]:
    names = [str(report.model.get("name", "")) for report in (old, new)]
    if names[0] != names[1]:
        yield f"another model: {names[0]} → {names[1]}"
    for key, what in (("paddle sha256", "Paddle model"), ("onnx sha256", "ONNX file")):
        one, two = (str(report.model.get(key) or "")[:_DIGITS] for report in (old, new))
        if not one or not two:
            yield f"whether it is the same {what} cannot be told: a report has no {key}"
        elif one != two:
            yield f"another {what}: sha256 {one}… → {two}…"
    for key in _FORMS:
        one, two = (str(report.model.get(key, "")) for report in (old, new))
        if one != two:
            yield f"{key}: {one or '(none)'} → {two or '(none)'}"


def _limits(old: RecordedReport, new: RecordedReport) -> Iterator[str]:
    loosened = [
        name
        for name, row in new.backends.items()
        if name in old.backends
        and any(
            two.limit > one.limit
            for one, two in zip(old.backends[name].comparisons, row.comparisons, strict=False)
        )
    ]
    if loosened:
        yield f"NEW has looser limits: {', '.join(loosened)}; crossing OLD's limit still counts"


def _feeds(old: RecordedReport, new: RecordedReport) -> Iterator[str]:
    if old.feeds == new.feeds:
        return
    texts = [
        f"only {title} has {_feeds_text(only)}"
        for title, one, two in (("OLD", old.feeds, new.feeds), ("NEW", new.feeds, old.feeds))
        if (only := [feed for feed in one if feed not in two])
    ]
    counts = f"{len(old.feeds)} → {len(new.feeds)}"
    yield f"other feeds, {counts}: {'; '.join(texts) or 'in another order'}"


def _machines(old: RecordedReport, new: RecordedReport) -> Iterator[str]:
    before, after = old.environment.cpu, new.environment.cpu
    if not before or before != after:
        yield (
            f"another machine: {before or 'unknown'} → {after or 'unknown'}; latencies are "
            f"compared as multiples of {SPEED_REFERENCE}'s in the same report, and count from "
            f"×{OTHER_MACHINE:g} on"
        )
    if old.threads != new.threads:
        yield f"threads: {old.threads} → {new.threads}; latencies and costs are not compared"
    key = str(new.threads)
    one, two = old.peak_gflops.get(key), new.peak_gflops.get(key)
    if one and two and max(one, two) > _PEAK_MOVED * min(one, two):
        yield f"the machine's own peak: {one:.0f} → {two:.0f} GFLOP/s on {key} threads"


def _feeds_text(feeds: Sequence[RecordedFeed]) -> str:
    texts = [f"{feed.name} ({feed.kind}, batch {feed.batch})" for feed in feeds[:5]]
    return f"{', '.join(texts)}{' and others' if len(feeds) > 5 else ''}"
