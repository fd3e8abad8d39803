"""What a difference comes to: who made it, or that the model itself amplifies rounding."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paddleport.validate.compare.comparison import (
    OutputComparison,
    Verdict,
    compare_outputs,
    overall,
    remarks,
)
from paddleport.validate.compare.tolerance import Tolerance
from paddleport.validate.diagnose.amplified_kinds import merged, prove_explained
from paddleport.validate.diagnose.amplified_rounding import (
    AS_EXACT,
    describe_amplification,
    describe_ill_conditioned,
    is_ill_conditioned,
    is_safe,
)
from paddleport.validate.diagnose.causes import Cause, faulty_step, name_cause
from paddleport.validate.diagnose.conversions import ConversionEvidence
from paddleport.validate.diagnose.difference_evidence import Evidence
from paddleport.validate.diagnose.evidence import gather_evidence, with_distances, with_ranking
from paddleport.validate.diagnose.some_feeds import of_feeds, without_kind
from paddleport.validate.diagnose.validation_outputs import (
    CandidateOutputs,
    ComparedOutput,
    ReferenceOutputs,
)
from paddleport.validate.feeds.named_feed import FeedKind

_EXTREME: FeedKind = "extreme"
_BATCH: FeedKind = "batch"
_NOISE: FeedKind = "noise"
_PICTURES = frozenset({"picture", "drawn"})
_OF_THE_OTHERS = (
    "That is on noise, where rounding alone makes another answer; the verdict is that of the "
    "other feeds."
)
_NOT_TOLD_APART = "a disturbed float64 answer was not told apart: nothing is proven"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What a difference comes to.

    Attributes:
        verdict: ``differs``; where the model itself amplifies rounding ``agrees``, or
            ``unproven`` where rounding alone makes another answer.
        cause, step, explanation: as ``BackendRow`` has them.
        comparisons: one per output, with the verdict that it has by now.
        reason: the bare finding.
        notes: what else there is to say.
    """

    verdict: Verdict
    cause: Cause = ""
    explanation: str = ""
    comparisons: tuple[OutputComparison, ...]
    reason: str
    step: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _AmplifiedOutput:
    """An output whose difference the model's own amplification explains.

    Attributes:
        typical: on the feeds that are no extremes; ``None`` where they agree.
        extreme: on the extremes, likewise.
        noise: on noise, where that makes another answer and there are pictures; else ``None``.
    """

    typical: Evidence | None
    extreme: Evidence | None
    noise: Evidence | None = None


class DifferenceExplainer:
    """One candidate's outputs, some of which are above the limit."""

    def __init__(
        self,
        reference: ReferenceOutputs,
        answers: CandidateOutputs,
        comparisons: Sequence[OutputComparison],
        tolerance: Tolerance,
        classes: int = 0,
        conversion: ConversionEvidence | None = None,
    ) -> None:
        """Nothing is looked for yet.

        Args:
            reference: what the reference answered.
            answers: what the candidate answered.
            comparisons: of the two, by ``tolerance``.
            tolerance: the rule for floating-point outputs.
            classes: how many the model has names for.
            conversion: finds the step of the conversion that is to blame.
        """
        self._reference, self._answers = reference, answers
        self._comparisons, self._tolerance = tuple(comparisons), tolerance
        self._classes, self._conversion = classes, conversion

    def explain(self) -> Difference:
        """Who made the outputs differ.

        Nobody is to blame only where the model's own amplification explains every output that
        differs, on each kind of feed by itself: what rounds much must not hide what does not.
        """
        if len(self._answers.outputs[0]) != len(self._reference.outputs[0]):
            return self._other_count()
        found: dict[int, _AmplifiedOutput] = {}
        for position in self._worst_first():
            evidence = self._evidence(position)
            if name_cause(evidence)[0] != "ill-conditioned":
                return self._fault(evidence)
            amplified = self._by_kind(evidence, position)
            if isinstance(amplified, Difference):
                return amplified
            found[position] = amplified
        on_noise = [item.noise for item in found.values() if item.noise is not None]
        return self._without_noise(on_noise[0]) if on_noise else self._amplified(found)

    def _other_count(self) -> Difference:
        """Who has another number of outputs than the reference."""
        answers, exact = self._answers.outputs, self._reference.float64.outputs
        in_file = exact is not None and len(exact[0]) == len(answers[0])
        whose = "the ONNX file" if in_file else self._answers.backend
        return Difference(
            verdict="differs",
            cause="converter" if in_file else "runtime",
            explanation=f"{whose} gives another number of outputs.",
            comparisons=self._comparisons,
            reason="; ".join(remarks(self._comparisons)),
        )

    def _worst_first(self) -> list[int]:
        """The outputs that differ, by share of their limit; the worst one where none does."""

        def share(position: int) -> float:
            item = self._comparisons[position]
            return math.inf if item.worst_error is None else item.worst_error / (item.limit or 1.0)

        ordered = sorted(range(len(self._comparisons)), key=share, reverse=True)
        differing = [at for at in ordered if self._comparisons[at].verdict == "differs"]
        return differing or ordered[:1]

    def _evidence(self, position: int, only: Sequence[int] | None = None) -> Evidence:
        item = self._comparisons[position]
        return gather_evidence(
            self._reference,
            self._answers,
            position,
            item.limit,
            item.ranking,
            self._conversion,
            only,
        )

    def _fault(self, evidence: Evidence) -> Difference:
        cause, explanation = name_cause(evidence)
        return Difference(
            verdict="differs",
            cause=cause,
            explanation=explanation,
            comparisons=self._comparisons,
            reason="; ".join(remarks(self._comparisons)),
            step=faulty_step(evidence) if cause == "converter" else "",
        )

    def _by_kind(self, evidence: Evidence, position: int) -> _AmplifiedOutput | Difference:
        """An ill-conditioned output on each kind of feed, or the fault that one of them shows."""
        kinds = self._failing_kinds(position)
        parts: dict[FeedKind, Evidence] = {}
        for kind, indices in kinds.items():
            part = evidence
            if len(kinds) > 1:
                # A batch is made of feeds that stand alone, so that its rounding is known.
                known = [item.rounding or 0.0 for item in parts.values()] if kind == _BATCH else []
                output, rounding = self._compared(position, indices), max(known, default=None)
                part = with_distances(evidence, self._reference, output, rounding)
                part = with_ranking(part, self._comparisons[position].ranking, part.feeds)
            if not is_ill_conditioned(part):
                part = self._evidence(position, indices)
                if name_cause(part)[0] != "ill-conditioned":
                    return self._fault(part)
            parts[kind] = part
        extreme, noise = parts.pop(_EXTREME, None), parts.get(_NOISE)
        if noise is not None and (is_safe(noise) or not self._has_pictures):
            noise = None
        return _AmplifiedOutput(merged(list(parts.values())), extreme, noise)

    def _failing_kinds(self, position: int) -> dict[FeedKind, list[int]]:
        """The feeds on which an output differs, by their kind: batches after their parts."""
        kinds: dict[FeedKind, list[int]] = {}
        for index in self._compared(position).failing:
            kinds.setdefault(self._reference.feeds[index].kind, []).append(index)
        order = {_BATCH: 1, _EXTREME: 2}
        return dict(sorted(kinds.items(), key=lambda item: order.get(item[0], 0)))

    def _compared(self, position: int, only: Sequence[int] | None = None) -> ComparedOutput:
        limit = self._comparisons[position].limit
        return ComparedOutput(self._reference, self._answers, position, limit, only)

    @property
    def _has_pictures(self) -> bool:
        return any(feed.kind in _PICTURES for feed in self._reference.feeds)

    def _without_noise(self, noise: Evidence) -> Difference:
        """The verdict of the other feeds, where the model has no clear answer to noise.

        Noise stands in for pictures, and a network that was made for those may be chaotic on it.
        """
        kept = without_kind(self._reference.feeds, _NOISE)
        reference, answers = of_feeds(self._reference, self._answers, kept)
        found = compare_outputs(
            reference.outputs,
            answers.outputs,
            self._tolerance,
            feeds=reference.feed_names,
            classes=self._classes,
        )
        others = Difference(
            verdict=overall(found),
            comparisons=tuple(found),
            reason="; ".join(remarks(found)),
        )
        if others.verdict == "differs":
            others = DifferenceExplainer(
                reference, answers, found, self._tolerance, self._classes, self._conversion
            ).explain()
        said = f"{describe_amplification(noise)} {_OF_THE_OTHERS}"
        comparisons = tuple(
            replace(item, verdict=other.verdict, reason=other.reason, sensitivity=other.sensitivity)
            for item, other in zip(self._comparisons, others.comparisons, strict=True)
        )
        if others.cause:
            return replace(others, comparisons=comparisons, notes=(*others.notes, said))
        return replace(others, cause="ill-conditioned", explanation=said, comparisons=comparisons)

    def _amplified(self, found: dict[int, _AmplifiedOutput]) -> Difference:
        """The verdict where nobody is to blame; where extremes differ, that of the other feeds."""
        extremes = [item.extreme for item in found.values() if item.extreme is not None]
        kept = self._without_extremes() if extremes else self._comparisons
        comparisons = [
            replace(item, verdict=other.verdict, reason=other.reason)
            for item, other in zip(self._comparisons, kept, strict=True)
        ]
        amplified = []
        for position, output in found.items():
            if output.typical is not None:
                evidence = with_ranking(output.typical, kept[position].ranking)
                comparisons[position] = self._decided(comparisons[position], position, evidence)
                amplified.append(evidence)
        unsafe = [item for item in amplified if not is_safe(item)]
        worst = unsafe or amplified
        verdict = "unproven" if unsafe else overall(comparisons)
        if worst and (verdict != "agrees" or all(map(is_safe, extremes))):
            extremes = []  # nothing that is not said of the other feeds
        notes = tuple(f"on extremes alone: {describe_ill_conditioned(one)}" for one in extremes[:1])
        explanation = describe_ill_conditioned(worst[0]) if worst else ""
        if not worst and verdict == "agrees":  # an error above the limit is shown: it has a word
            explanation, notes = notes[0], ()
        return Difference(
            verdict=verdict,
            cause="ill-conditioned" if explanation else "",
            explanation=explanation,
            comparisons=tuple(comparisons),
            reason="; ".join(remarks(comparisons)),
            notes=notes,
        )

    def _without_extremes(self) -> list[OutputComparison]:
        names = self._reference.feed_names
        kept = [index for index, feed in enumerate(names) if feed.kind != _EXTREME]
        return compare_outputs(
            [self._reference.outputs[index] for index in kept],
            [self._answers.outputs[index] for index in kept],
            self._tolerance,
            feeds=[names[index] for index in kept],
            classes=self._classes,
        )

    def _decided(
        self, comparison: OutputComparison, position: int, evidence: Evidence
    ) -> OutputComparison:
        """An ill-conditioned output's comparison with its verdict, and the proof for that."""
        if not is_safe(evidence):
            reason = f"{comparison.reason}; rounding alone makes another answer"
            return replace(comparison, verdict="unproven", reason=reason)
        reason = f"{comparison.reason}, {AS_EXACT}"
        proof = prove_explained(self._compared(position), evidence)
        verdict: Verdict = "agrees"
        if proof is None or not proof.holds:
            verdict, reason = "unproven", f"{reason}; {_NOT_TOLD_APART}"
        return replace(comparison, verdict=verdict, reason=reason, sensitivity=proof)
