"""Two reports, read and held against each other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddleport.errors import UsageError
from paddleport.validate.report_diff.changes import Change, Regressions, in_order
from paddleport.validate.report_diff.comparability import notes, same_task
from paddleport.validate.report_diff.costs import compare_costs, compare_models
from paddleport.validate.report_diff.numbers import compare_rows
from paddleport.validate.report_diff.reading import open_report
from paddleport.validate.report_diff.snapshot import snapshot
from paddleport.validate.report_diff.speed import Speed

LATENCY_THRESHOLD_PERCENT = 5.0
Report = Mapping[str, Any] | str | Path


def compare_reports(
    old: Report, new: Report, *, latency_threshold_percent: float = LATENCY_THRESHOLD_PERCENT
) -> Regressions:
    """What changed from one report to the next beyond noise.

    What counts as noise is said where it is judged: errors in ``numbers``, latencies in
    ``speed.Speed``, load time and memory in ``costs``.

    Args:
        old: a ``parity.json`` file, or what ``ParityReport.to_dict`` gives.
        new: another, likewise.
        latency_threshold_percent: the smallest change of a median latency that counts.

    Raises:
        ModelNotFoundError: there is no such file.
        OutputError: what is there is no parity report, or one of a schema not known here.
        UsageError: the threshold is no percentage.
    """
    if not 0 <= latency_threshold_percent < float("inf"):
        raise UsageError(
            f"a latency threshold of {latency_threshold_percent:g} % is not possible: 0 or more"
        )
    before = snapshot(open_report(old, "the old report"))
    after = snapshot(open_report(new, "the new report"))
    speed = Speed(before, after, latency_threshold_percent / 100)
    same = same_task(before, after)
    changes: list[Change] = []
    for name in dict.fromkeys((*after.rows, *before.rows)):
        one, two = before.rows.get(name), after.rows.get(name)
        changes += compare_rows(name, one, two, same_task=same)
    both = [name for name in after.rows if name in before.rows]
    told = list(notes(before, after))
    if before.threads == after.threads:
        changes += (change for name in both for change in speed.changes(name))
        told += speed.notes()
        for name in both if speed.same_machine else ():
            changes += compare_costs(name, before.rows[name], after.rows[name])
    changes += compare_models(before.model, after.model)
    return Regressions(in_order(changes), tuple(told))
