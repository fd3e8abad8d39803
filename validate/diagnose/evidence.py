"""Gather what is needed to name the cause of a difference."""

from collections.abc import Collection
from dataclasses import replace

from paddleport.errors import PortError
from paddleport.validate.compare.comparison import aligned
from paddleport.validate.compare.low_precision import fits_lower_precision
from paddleport.validate.compare.metrics import Ranking
from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF
from paddleport.validate.diagnose.amplified_rounding import is_ill_conditioned, is_settled
from paddleport.validate.diagnose.conversions import ConversionEvidence
from paddleport.validate.diagnose.difference_evidence import Evidence
from paddleport.validate.diagnose.imitation import find_imitated_input
from paddleport.validate.diagnose.output_patterns import (
    BatchDependence,
    describe_pattern,
    find_batch_dependence,
)
from paddleport.validate.diagnose.validation_outputs import (
    CandidateOutputs,
    ComparedOutput,
    ReferenceOutputs,
)

_ROUNDED_FEEDS = 3  # that rounding is imitated on: the worst ones
_UNRECOGNISABLE = 10.0  # times the limit; real rounding is within ten times of the imitated


def gather_evidence(
    reference: ReferenceOutputs,
    answers: CandidateOutputs,
    position: int,
    limit: float,
    ranking: Ranking | None,
    conversion: ConversionEvidence | None = None,
    only: Collection[int] | None = None,
) -> Evidence:
    """All evidence on one output that differs.

    Args:
        reference: what the reference answered.
        answers: what the candidate answered.
        position: of the output among the reference's.
        limit: of the tolerance; 0 for whole numbers.
        ranking: of the classes, if there are any.
        conversion: finds the step of the conversion that is to blame.
        only: indices of the feeds that count; all by default.
    """
    output = ComparedOutput(reference, answers, position, limit, only)
    scale = output.scale
    worst = output.failing[0]
    evidence = Evidence(
        backend=answers.backend,
        format=answers.format,
        computes_in=answers.computes_in,
        limit=limit,
        error=output.worst(output.candidate, output.reference),
        no_float64=reference.float64.unavailable,
        feeds=tuple(reference.feeds[index].name for index in sorted(output.failing)),
        repeat=max(map(scale.error, output.again, output.candidate), default=0.0),
        reference_repeat=scale.error(reference.again[output.name], output.reference[0]),
        overwritten=answers.overwritten,
        batch_dependence=_batch_dependence(reference, output),
        pattern=describe_pattern(output.candidate[worst], output.reference[worst], scale, limit),
        fits_precision=fits_lower_precision(output.candidate, output.reference),
        normalised_inside=answers.format == "onnx" and reference.feeds[0].pixels is not None,
    )
    evidence = with_ranking(evidence, ranking)
    if output.float64 is None:
        return _with_imitated_input(evidence, reference, output)
    evidence = replace(
        with_distances(evidence, reference, output),
        own_rounding=_rounding(reference, output, answers.computes_in),
        float64_batch_dependence=_float64_batch_dependence(reference, output, evidence),
    )
    evidence = _with_imitated_input(evidence, reference, output)
    if conversion is None or is_ill_conditioned(evidence):  # then no step is to blame
        return evidence
    return conversion.added_to(evidence, reference, output)


def with_ranking(
    evidence: Evidence, ranking: Ranking | None, only: Collection[str] | None = None
) -> Evidence:
    """What became of top-1, on all feeds or those of some names."""
    if ranking is not None and only is not None:
        changes = tuple(change for change in ranking.changes if change.feed in only)
        ranking = replace(ranking, changes=changes)
    count = 0 if ranking is None else len(ranking.changes)
    return replace(evidence, ranking=_ranking(ranking), top1_changes=count)


def with_distances(
    evidence: Evidence,
    reference: ReferenceOutputs,
    output: ComparedOutput,
    rounding: float | None = None,
) -> Evidence:
    """The distances from float64, and what rounding explains, on the feeds of ``output``.

    Args:
        evidence: what is known so far.
        reference: what the reference answered.
        output: compared on the feeds that count; there is a float64 reference.
        rounding: imitated, where it is known; else that is done here.
    """
    exact = [] if output.float64 is None else output.float64
    return replace(
        evidence,
        feeds=tuple(reference.feeds[index].name for index in sorted(output.failing)),
        error=output.worst(output.candidate, output.reference),
        from_float64=output.worst(output.candidate, exact),
        reference_from_float64=output.worst(output.reference, exact),
        rounding=_rounding(reference, output, "fp32") if rounding is None else rounding,
        observed_rounding=_observed_rounding(reference, output),
    )


def _with_imitated_input(
    evidence: Evidence, reference: ReferenceOutputs, output: ComparedOutput
) -> Evidence:
    """The other input that explains the answer, unless rounding hides whether any does.

    An input explains it where the reference's answer to that is within the limit of the
    candidate's. Two computations are not that near to each other where rounding moves the answer
    by much more; the search is dozens of runs.
    """
    if evidence.rounding is not None and evidence.rounding > _UNRECOGNISABLE * output.limit:
        return evidence
    if evidence.error <= evidence.limit:  # it is the answer to this input, though not in fp32
        return evidence
    imitates, advice = find_imitated_input(reference, output)
    return replace(evidence, imitates=imitates, advice=advice)


def _rounding(reference: ReferenceOutputs, output: ComparedOutput, precision: str) -> float | None:
    """How far imitated rounding moves the float64 answer on the worst feeds.

    The largest of several samples, or of as many as settle what rounding explains: another one
    can only make it more.
    """
    exact, name = output.float64, reference.name_in_float64(output.name)
    if exact is None or name is None:
        return None
    ours = output.worst(output.candidate, exact)
    if precision == "fp64" and ours == 0:
        return 0.0  # it is that answer itself
    to_explain = max(ours, output.worst(output.reference, exact))
    indices, largest = output.failing[:_ROUNDED_FEEDS], 0.0
    try:
        for index, outputs in reference.float64.rounded(UNIT_ROUNDOFF[precision], indices):
            largest = max(largest, output.scale.error_below_floor(outputs[name], exact[index]))
            if is_settled(largest, to_explain):
                break
    except PortError:
        return None
    return largest


def _observed_rounding(reference: ReferenceOutputs, output: ComparedOutput) -> float | None:
    """How far the reference's program with other kernels is from itself, where it differs."""
    other = reference.other_kernels()
    if other is None:
        return None
    found = aligned(reference.outputs, other, output.name)
    return output.worst(found, output.reference)


def _batch_dependence(
    reference: ReferenceOutputs, output: ComparedOutput
) -> BatchDependence | None:
    """Where the candidate contradicts itself in a batch, though it is right somewhere."""
    place = find_batch_dependence(output.candidate, reference.feeds, output.scale, output.limit)
    if (
        place is None
        or find_batch_dependence(output.reference, reference.feeds, output.scale, output.limit)
        is not None
    ):
        return None
    index = next(i for i, feed in enumerate(reference.feeds) if feed.name == place.feed)
    feed = reference.feeds[index]
    if feed.parts:
        right_alone = output.errors[feed.parts[place.row]] <= output.limit
    else:
        error = output.scale.error(output.candidate[index][:1], output.reference[index][:1])
        right_alone = error <= output.limit
    return place if right_alone else None


def _float64_batch_dependence(
    reference: ReferenceOutputs, output: ComparedOutput, evidence: Evidence
) -> BatchDependence | None:
    """The same of float64; its batches are needed only where the candidate contradicts itself."""
    if output.float64 is None or evidence.batch_dependence is None:
        return None
    try:
        return find_batch_dependence(output.float64, reference.feeds, output.scale, output.limit)
    except PortError:  # a batch that was left out, and fails
        return None


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
