"""What changed between two evaluations of one model, and what of it chance explains.

Reports hold counts and not single answers, so two accuracies are compared as those of independent
pictures are, by Newcombe's interval. On the very same pictures it is wider than need be: what lies
beyond it has changed, and what lies within is shown as a change, neither better nor worse.
"""

from collections.abc import Iterator

from paddleport.validate.evaluate.accuracy.proportions import newcombe_interval
from paddleport.validate.report_diff.changes import (
    MODEL,
    Kind,
    ReportChange,
    ReportDiff,
    in_order,
    ratio,
    times,
)
from paddleport.validate.report_diff.recorded_evaluation import (
    RecordedEvaluatedRow,
    RecordedEvaluation,
    RecordedShare,
)
from paddleport.validate.report_diff.run_notes import order_notes, version_notes

_GRAVITY = {"reference": 0, "passed": 0, "unproven": 1, "failed": 2, "lower": 2}
_LOSS_MOVED = 0.01  # of itself
_SPEED_MOVED = 0.1
_DIGITS = 12  # of a hash


def compare_evaluations(old: RecordedEvaluation, new: RecordedEvaluation) -> ReportDiff:
    """What changed from one evaluation to the next beyond chance."""
    same = _same_pictures(old, new)
    changes: list[ReportChange] = []
    for name in dict.fromkeys((*new.backends, *old.backends)):
        one, two = old.backends.get(name), new.backends.get(name)
        if one is None or two is None:
            changes.append(_row(name, one, two))
            continue
        changes += _verdicts(one, two)
        if "failed" in (one.verdict, two.verdict):
            continue  # its figures are of the pictures before, not of all
        changes += _shares(name, "top-1", one.top1, two.top1, same=same)
        if one.topk and two.topk and old.k == new.k:
            changes += _shares(name, f"top-{new.k}", one.topk, two.topk, same=same)
        changes += _answers(one, two)
        changes += _measured(one, two)
    if old.data.unreadable != new.data.unreadable:
        worse: Kind = "regression" if new.data.unreadable > old.data.unreadable else "improvement"
        kind: Kind = worse if same else "change"
        texts = [f"{item.data.unreadable:,}" for item in (old, new)]
        changes.append(_change(MODEL, "unreadable pictures", texts[0], texts[1], "", kind))
    return ReportDiff(in_order(changes), tuple(_notes(old, new, same=same)))


def _same_pictures(old: RecordedEvaluation, new: RecordedEvaluation) -> bool:
    one, two = old.data, new.data
    counts = (one.pictures + one.unreadable, two.pictures + two.unreadable)
    return bool(one.sha256) and one.sha256 == two.sha256 and counts[0] == counts[1]


def _row(
    name: str, one: RecordedEvaluatedRow | None, two: RecordedEvaluatedRow | None
) -> ReportChange:
    old, new = (f"top-1 {_percent(row.top1)}" if row else "" for row in (one, two))
    gone = two is None
    return _change(
        name, "row", old, new, "gone" if gone else "new", "regression" if gone else "change"
    )


def _verdicts(one: RecordedEvaluatedRow, two: RecordedEvaluatedRow) -> Iterator[ReportChange]:
    if one.verdict == two.verdict:
        return
    before, after = _GRAVITY[one.verdict], _GRAVITY[two.verdict]
    kind: Kind = "regression" if after > before else "improvement" if after < before else "change"
    yield _change(two.name, "verdict", one.verdict, two.verdict, two.reason, kind)


def _shares(
    name: str, what: str, one: RecordedShare, two: RecordedShare, *, same: bool
) -> Iterator[ReportChange]:
    if one.share == two.share or not one.count or not two.count:
        return
    low, high = newcombe_interval((two.right, two.count), (one.right, one.count))
    moved = 100 * (two.share - one.share)
    text = f"{moved:+.2f} points ({100 * low:.2f} to {100 * high:.2f})"
    if low <= 0 <= high:
        kind: Kind = "change"
        if not same:
            return
        text = f"{text}: within chance"
    else:
        kind = "change" if not same else "regression" if moved < 0 else "improvement"
    yield _change(name, what, _percent(one), _percent(two), text, kind)


def _answers(one: RecordedEvaluatedRow, two: RecordedEvaluatedRow) -> Iterator[ReportChange]:
    if one.changes and two.changes and one.top1.count and two.top1.count:
        counts = (one.changes.total, two.changes.total)
        low, high = newcombe_interval((counts[1], two.top1.count), (counts[0], one.top1.count))
        if not low <= 0 <= high:
            old, new = (f"{count:,}" for count in counts)
            yield _change(two.name, "answers that are not Paddle's", old, new, "", "change")
    if one.not_finite != two.not_finite:
        kind: Kind = "regression" if two.not_finite > one.not_finite else "improvement"
        old, new = (f"{row.not_finite:,}" for row in (one, two))
        yield _change(two.name, "answers that are not finite", old, new, "", kind)


def _measured(one: RecordedEvaluatedRow, two: RecordedEvaluatedRow) -> Iterator[ReportChange]:
    """Figures without an interval: a change is shown, and called neither better nor worse."""
    pairs = (
        ("loss", one.loss, two.loss, _LOSS_MOVED),
        ("pictures per second", one.pictures_per_second, two.pictures_per_second, _SPEED_MOVED),
    )
    for what, before, after, least in pairs:
        if before and after and abs(after - before) > least * before:
            yield ReportChange(
                backend=two.name,
                what=what,
                old=f"{before:.4g}",
                new=f"{after:.4g}",
                change=times(ratio(before, after)),
                kind="change",
                ratio=ratio(before, after),
            )


def _notes(old: RecordedEvaluation, new: RecordedEvaluation, *, same: bool) -> Iterator[str]:
    yield from order_notes(old.created, new.created)
    for key in ("name", "weights", "paddle sha256"):
        one, two = (str(report.model.get(key) or "") for report in (old, new))
        if one != two:
            yield f"another model: {key} {_short(key, one)} → {_short(key, two)}"
    if not same:
        one, two = (f"{item.data.source}: {item.data.pictures:,}" for item in (old, new))
        known = "other pictures" if old.data.sha256 and new.data.sha256 else "maybe other pictures"
        yield f"{known} ({one} → {two}): accuracies are not called better or worse"
    if old.reference != new.reference:
        yield f"reference: {old.reference or 'none'} → {new.reference or 'none'}"
    if old.max_drop != new.max_drop:
        yield f"allowed drop: {100 * old.max_drop:g} → {100 * new.max_drop:g} points"
    before, after = old.environment.cpu, new.environment.cpu
    if before != after:
        yield f"another machine: {before or 'unknown'} → {after or 'unknown'}"
    yield from version_notes(old.environment, new.environment)
    if old.command != new.command:
        yield f"command: {old.command or '(none)'} → {new.command or '(none)'}"


def _short(key: str, text: str) -> str:
    return f"{text[:_DIGITS]}…" if "sha256" in key and text else text or "(none)"


def _percent(item: RecordedShare) -> str:
    return f"{100 * item.share:.2f} %" if item.count else "–"


def _change(backend: str, what: str, old: str, new: str, change: str, kind: Kind) -> ReportChange:
    return ReportChange(backend=backend, what=what, old=old, new=new, change=change, kind=kind)
