"""What differs between two runs besides their results: how far they can be compared."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from paddleport.validate.report_diff.snapshot import SPEED_REFERENCE, Snapshot
from paddleport.validate.report_diff.speed import OTHER_MACHINE

_DIGITS = 12  # of a hash
_FORMS = ("opset", "weights", "mends", "paddle format")  # of the model, in words
_PEAK_MOVED = 1.2


def same_task(old: Snapshot, new: Snapshot) -> bool:
    """Whether the same model got the same feeds and was held against the same backend."""
    return (
        old.model.get("paddle sha256") == new.model.get("paddle sha256")
        and old.feeds == new.feeds
        and old.reference.split()[:1] == new.reference.split()[:1]
    )


def notes(old: Snapshot, new: Snapshot) -> Iterator[str]:
    """A sentence for whatever is not the same, the weightiest first."""
    yield from _order(old, new)
    yield from _models(old, new)
    yield from _limits(old, new)
    yield from _feeds(old, new)
    pairs = {
        "reference": (old.reference, new.reference),
        "arbiter": (old.float64_reference, new.float64_reference),
    }
    yield from (f"{what}: {one} → {two}" for what, (one, two) in pairs.items() if one != two)
    if old.strict != new.strict:
        yield f"only {'NEW' if new.strict else 'OLD'} counts a skipped backend as a failure"
    yield from _machines(old, new)
    yield from _versions(old, new)
    if old.command != new.command:
        yield f"command: {old.command or '(none)'} → {new.command or '(none)'}"


def _order(old: Snapshot, new: Snapshot) -> Iterator[str]:
    try:
        swapped = datetime.fromisoformat(new.created) < datetime.fromisoformat(old.created)
    except (ValueError, TypeError):  # no time, or one without a zone
        return
    if swapped:
        yield f"OLD ({old.created}) was made after NEW ({new.created}): are they swapped?"


def _models(old: Snapshot, new: Snapshot) -> Iterator[str]:
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


def _limits(old: Snapshot, new: Snapshot) -> Iterator[str]:
    loosened = [
        name
        for name, row in new.rows.items()
        if name in old.rows
        and any(
            two.limit > one.limit
            for one, two in zip(old.rows[name].outputs, row.outputs, strict=False)
        )
    ]
    if loosened:
        yield f"NEW has looser limits: {', '.join(loosened)}; crossing OLD's limit still counts"


def _feeds(old: Snapshot, new: Snapshot) -> Iterator[str]:
    if old.feeds == new.feeds:
        return
    told = [
        f"only {title} has {', '.join(only[:5])}{' and others' if len(only) > 5 else ''}"
        for title, one, two in (("OLD", old.feeds, new.feeds), ("NEW", new.feeds, old.feeds))
        if (only := [feed for feed in one if feed not in two])
    ]
    counts = f"{len(old.feeds)} → {len(new.feeds)}"
    yield f"other feeds, {counts}: {'; '.join(told) or 'in another order'}"


def _machines(old: Snapshot, new: Snapshot) -> Iterator[str]:
    if not old.cpu or old.cpu != new.cpu:
        yield (
            f"another machine: {old.cpu or 'unknown'} → {new.cpu or 'unknown'}; latencies are "
            f"compared as multiples of {SPEED_REFERENCE}'s in the same report, and count from "
            f"×{OTHER_MACHINE:g} on"
        )
    if old.threads != new.threads:
        yield f"threads: {old.threads} → {new.threads}; latencies and costs are not compared"
    key = str(new.threads)
    one, two = old.peak_gflops.get(key), new.peak_gflops.get(key)
    if one and two and max(one, two) > _PEAK_MOVED * min(one, two):
        yield f"the machine's own peak: {one:.0f} → {two:.0f} GFLOP/s on {key} threads"


def _versions(old: Snapshot, new: Snapshot) -> Iterator[str]:
    pairs = {"python": (old.python, new.python), "platform": (old.platform, new.platform)}
    names = dict.fromkeys((*old.packages, *new.packages))
    pairs |= {name: (_version(old.packages, name), _version(new.packages, name)) for name in names}
    told = [
        f"{name} {one or 'none'} → {two or 'none'}"
        for name, (one, two) in pairs.items()
        if one != two
    ]
    if told:
        yield f"versions: {', '.join(told)}"


def _version(packages: Mapping[str, str], name: str) -> str:
    return packages.get(name, "")
