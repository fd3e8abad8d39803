"""Gather what is needed to name the cause of a difference."""

from dataclasses import replace

from paddleport.errors import PortError
from paddleport.validate.compare.comparison import aligned
from paddleport.validate.compare.metrics import Ranking
from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF
from paddleport.validate.diagnose.case import Answers, Case, OutputView
from paddleport.validate.diagnose.causes import Evidence
from paddleport.validate.diagnose.imitation import imitated
from paddleport.validate.diagnose.probes import Misplaced, looks_like, misplaced, pattern

_ROUNDED_FEEDS = 3  # that rounding is imitated on: the worst ones


def gather(
    case: Case, answers: Answers, position: int, limit: float, ranking: Ranking | None
) -> Evidence:
    """All evidence on one output that differs.

    Args:
        case: the reference's side.
        answers: the candidate's.
        position: of the output among the reference's.
        limit: of the tolerance; 0 for whole numbers.
        ranking: of the classes, if there are any.
    """
    view = OutputView(case, answers, position, limit)
    found = view.found
    imitates, advice = imitated(case, view)
    worst = view.failing[0]
    evidence = Evidence(
        answers.backend,
        answers.format,
        answers.computes_in,
        limit,
        view.worst(view.given, view.wanted),
        no_arbiter=case.arbiter.unavailable,
        feeds=tuple(case.feeds[index].name for index in sorted(view.failing)),
        repeat=max(map(found.error, view.again, view.given), default=0.0),
        reference_repeat=found.error(case.again[view.name], view.wanted[0]),
        overwritten=answers.overwritten,
        misplaced=_misplaced(case, view),
        imitates=imitates,
        advice=advice,
        pattern=pattern(view.given[worst], view.wanted[worst], found, limit),
        looks_like=looks_like(view.given, view.wanted),
        ranking=_ranking(ranking),
        normalised_inside=answers.format == "onnx" and case.feeds[0].pixels is not None,
    )
    if view.exact is None:
        return evidence
    return replace(
        evidence,
        from_float64=view.worst(view.given, view.exact),
        reference_from_float64=view.worst(view.wanted, view.exact),
        rounding=_rounding(case, view, "fp32"),
        rounding_here=_rounding(case, view, answers.computes_in),
        rounding_seen=_rounding_seen(case, view),
        float64_misplaced=misplaced(view.exact, case.feeds, found, limit),
    )


def _rounding(case: Case, view: OutputView, precision: str) -> float | None:
    """How far imitated rounding moves the arbiter's answer on the worst feeds."""
    exact, arbiter = view.exact, case.arbiter.exact
    if exact is None or arbiter is None:
        return None
    place = [tensor is exact[0] for tensor in arbiter[0].values()].index(True)
    indices = view.failing[:_ROUNDED_FEEDS]
    try:
        samples = case.arbiter.rounded(UNIT_ROUNDOFF[precision], indices)
    except PortError:
        return None
    return max(
        view.found.error(list(outputs.values())[place], exact[index])
        for sample in samples
        for index, outputs in zip(indices, sample, strict=True)
    )


def _rounding_seen(case: Case, view: OutputView) -> float | None:
    """How far the reference's program with other kernels is from itself, where it differs."""
    other = case.other_kernels()
    if other is None:
        return None
    found = aligned(case.outputs, other, view.name)
    return view.worst(found, view.wanted)


def _misplaced(case: Case, view: OutputView) -> Misplaced | None:
    """Where the candidate contradicts itself in a batch, though it is right somewhere."""
    place = misplaced(view.given, case.feeds, view.found, view.limit)
    if place is None or misplaced(view.wanted, case.feeds, view.found, view.limit) is not None:
        return None
    index = next(i for i, feed in enumerate(case.feeds) if feed.name == place.feed)
    feed = case.feeds[index]
    if feed.parts:
        right_alone = view.errors[feed.parts[place.row]] <= view.limit
    else:
        error = view.found.error(view.given[index][:1], view.wanted[index][:1])
        right_alone = error <= view.limit
    return place if right_alone else None


def _ranking(found: Ranking | None) -> str:
    if found is None:
        return ""
    if not found.changes:
        return f"Top-1 is the same in all {found.total} rows."
    margin = max(change.margin for change in found.changes)
    return (
        f"Top-1 changed in {len(found.changes)} of {found.total} rows, "
        f"where the reference's margin was up to {margin:.1e}."
    )
