"""When two outputs are the same: one comparison per output, one verdict, and its proof."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array
from paddleport.validate.compare.error_scale import (
    ErrorScale,
    Measure,
    choose_error_scale,
    structural_difference,
)
from paddleport.validate.compare.metrics import Metrics, Ranking, compare_rankings, measure_error
from paddleport.validate.compare.sensitivity import Sensitivity, prove_sensitivity
from paddleport.validate.compare.tolerance import Tolerance

Verdict = Literal["agrees", "differs", "unproven"]
Outputs = Sequence[Mapping[str, Array]]  # one mapping per feed, output name to tensor
_LEAST_SPREAD = 10.0  # times the limit: how far the reference must move between its feeds
_SMALLEST_SCALE = 1e-30  # float32 loses precision below 1.2e-38


@dataclass(frozen=True)
class FeedName:
    """What a comparison says of a feed."""

    name: str
    kind: str


@dataclass(frozen=True)
class WorstFeed:
    """The worst feed of one kind.

    Attributes:
        kind: of feed.
        feed: its name.
        error: in the tolerance's unit; ``None`` where values were incomparable.
    """

    kind: str
    feed: str
    error: float | None


@dataclass(frozen=True, kw_only=True)
class OutputComparison:
    """One output of one backend against the reference, over all feeds.

    Attributes:
        output: the output's name in the candidate.
        verdict: ``unproven`` when the reference output does not depend on the feeds enough
            for agreement to mean anything.
        reason: why it is not ``agrees``; empty when it is.
        worst_error: largest error over all elements in the tolerance's unit; ``None`` where
            shapes, types or non-finite values made values incomparable.
        limit: the tolerance's limit.
        limit_source: where the limit comes from.
        measure: ``values``, ``log-probabilities`` or ``equality``.
        worst_feeds: one per kind of feed, the worst first.
        against_reference: the candidate against the reference.
        against_float64: the candidate against float64; ``None`` where there is no such reference.
        reference_against_float64: the reference against float64, likewise.
        ranking: whether the classes keep their order; ``None`` for no classifier.
        sensitivity: the proof that this comparison could have failed.
    """

    output: str
    verdict: Verdict
    reason: str
    worst_error: float | None
    limit: float
    limit_source: str
    measure: Measure
    worst_feeds: tuple[WorstFeed, ...] = ()
    against_reference: Metrics | None = None
    against_float64: Metrics | None = None
    reference_against_float64: Metrics | None = None
    ranking: Ranking | None = None
    sensitivity: Sensitivity | None = None


def compare_outputs(
    reference: Outputs,
    candidate: Outputs,
    tolerance: Tolerance,
    *,
    feeds: Sequence[FeedName] | None = None,
    float64: Outputs | None = None,
) -> list[OutputComparison]:
    """Compare a candidate's outputs with the reference's, one per output.

    Args:
        reference: one mapping per feed, output name to tensor.
        candidate: the same feeds' outputs of the candidate. Outputs are matched by name where
            all names are the same, else by position, since Paddle's names do not survive
            conversion.
        tolerance: the rule for floating-point outputs.
        feeds: name and kind of each feed; the scale is that of all but the extremes.
        float64: the outputs of the ONNX graph in float64.

    Returns:
        One comparison per output of the reference, in its order, and one for a differing count.
    """
    feeds = feeds or [FeedName(f"feed {index}", "given") for index in range(len(reference))]
    if len(reference[0]) != len(candidate[0]):
        reason = f"{len(candidate[0])} outputs, the reference has {len(reference[0])}"
        return [_incomparable("(all)", reason, tolerance, "values")]
    if float64 is not None and len(float64[0]) != len(reference[0]):
        float64 = None
    return [
        _compare_output(
            theirs,
            [outputs[ours] for outputs in reference],
            [outputs[theirs] for outputs in candidate],
            None if float64 is None else aligned(reference, float64, ours),
            tolerance,
            feeds,
        )
        for ours, theirs in output_pairs(reference[0], candidate[0])
    ]


def output_pairs(
    reference: Mapping[str, Array], candidate: Mapping[str, Array]
) -> list[tuple[str, str]]:
    """Names of the outputs that belong together: by name if all are the same, else by position."""
    ours, theirs = list(reference), list(candidate)
    return list(zip(ours, ours if set(ours) == set(theirs) else theirs, strict=True))


def aligned(reference: Outputs, other: Outputs, name: str) -> list[Array]:
    """The tensors of another's outputs for the reference's output ``name``, one per feed."""
    theirs = dict(output_pairs(reference[0], other[0]))[name]
    return [outputs[theirs] for outputs in other]


def typical_feeds(feeds: Sequence[FeedName]) -> list[int]:
    """Indices of the feeds that an output's scale is taken from: all that are no extremes."""
    return [index for index, feed in enumerate(feeds) if feed.kind != "extreme"]


def overall(comparisons: Sequence[OutputComparison]) -> Verdict:
    """The verdict over several outputs: the worst of them."""
    verdicts = {comparison.verdict for comparison in comparisons}
    if "differs" in verdicts:
        return "differs"
    return "agrees" if verdicts == {"agrees"} else "unproven"


def _compare_output(
    name: str,
    reference: list[Array],
    candidate: list[Array],
    float64: list[Array] | None,
    tolerance: Tolerance,
    feeds: Sequence[FeedName],
) -> OutputComparison:
    error_scale = choose_error_scale(reference, candidate, typical_feeds(feeds))
    errors = [
        error_scale.error(one, other) for one, other in zip(candidate, reference, strict=True)
    ]
    verdict, reason = _decide(reference, candidate, errors, error_scale, tolerance, feeds)
    worst = max(errors) if error_scale.measure != "equality" else sum(errors)
    proof = prove_sensitivity(
        reference,
        error_scale,
        tolerance.limit,
        lambda disturbed: _agrees(reference, disturbed, tolerance, feeds),
    )
    if verdict == "agrees" and proof is not None and not proof.holds:
        verdict, reason = "unproven", "a disturbed reference was not told apart: nothing is proven"
    return OutputComparison(
        output=name,
        verdict=verdict,
        reason=reason,
        worst_error=worst if math.isfinite(worst) else None,
        limit=tolerance.limit if error_scale.measure != "equality" else 0.0,
        limit_source=tolerance.source
        if error_scale.measure != "equality"
        else "whole numbers are equal or not",
        measure=error_scale.measure,
        worst_feeds=_worst_feeds(errors, feeds),
        against_reference=measure_error(candidate, reference, error_scale),
        against_float64=measure_error(candidate, float64, error_scale) if float64 else None,
        reference_against_float64=measure_error(reference, float64, error_scale)
        if float64
        else None,
        ranking=compare_rankings(reference, candidate, [feed.name for feed in feeds]),
        sensitivity=proof,
    )


def _decide(
    reference: list[Array],
    candidate: list[Array],
    errors: Sequence[float],
    error_scale: ErrorScale,
    tolerance: Tolerance,
    feeds: Sequence[FeedName],
) -> tuple[Verdict, str]:
    for ours, theirs, feed in zip(reference, candidate, feeds, strict=True):
        reason = structural_difference(ours, theirs)
        if reason:
            return "differs", f"{feed.name}: {reason}"
    if error_scale.measure == "equality":
        unequal, total = int(sum(errors)), sum(tensor.size for tensor in reference)
        if unequal:
            return "differs", f"{unequal} of {total} values are not equal"
        if len({(tensor.shape, tensor.tobytes()) for tensor in reference}) == 1:
            return "unproven", "the output does not change with the input: nothing is proven"
        return "agrees", ""
    if max(errors) > tolerance.limit:
        return "differs", f"error {max(errors):.2g} above the limit"
    if error_scale.scale < _SMALLEST_SCALE:
        return "unproven", "the output is zero or has no scale: nothing is proven"
    if not _varies([error_scale.values(tensor) for tensor in reference], error_scale, tolerance):
        return "unproven", "the output hardly changes with the input: nothing is proven"
    return "agrees", ""


def _agrees(
    reference: list[Array],
    candidate: list[Array],
    tolerance: Tolerance,
    feeds: Sequence[FeedName],
) -> bool:
    """The decision alone, as it is made of a candidate, for disturbed references."""
    error_scale = choose_error_scale(reference, candidate, typical_feeds(feeds))
    errors = [
        error_scale.error(one, other) for one, other in zip(candidate, reference, strict=True)
    ]
    return _decide(reference, candidate, errors, error_scale, tolerance, feeds)[0] != "differs"


def _incomparable(
    name: str, reason: str, tolerance: Tolerance, measure: Measure
) -> OutputComparison:
    return OutputComparison(
        output=name,
        verdict="differs",
        reason=reason,
        worst_error=None,
        limit=tolerance.limit,
        limit_source=tolerance.source,
        measure=measure,
    )


def _worst_feeds(errors: Sequence[float], feeds: Sequence[FeedName]) -> tuple[WorstFeed, ...]:
    worst: dict[str, tuple[float, str]] = {}
    for error, feed in zip(errors, feeds, strict=True):
        if feed.kind not in worst or error > worst[feed.kind][0]:
            worst[feed.kind] = (error, feed.name)
    return tuple(
        WorstFeed(kind, name, error if math.isfinite(error) else None)
        for kind, (error, name) in sorted(worst.items(), key=lambda item: -item[1][0])
    )


def _varies(
    tensors: Sequence[NDArray[np.float64]], error_scale: ErrorScale, tolerance: Tolerance
) -> bool:
    """Whether the reference moves with its input by much more than the limit would let pass."""
    if any(tensor.shape[1:] != tensors[0].shape[1:] for tensor in tensors):
        return True
    rows = [row for tensor in tensors for row in (tensor if tensor.ndim > 1 else tensor[None])]
    if not rows:
        return False
    if len(rows) < 2:
        return error_scale.scale > 0 and float(
            np.nanstd(rows[0])
        ) > _LEAST_SPREAD * tolerance.limit * (error_scale.scale)
    finite = np.isfinite(rows[0])
    if any(not np.array_equal(np.isfinite(row), finite) for row in rows[1:]):
        return True
    spread = max(error_scale.worst(rows[0], row) for row in rows[1:])
    return spread > _LEAST_SPREAD * tolerance.limit
