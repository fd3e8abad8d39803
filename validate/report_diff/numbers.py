"""What became of one backend's numbers: verdict, precision, limits, errors, top-1."""

import math
from collections.abc import Iterator
from dataclasses import replace

from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF
from paddleport.validate.report_diff.changes import Change, Kind, ratio, times
from paddleport.validate.report_diff.growth import FLOOR_ROUNDOFFS, GROWN, grown
from paddleport.validate.report_diff.snapshot import Output, Row
from paddleport.validate.reports import figures

ABSENT = "absent"
# What is known of a backend: good, nothing, another answer, no answer.
_RANK = {"agrees": 0, "unproven": 1, "skipped": 1, ABSENT: 1, "differs": 2, "failed": 3}


def compare_rows(
    name: str, old: Row | None, new: Row | None, *, same_task: bool
) -> Iterator[Change]:
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
        yield Change(name, "parts at", old.located, new.located, "", "change")
    if len(old.outputs) != len(new.outputs) and old.outputs and new.outputs:
        counts = str(len(old.outputs)), str(len(new.outputs))
        yield Change(name, "outputs", *counts, "", "change")
    for before, after in _pairs(old, new):
        title = f" of {after.name}" if len(new.outputs) > 1 else ""
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


def _verdict(name: str, old: Row | None, new: Row | None) -> Iterator[Change]:
    """Worse is: agrees before nothing known, before differs, before failed.

    Nothing known is ``unproven``, ``skipped`` or no row. Only a new ``agrees`` is an
    improvement: a difference that is now skipped has not gone away.
    """
    before, after = (row.verdict if row else ABSENT for row in (old, new))
    if "reference" in (before, after):  # a changed reference is a note
        return
    was, is_now = _verdict_text(old), _verdict_text(new)
    why = figures.one_line(new.reason)[:200] if new else "no such row any more"
    if before != after:
        worse = _RANK[after] > _RANK[before]
        kind: Kind = "regression" if worse else "improvement" if after == "agrees" else "change"
        yield Change(name, "verdict", was, is_now, why if after != "agrees" else "", kind)
    elif was != is_now:
        yield Change(name, "cause", was, is_now, why, "change")


def _verdict_text(row: Row | None) -> str:
    if row is None:
        return ABSENT
    return f"{row.verdict}: {row.cause}" if row.cause else row.verdict


def _precision(name: str, old: Row, new: Row) -> Change:
    """Coarser arithmetic is a regression, however well it still agrees."""
    before, after = (UNIT_ROUNDOFF.get(row.computes_in) for row in (old, new))
    coarser = before is not None and after is not None and after > before
    kind: Kind = "regression" if coarser else "change"
    told = "coarser arithmetic" if coarser else ""
    return Change(name, "computes in", old.computes_in, new.computes_in, told, kind)


def _pairs(old: Row, new: Row) -> list[tuple[Output, Output]]:
    """Outputs that belong together: by position if the names are others and as many, else by name.

    Converters make up names, so they may change with a version.
    """
    named = {output.name: output for output in old.outputs}
    if len(old.outputs) == len(new.outputs) and set(named) != {item.name for item in new.outputs}:
        return list(zip(old.outputs, new.outputs, strict=True))
    return [(named[item.name], item) for item in new.outputs if item.name in named]


def _limit(name: str, title: str, old: Output, new: Output) -> Iterator[Change]:
    if old.measure != new.measure:
        yield Change(name, f"measure{title}", old.measure, new.measure, "", "change")
    elif old.limit != new.limit:
        factor = ratio(old.limit, new.limit)
        told = f"{'loosened' if new.limit > old.limit else 'tightened'} {times(factor)}".strip()
        texts = figures.error(old.limit), figures.error(new.limit)
        yield Change(name, f"limit{title}", *texts, told, "change", factor)


def _error(
    name: str, title: str, old: tuple[Row, Output], new: tuple[Row, Output]
) -> Change | None:
    pairs, outputs = (old, new), (old[1], new[1])
    if outputs[0].measure != outputs[1].measure:
        return None
    # A verdict of agrees above the limit was given without the extremes, where the model itself
    # amplifies rounding: what happens there is noise.
    typical = any(row.verdict == "agrees" and item.error > item.limit for row, item in pairs)
    before, after = (item.typical_error if typical else item.error for item in outputs)
    units = [UNIT_ROUNDOFF.get(row.computes_in, 0.0) for row, _ in pairs]
    # The reference rounds as well.
    floor = FLOOR_ROUNDOFFS * max(*units, UNIT_ROUNDOFF["fp32"])
    if outputs[1].measure == "equality":
        floor = 0.0
    limits = [item.limit for item in outputs]
    kind = grown(before, after, floor=floor, limit=limits[1])
    factor = ratio(before, after)
    told = times(factor) or ("" if before else "from 0")
    if limits[1] > limits[0] and before <= limits[0] < after:
        kind, told = "regression", f"{told}, above the limit that OLD had"
    if kind is None:
        return None
    was, is_now = (
        f"{figures.error(error)} / {figures.error(limit)}"
        for error, limit in zip((before, after), limits, strict=True)
    )
    return Change(name, f"worst error{title}", was, is_now, told, kind, factor)


def _reference_distance(name: str, title: str, old: Output, new: Output) -> Iterator[Change]:
    """The reference's own distance from float64: it judges, so it is neither better nor worse."""
    before, after = old.reference_distance, new.reference_distance
    if before is None or after is None:
        return
    floor = FLOOR_ROUNDOFFS * UNIT_ROUNDOFF["fp32"]
    if grown(before, after, floor=floor, limit=math.inf) is not None:
        factor = ratio(before, after)
        texts = figures.error(before), figures.error(after)
        yield Change(name, f"from float64{title}", *texts, times(factor), "change", factor)


def _top1(name: str, title: str, old: Output, new: Output) -> Change | None:
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
    told = f"newly another class: {len(flipped)}, beyond rounding: {len(beyond)}"
    return Change(name, f"top-1{title}", was, is_now, told if flipped else "", kind)


def _uncertain(change: Change) -> Change:
    if change.kind == "change":
        return change
    told = f"{change.change} (another model or other feeds)".strip()
    return replace(change, change=told, kind="change")
