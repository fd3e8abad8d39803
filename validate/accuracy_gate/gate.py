"""Whether a faster version of a model still answers as well: answers, not rounding, are judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddleport.runners.tasks.base import NOISE, Agreement, Outputs, Task
from paddleport.tensors import format_shape
from paddleport.validate.accuracy_gate.example_set import example_set
from paddleport.validate.accuracy_gate.feed_examples import matched_inputs
from paddleport.validate.accuracy_gate.gate_set import GateSet
from paddleport.validate.accuracy_gate.picture_examples import gate_set
from paddleport.validate.compare.comparison import output_pairs

__all__ = [
    "DEFAULT_LIMITS",
    "MIN_EXAMPLES",
    "GateLimits",
    "GateResult",
    "GateSet",
    "example_set",
    "gate_set",
    "judge_gate",
    "matched_inputs",
]

MIN_EXAMPLES = 100  # one is then 1 %: fewer cannot show a share of 99 %
_TELLING = 10  # times what is let pass: how far off one constant answer must be
_MORE = {
    "pictures": "give --images or --labelled with at least",
    "feeds": "give --feed tensors of at least",
}


@dataclass(frozen=True, kw_only=True)
class GateLimits:
    """What is let pass; all of it fixed before any model was measured.

    Attributes:
        top1_drop: with labels, how much of the accuracy may be lost, as a share of all pictures.
        agreement: without, the smallest share of pictures whose answer is the reference's.
        log_probability: without, by how much the logarithm of a likely class's probability may
            move in all but 1 - ``agreement`` of the pictures: ln 2, a probability that is neither
            doubled nor halved.
        noise: for what is no classifier, the root mean square of the error in units of the
            output's, example by example: 0.1 is a signal-to-noise ratio of 20 dB.
    """

    top1_drop: float = 0.01
    agreement: float = 0.99
    log_probability: float = 0.693
    noise: float = NOISE


DEFAULT_LIMITS = GateLimits()


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What came of it.

    Attributes:
        passed: whether the candidate may stand for the reference.
        reason: one sentence on why not, which says by how much; empty if it passed.
        pictures: how many examples were judged.
        top1, reference_top1: the candidate's and the reference's accuracy; ``None`` without labels.
        agreement: share of the examples with the reference's answer, as the task has it.
        log_probability_error: largest change of a likely class's log-probability in all examples
            but the share that may disagree; ``None`` for outputs that are no probabilities.
    """

    passed: bool
    reason: str
    pictures: int
    top1: float | None = None
    reference_top1: float | None = None
    agreement: float = 0.0
    log_probability_error: float | None = None


def judge_gate(
    task: Task[Any],
    reference: Sequence[Outputs],
    candidate: Sequence[Outputs],
    labels: Sequence[int] | None = None,
    limits: GateLimits = DEFAULT_LIMITS,
    *,
    examples: str = "pictures",
) -> GateResult:
    """Judge a candidate's answers to many examples.

    With labels the accuracy decides, without them the agreement with the reference. A gate that
    a constant answer would nearly pass proves nothing, and is not passed: ``unproven``.

    Args:
        task: what the answers mean.
        reference: the outputs for each example, which is alone in its batch.
        candidate: the same of what is judged; outputs are matched by name where all names are
            the same, else by position.
        labels: the true answer of each example; of no use to a task that takes none.
        limits: what is let pass.
        examples: what was fed, ``pictures`` or ``feeds``, for the messages.
    """
    if len(reference[0]) != len(candidate[0]):
        reason = f"{len(candidate[0])} outputs, the reference has {len(reference[0])}"
        return GateResult(passed=False, reason=reason, pictures=len(reference))
    pairs = output_pairs(reference[0], candidate[0])
    candidate = [{ours: outputs[theirs] for ours, theirs in pairs} for outputs in candidate]
    reason = _incomparable(reference, candidate, labels, examples)
    labels = labels if task.takes_labels else None
    if not reason and labels is not None:
        reason = task.refused_labels(reference[0], labels)
    if reason:
        return GateResult(passed=False, reason=reason, pictures=len(reference))
    found = task.compare(reference, candidate, labels, noise=limits.noise)
    agreement, error = float(np.mean(found.same)), _error(found, limits)
    before, after = _accuracy(found)
    if before is not None and after is not None:
        reason = _drop(found, before, after, limits)
    else:
        reason = _disagreement(task, found, agreement, error, limits, examples)
    return GateResult(
        passed=not reason,
        reason=reason,
        pictures=len(reference),
        top1=after,
        reference_top1=before,
        agreement=agreement,
        log_probability_error=error,
    )


def _incomparable(
    reference: Sequence[Outputs],
    candidate: Sequence[Outputs],
    labels: Sequence[int] | None,
    examples: str,
) -> str:
    if len(reference) != len(candidate):
        return f"{len(candidate)} answers, the reference gave {len(reference)}"
    for one, other in zip(reference, candidate, strict=True):
        for name, wanted in one.items():
            found = other[name]
            if wanted.shape != found.shape:
                shapes = (
                    f"[{format_shape(found.shape)}], the reference's [{format_shape(wanted.shape)}]"
                )
                return f"an output has the shape {shapes}"
            if not all(item.dtype.kind in "biuf" for item in (wanted, found)):
                continue
            if not np.isfinite(wanted).all():
                return "unproven: the reference's answers are not all finite numbers"
            if not np.isfinite(found).all():
                return "its answers are not all finite numbers"
    if len(reference) < MIN_EXAMPLES:
        return (
            f"unproven: {len(reference)} {examples} cannot show 99 %: {_MORE[examples]} "
            f"{MIN_EXAMPLES}"
        )
    if labels is not None and len(labels) != len(reference):
        return f"{len(labels)} labels for {len(reference)} {examples}"
    return ""


def _error(found: Agreement, limits: GateLimits) -> float | None:
    """The change of likely classes' log-probabilities that only 1 % of the examples exceed."""
    if found.drift is None:
        return None
    worst = np.sort(found.drift)[::-1]
    return float(worst[int((1 - limits.agreement) * len(worst) + 1e-6)])


def _accuracy(found: Agreement) -> tuple[float | None, float | None]:
    """The reference's and the candidate's, where there are labels."""
    if found.right is None or found.reference_right is None:
        return None, None
    return float(np.mean(found.reference_right)), float(np.mean(found.right))


def _disagreement(
    task: Task[Any],
    found: Agreement,
    agreement: float,
    error: float | None,
    limits: GateLimits,
    examples: str,
) -> str:
    """Why the answers are not the reference's, or could not have been found to be others."""
    if found.constant is not None and found.constant > 1 - _TELLING * (1 - limits.agreement):
        return f"unproven: {task.sameness(found.constant, examples)}"
    if agreement < limits.agreement:
        return task.disagreement(agreement, limits.agreement, limits.noise, examples)
    if error is not None and error > limits.log_probability:
        return (
            f"log-probabilities move by {error:.2f}, {limits.log_probability:.2f} is let pass "
            f"(a factor of {np.exp(error):.1f} in a likely class's probability)"
        )
    return ""


def _drop(found: Agreement, before: float, after: float, limits: GateLimits) -> str:
    """Why the accuracy is too low, or could not have been found to be."""
    constant = found.guessed or 0.0
    if before < constant + _TELLING * limits.top1_drop:
        return (
            f"unproven: the reference itself is right on {before:.1%}, and one constant answer "
            f"on {constant:.1%}: are these the labels of this model?"
        )
    # in whole examples: 0.90 - 0.89 is more than 0.01 in binary
    if round((before - after) * len(found.same)) > limits.top1_drop * len(found.same) + 1e-6:
        return (
            f"top-1 drops by {100 * (before - after):.1f} points, from {before:.1%} to "
            f"{after:.1%}; {100 * limits.top1_drop:.1f} is let pass"
        )
    return ""
