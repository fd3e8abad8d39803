"""When two outputs are the same: one comparison per output, one verdict, and its proof."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from paddleport.tensors import Array
from paddleport.validate.compare.decision import decide, errors_of, is_accepted
from paddleport.validate.compare.error_scale import Measure, choose_error_scale
from paddleport.validate.compare.exact_tensors import ExactTensors, distance, exact_in_order
from paddleport.validate.compare.low_precision import fits_lower_precision
from paddleport.validate.compare.metrics import Metrics, Ranking, compare_rankings, measure_error
from paddleport.validate.compare.row_order import OutputTensors
from paddleport.validate.compare.sensitivity import Sensitivity, prove_sensitivity
from paddleport.validate.compare.tied_rows import put_in_order
from paddleport.validate.compare.tolerance import Tolerance

Verdict = Literal["agrees", "differs", "unproven"]
Outputs = Sequence[Mapping[str, Array]]  # one mapping per feed, output name to tensor


@dataclass(frozen=True)
class FeedName:
    """What a comparison says of a feed.

    Attributes:
        name: to tell it by.
        kind: where it came from.
        batch: how many examples it holds; 0 where that is not known.
    """

    name: str
    kind: str
    batch: int = 0


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
        note: what was allowed for, where it agrees only so; else empty.
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
    note: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether it is of whole numbers that are equal everywhere, whatever that proves."""
        blind = self.sensitivity is not None and not self.sensitivity.holds
        return self.measure == "equality" and self.verdict != "differs" and not blind


def compare_outputs(
    reference: Outputs,
    candidate: Outputs,
    tolerance: Tolerance,
    *,
    feeds: Sequence[FeedName] | None = None,
    float64: Mapping[int, Mapping[str, Array]] | None = None,
    classes: int = 0,
) -> list[OutputComparison]:
    """Compare a candidate's outputs with the reference's, one per output.

    Rows that stand in another order only because the scores that they are ordered by are equal
    are put in the reference's order first; the comparison says so.

    Args:
        reference: one mapping per feed, output name to tensor.
        candidate: the same feeds' outputs of the candidate. Outputs are matched by name where
            all names are the same, else by position, since Paddle's names do not survive
            conversion.
        tolerance: the rule for floating-point outputs.
        feeds: name and kind of each feed; the scale is that of all but the extremes.
        float64: the outputs of the ONNX graph in float64 by the feed's number: the first's, and
            those of others.
        classes: how many classes the model has names for; 0 where it has none.

    Returns:
        One comparison per output of the reference, in its order, and one for a differing count.
    """
    feeds = feeds or [FeedName(f"feed {index}", "given") for index in range(len(reference))]
    if len(reference[0]) != len(candidate[0]):
        reason = f"{len(candidate[0])} outputs, the reference has {len(reference[0])}"
        return [_incomparable("(all)", reason, tolerance, "values")]
    if float64 is not None and len(float64[0]) != len(reference[0]):
        float64 = None
    tensors = [
        OutputTensors(
            theirs,
            [outputs[ours] for outputs in reference],
            [outputs[theirs] for outputs in candidate],
        )
        for ours, theirs in output_pairs(reference[0], candidate[0])
    ]
    exact = _exact_tensors(reference[0], float64 or {})
    found = [
        _compare_output(item, other, tolerance, feeds, classes)
        for item, other in zip(tensors, exact, strict=True)
    ]
    if overall(found) != "differs":
        return found
    batches, limit, typical = [feed.batch for feed in feeds], tolerance.limit, typical_feeds(feeds)
    ordered = put_in_order(tensors, batches, limit, typical)
    if ordered:
        exact = exact_in_order(exact, tensors, batches, limit, typical)
    for place, (item, note) in ordered.items():
        again = _compare_output(item, exact[place], tolerance, feeds, classes)
        if again.verdict != "differs":
            found[place] = replace(again, note=note)
    return found


def _exact_tensors(
    reference: Mapping[str, Array], float64: Mapping[int, Mapping[str, Array]]
) -> list[ExactTensors]:
    """Of each of the reference's outputs."""
    if not float64:
        return [{} for _ in reference]
    names = [theirs for _, theirs in output_pairs(reference, float64[0])]
    return [{index: outputs[name] for index, outputs in float64.items()} for name in names]


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
    """The verdict over several outputs: the worst of them.

    Whole numbers that are the same for every feed, such as a number of boxes, prove nothing by
    themselves, and take nothing from what others prove. Other numbers that are, do: an output
    that is always zero may be one that died.
    """
    verdicts = {comparison.verdict for comparison in comparisons}
    if "differs" in verdicts:
        return "differs"
    if "agrees" in verdicts and all(
        comparison.verdict == "agrees" or comparison.is_equal for comparison in comparisons
    ):
        return "agrees"
    return "unproven"


def remarks(comparisons: Sequence[OutputComparison]) -> tuple[str, ...]:
    """What is to be said of outputs that agree as a whole: what was allowed, what proves nothing.

    A sentence per output, with its name.
    """
    texts = ((item.output, item.note or item.reason) for item in comparisons)
    return tuple(f"{name}: {text}" for name, text in texts if text)


def _compare_output(
    item: OutputTensors,
    float64: ExactTensors,
    tolerance: Tolerance,
    feeds: Sequence[FeedName],
    classes: int,
) -> OutputComparison:
    reference, candidate = item.reference, item.candidate
    typical = typical_feeds(feeds)
    error_scale = choose_error_scale(reference, candidate, typical)
    whole = error_scale.measure == "equality"
    errors = errors_of(reference, candidate, error_scale)
    verdict, reason = decide(reference, candidate, errors, error_scale, tolerance.limit, feeds)
    worst = sum(errors) if whole else max(errors)
    proof = prove_sensitivity(
        reference,
        error_scale,
        tolerance.limit,
        lambda disturbed: is_accepted(reference, disturbed, tolerance.limit, feeds, typical),
    )
    if verdict == "agrees" and proof is None:
        verdict = "unproven"
        reason = (
            "no class but the likeliest is in reach of native Paddle's softmax: nothing is proven"
        )
    elif verdict == "agrees" and proof is not None and not proof.holds:
        verdict, reason = "unproven", "a disturbed reference was not told apart: nothing is proven"
    if verdict != "differs" and tolerance.precision == "fp32":
        lower = fits_lower_precision(candidate, reference)
        if lower:
            verdict = "differs"
            reason = f"every value fits into {lower}, the reference's do not: it is not fp32's"
    return OutputComparison(
        output=item.name,
        verdict=verdict,
        reason=reason,
        worst_error=worst if math.isfinite(worst) else None,
        limit=0.0 if whole else tolerance.limit,
        limit_source="whole numbers are equal or not" if whole else tolerance.source,
        measure=error_scale.measure,
        worst_feeds=_worst_feeds(errors, feeds),
        against_reference=measure_error(candidate, reference, error_scale),
        against_float64=distance(candidate, float64, error_scale),
        reference_against_float64=distance(reference, float64, error_scale),
        ranking=compare_rankings(
            reference,
            candidate,
            [feed.name for feed in feeds],
            batches=[feed.batch for feed in feeds],
            classes=classes,
        ),
        sensitivity=proof,
    )


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
