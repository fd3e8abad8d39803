"""What changed in one backend's results: verdict, precision, limits, errors, top-1."""

import math
from collections.abc import Iterator
from dataclasses import replace

from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF
from paddleport.validate.diagnose.amplified_rounding import AS_EXACT
from paddleport.validate.report_diff.changes import Kind, ReportChange, ratio, times
from paddleport.validate.report_diff.recorded_report import (
    RecordedLocation,
    RecordedOutput,
    RecordedRow,
)
from paddleport.validate.reports import figures

ABSENT = "absent"
# What is known of a backend: good, nothing, another answer, no answer.
_RANK = {"agrees": 0, "unproven": 1, "skipped": 1, ABSENT: 1, "differs": 2, "failed": 3}
# Another order of the same sums: the worst errors of 12 made-up networks of 20 layers, each
# summed in 24 orders in fp32, were never more than a factor of 2.9 apart (6624 pairs).
GROWN = 3.0
FLOOR_ROUNDOFFS = 10.0  # what a handful of roundings makes may come and go
# One more step like it would cross the limit by far.
GROWN_MUCH = 10.0
MUCH_OF_LIMIT = 0.5


def compare_rows(
    name: str, old: RecordedRow | None, new: RecordedRow | None, *, same_task: bool
) -> Iterator[ReportChange]:
    """Everything about a backend but its speed and costs.

    Args:
        name: of the row.
        old: the row before; ``None`` where OLD has none of that name.
        new: the row after, likewise.
        same_task: the same model was fed the same feeds; else another error is another
            question's answer, and neither better nor worse.
    """
    yield from _verdict(name, old, new)
    if old is None or new is None:
        return
    if old.computes_in and new.computes_in and old.computes_in != new.computes_in:
        yield _precision(name, old, new)
    if old.located and new.located and old.located != new.located:
        yield ReportChange(
            backend=name,
            what="parts at",
            old=_place(old.located),
            new=_place(new.located),
            change="",
            kind="change",
        )
    if len(old.comparisons) != len(new.comparisons) and old.comparisons and new.comparisons:
        yield ReportChange(
            backend=name,
            what="outputs",
            old=str(len(old.comparisons)),
            new=str(len(new.comparisons)),
            change="",
            kind="change",
        )
    yield from _compare_outputs(name, old, new, same_task=same_task)


def _compare_outputs(
    name: str, old: RecordedRow, new: RecordedRow, *, same_task: bool
) -> Iterator[ReportChange]:
    for before, after in _pairs(old, new):
        title = f" of {after.output}" if len(new.comparisons) > 1 else ""
        if "reference" in (old.verdict, new.verdict):
            yield from _reference_distance(name, title, before, after)
            continue
        yield from _limit(name, title, before, after)
        found = [
            _error(name, title, (old, before), (new, after)),
            _top1(name, title, before, after),
        ]
        for change in found:
            if change is not None:
                yield change if same_task else _uncertain(change)


def grown(old: float, new: float, *, floor: float, limit: float) -> Kind | None:
    """What a changed error means, while the verdict is as it was.

    Below a factor of 3, or of some ten roundings in size, it is noise. From 3 on it is a
    change, or an improvement. It is a regression from a factor of 10 on, if it then takes more
    than half of the limit.

    Args:
        old: the worst error before; infinite where values were incomparable.
        new: the worst error after, likewise.
        floor: below it, an error is a few roundings.
        limit: of NEW's tolerance.
    """
    if new == old:
        return None
    if new > old:
        if new < GROWN * old or new <= floor:
            return None
        return "regression" if new >= GROWN_MUCH * old and new > MUCH_OF_LIMIT * limit else "change"
    return "improvement" if old >= GROWN * new and old > floor else None


def _verdict(name: str, old: RecordedRow | None, new: RecordedRow | None) -> Iterator[ReportChange]:
    """Worse is: agrees before nothing known, before differs, before failed.

    Nothing known is ``unproven``, ``skipped`` or no row. Only a new ``agrees`` is an
    improvement: a difference that is now skipped has not gone away. Paddle's failing on its own
    file is worth a look, and no candidate's.
    """
    before, after = (row.verdict if row else ABSENT for row in (old, new))
    if "reference" in (before, after):  # a changed reference is a note
        return
    was, is_now = _verdict_text(old), _verdict_text(new)
    why = figures.one_line(new.reason)[:200] if new else "no such row any more"
    if before != after:
        worse = _RANK[after] > _RANK[before] and (new is None or new.counts)
        kind: Kind = "regression" if worse else "improvement" if after == "agrees" else "change"
        yield ReportChange(
            backend=name,
            what="verdict",
            old=was,
            new=is_now,
            change=why if after != "agrees" else "",
            kind=kind,
        )
    elif was != is_now:
        yield ReportChange(
            backend=name, what="cause", old=was, new=is_now, change=why, kind="change"
        )


def _place(located: RecordedLocation) -> str:
    return f"{located.side}: {located.node}"


def _verdict_text(row: RecordedRow | None) -> str:
    if row is None:
        return ABSENT
    return f"{row.verdict}: {row.cause}" if row.cause else row.verdict


def _precision(name: str, old: RecordedRow, new: RecordedRow) -> ReportChange:
    """Coarser arithmetic is a regression, however well it still agrees."""
    before, after = (UNIT_ROUNDOFF.get(row.computes_in) for row in (old, new))
    coarser = before is not None and after is not None and after > before
    kind: Kind = "regression" if coarser else "change"
    text = "coarser arithmetic" if coarser else ""
    return ReportChange(
        backend=name,
        what="computes in",
        old=old.computes_in,
        new=new.computes_in,
        change=text,
        kind=kind,
    )


def _pairs(old: RecordedRow, new: RecordedRow) -> list[tuple[RecordedOutput, RecordedOutput]]:
    """Outputs that belong together: by position if the names are others and as many, else by name.

    Converters make up names, so they may change with a version.
    """
    named = {output.output: output for output in old.comparisons}
    if len(old.comparisons) == len(new.comparisons) and set(named) != {
        item.output for item in new.comparisons
    }:
        return list(zip(old.comparisons, new.comparisons, strict=True))
    return [(named[item.output], item) for item in new.comparisons if item.output in named]


def _limit(
    name: str, title: str, old: RecordedOutput, new: RecordedOutput
) -> Iterator[ReportChange]:
    if old.measure != new.measure:
        yield ReportChange(
            backend=name,
            what=f"measure{title}",
            old=old.measure,
            new=new.measure,
            change="",
            kind="change",
        )
    elif old.limit != new.limit:
        factor = ratio(old.limit, new.limit)
        text = f"{'loosened' if new.limit > old.limit else 'tightened'} {times(factor)}".strip()
        yield ReportChange(
            backend=name,
            what=f"limit{title}",
            old=figures.error(old.limit),
            new=figures.error(new.limit),
            change=text,
            kind="change",
            ratio=factor,
        )


def _error(
    name: str,
    title: str,
    old: tuple[RecordedRow, RecordedOutput],
    new: tuple[RecordedRow, RecordedOutput],
) -> ReportChange | None:
    pairs, outputs = (old, new), (old[1], new[1])
    if outputs[0].measure != outputs[1].measure:
        return None
    # A verdict of agrees above the limit was given without the extremes, where the model itself
    # amplifies rounding: what happens there is noise. Unless it does so everywhere. Reports of
    # before name no cause there.
    typical = any(_is_without_extremes(row, item) for row, item in pairs)
    before, after = (item.typical_error if typical else item.error for item in outputs)
    units = [UNIT_ROUNDOFF.get(row.computes_in, 0.0) for row, _ in pairs]
    # The reference rounds as well.
    floor = FLOOR_ROUNDOFFS * max(*units, UNIT_ROUNDOFF["fp32"])
    if outputs[1].measure == "equality":
        floor = 0.0
    limits = [item.limit for item in outputs]
    kind = grown(before, after, floor=floor, limit=limits[1])
    factor = ratio(before, after)
    text = times(factor) or ("" if before else "from 0")
    if limits[1] > limits[0] and before <= limits[0] < after:
        kind, text = "regression", f"{text}, above the limit that OLD had"
    if kind is None:
        return None
    if kind == "regression" and (new[0].verdict, new[0].cause) == ("agrees", "ill-conditioned"):
        kind, text = "change", f"{text}, {AS_EXACT}"
    was, is_now = (
        f"{figures.error(error)} / {figures.error(limit)}"
        for error, limit in zip((before, after), limits, strict=True)
    )
    return ReportChange(
        backend=name,
        what=f"worst error{title}",
        old=was,
        new=is_now,
        change=text,
        kind=kind,
        ratio=factor,
    )


def _is_without_extremes(row: RecordedRow, item: RecordedOutput) -> bool:
    above = row.verdict == "agrees" and item.error > item.limit
    return above and (not row.cause or item.is_above_at_extremes_alone)


def _reference_distance(
    name: str, title: str, old: RecordedOutput, new: RecordedOutput
) -> Iterator[ReportChange]:
    """The reference's own distance from float64, which is neither better nor worse."""
    before, after = old.reference_distance, new.reference_distance
    if before is None or after is None:
        return
    floor = FLOOR_ROUNDOFFS * UNIT_ROUNDOFF["fp32"]
    if grown(before, after, floor=floor, limit=math.inf) is not None:
        factor = ratio(before, after)
        yield ReportChange(
            backend=name,
            what=f"from float64{title}",
            old=figures.error(before),
            new=figures.error(after),
            change=times(factor),
            kind="change",
            ratio=factor,
        )


def _top1(name: str, title: str, old: RecordedOutput, new: RecordedOutput) -> ReportChange | None:
    """Rows whose largest class is newly another one, and whether OLD's rounding explains that.

    A row flips where the errors of its two largest classes reach their margin, so an error that
    is noise beside OLD's flips margins of up to 2 × 3 × OLD's largest error, and no others.
    """
    if old.top1 is None or new.top1 is None:
        return None
    flipped = [margin for row, margin in new.flips.items() if row not in old.flips]
    before, after = (right / total for right, total in (old.top1, new.top1))
    was, is_now = (f"{right} of {total}" for right, total in (old.top1, new.top1))
    explained = 0.0 if old.max_abs is None else 2 * GROWN * old.max_abs
    beyond = [margin for margin in flipped if margin > explained]
    kind: Kind = "regression" if beyond else "improvement" if after > before else "change"
    if not flipped and after == before:
        return None
    text = f"newly another class: {len(flipped)}, beyond rounding: {len(beyond)}"
    return ReportChange(
        backend=name,
        what=f"top-1{title}",
        old=was,
        new=is_now,
        change=text if flipped else "",
        kind=kind,
    )


def _uncertain(change: ReportChange) -> ReportChange:
    if change.kind == "change":
        return change
    text = f"{change.change} (another model or other feeds)".strip()
    return replace(change, change=text, kind="change")
