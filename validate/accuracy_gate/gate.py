"""Whether a faster version of a model still answers as well: accuracy, not rounding, is judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array, format_shape
from paddleport.validate.accuracy_gate.gate_set import GateSet, gate_set
from paddleport.validate.compare.yardstick import SMALLEST_PROBABILITY, is_softmax

__all__ = [
    "DEFAULT_LIMITS",
    "MIN_PICTURES",
    "GateLimits",
    "GateResult",
    "GateSet",
    "gate_set",
    "judge_gate",
]

MIN_PICTURES = 100  # one picture is then 1 %: fewer cannot show a share of 99 %
_LIKELY = 0.01  # classes below that are nobody's answer
_TELLING = 10  # times what is let pass: how far off one constant answer must be


@dataclass(frozen=True)
class GateLimits:
    """What is let pass; all of it fixed before any model was measured.

    Attributes:
        top1_drop: with labels, how much of the accuracy may be lost, as a share of all pictures.
        agreement: without, the smallest share of pictures whose answer is the reference's.
        log_probability: without, by how much the logarithm of a likely class's probability may
            move in all but 1 - ``agreement`` of the pictures: ln 2, a probability that is neither
            doubled nor halved.
        noise: for what is no classifier, the root mean square of the error in units of the
            output's, picture by picture: 0.1 is a signal-to-noise ratio of 20 dB.
    """

    top1_drop: float = 0.01
    agreement: float = 0.99
    log_probability: float = 0.693
    noise: float = 0.1


DEFAULT_LIMITS = GateLimits()


@dataclass(frozen=True)
class GateResult:
    """What came of it.

    Attributes:
        passed: whether the candidate may stand for the reference.
        reason: one sentence on why not, which says by how much; empty if it passed.
        pictures: how many were judged.
        top1, reference_top1: the candidate's and the reference's accuracy; ``None`` without labels.
        agreement: share of pictures with the reference's answer: its likeliest class, or, for
            what is no classifier, the same output but for ``GateLimits.noise``.
        log_probability_error: largest change of a likely class's log-probability in all pictures
            but the share that may disagree; ``None`` for outputs that are no probabilities.
    """

    passed: bool
    reason: str
    pictures: int
    top1: float | None
    reference_top1: float | None
    agreement: float
    log_probability_error: float | None


def judge_gate(
    reference: Sequence[Array],
    candidate: Sequence[Array],
    labels: Sequence[int] | None = None,
    limits: GateLimits = DEFAULT_LIMITS,
) -> GateResult:
    """Judge one output of a candidate on many pictures.

    With labels the accuracy decides, without them the agreement with the reference. A gate that
    a constant answer would nearly pass proves nothing, and is not passed: ``unproven``.

    Args:
        reference: scores of each picture or batch, [N, classes], softmax or logits; or any other
            output, whose first axis counts the pictures.
        candidate: the same of what is judged.
        labels: the true class of each picture.
        limits: what is let pass.
    """
    reason = _incomparable(reference, candidate, labels)
    if reason:
        return GateResult(False, reason, _count(reference), None, None, 0.0, None)
    if not all(item.ndim == 2 and item.shape[1] > 1 for item in reference):
        return _judge_values(reference, candidate, limits)
    wanted, found = (np.concatenate(item).astype(np.float64) for item in (reference, candidate))
    if labels is not None and max(labels) >= wanted.shape[1]:
        reason = f"label {max(labels)}, and the model has {wanted.shape[1]} classes"
        return GateResult(False, reason, len(wanted), None, None, 0.0, None)
    expected, given = wanted.argmax(axis=1), found.argmax(axis=1)
    agreement = float(np.mean(expected == given))
    error = _log_probability_error(wanted, found, limits)
    if labels is None:
        reason = _disagreement(expected, agreement, error, limits)
        return GateResult(not reason, reason, len(wanted), None, None, agreement, error)
    true = np.asarray(labels)
    before, after = float(np.mean(expected == true)), float(np.mean(given == true))
    reason = _drop(true, before, after, limits)
    return GateResult(not reason, reason, len(wanted), after, before, agreement, error)


def _count(tensors: Sequence[Array]) -> int:
    return sum(len(item) for item in tensors if item.ndim)


def _incomparable(
    reference: Sequence[Array], candidate: Sequence[Array], labels: Sequence[int] | None
) -> str:
    pictures = _count(reference)
    if len(reference) != len(candidate):
        return f"{len(candidate)} answers, the reference gave {len(reference)}"
    for wanted, found in zip(reference, candidate, strict=True):
        if wanted.shape != found.shape:
            shapes = (
                f"[{format_shape(found.shape)}], the reference's [{format_shape(wanted.shape)}]"
            )
            return f"an output has the shape {shapes}"
        if not np.isfinite(wanted).all():
            return "unproven: the reference's answers are not all finite numbers"
        if not np.isfinite(found).all():
            return "its answers are not all finite numbers"
    if pictures < MIN_PICTURES:
        return (
            f"unproven: {pictures} pictures cannot show 99 %: give --images or --labelled with "
            f"at least {MIN_PICTURES}"
        )
    if labels is not None and len(labels) != pictures:
        return f"{len(labels)} labels for {pictures} pictures"
    return ""


def _disagreement(
    expected: NDArray[np.int64], agreement: float, error: float | None, limits: GateLimits
) -> str:
    """Why the answers are not the reference's, or could not have been found to be others."""
    commonest = float(np.bincount(expected).max()) / len(expected)
    if commonest > 1 - _TELLING * (1 - limits.agreement):
        return (
            f"unproven: the reference gives one answer to {commonest:.1%} of the pictures, so a "
            "constant would nearly agree: give pictures of several classes with --images"
        )
    if agreement < limits.agreement:
        return f"top-1 agrees on {agreement:.1%} of the pictures, {limits.agreement:.1%} is needed"
    if error is not None and error > limits.log_probability:
        return (
            f"log-probabilities move by {error:.2f}, {limits.log_probability:.2f} is let pass "
            f"(a factor of {np.exp(error):.1f} in a likely class's probability)"
        )
    return ""


def _drop(true: NDArray[np.int64], before: float, after: float, limits: GateLimits) -> str:
    """Why the accuracy is too low, or could not have been found to be."""
    constant = float(np.bincount(true).max()) / len(true)
    if before < constant + _TELLING * limits.top1_drop:
        return (
            f"unproven: the reference itself is right on {before:.1%}, and one constant answer "
            f"on {constant:.1%}: are these the labels of this model?"
        )
    # in whole pictures: 0.90 - 0.89 is more than 0.01 in binary
    if round((before - after) * len(true)) > limits.top1_drop * len(true) + 1e-6:
        return (
            f"top-1 drops by {100 * (before - after):.1f} points, from {before:.1%} to "
            f"{after:.1%}; {100 * limits.top1_drop:.1f} is let pass"
        )
    return ""


def _log_probability_error(
    wanted: NDArray[np.float64], found: NDArray[np.float64], limits: GateLimits
) -> float | None:
    """The change of likely classes' log-probabilities that only 1 % of the pictures exceed."""
    if is_softmax(wanted):
        one, other = (np.log(np.maximum(item, SMALLEST_PROBABILITY)) for item in (wanted, found))
    elif wanted.min() >= 0 and wanted.max() <= 1:
        return None  # a sigmoid's: each class is a question of its own
    else:
        one, other = _log_softmax(wanted), _log_softmax(found)
    likely = one >= np.log(_LIKELY)
    worst = np.sort(np.where(likely, np.abs(one - other), 0).max(axis=1))[::-1]
    return float(worst[int((1 - limits.agreement) * len(worst) + 1e-6)])


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _judge_values(
    reference: Sequence[Array], candidate: Sequence[Array], limits: GateLimits
) -> GateResult:
    """What is no classifier: every picture's output must be the reference's but for some noise."""
    wanted = [row.astype(np.float64) for item in reference for row in item]
    found = [row.astype(np.float64) for item in candidate for row in item]
    agreement = _alike(wanted, found, limits)
    reason = ""
    if len({row.shape for row in wanted}) == 1:
        mean = np.mean(wanted, axis=0)
        constant = _alike(wanted, [mean] * len(wanted), limits)
        if constant > 1 - _TELLING * (1 - limits.agreement):
            reason = (
                f"unproven: the output hardly differs between {constant:.1%} of the pictures: "
                "give pictures that differ with --images"
            )
    if not reason and agreement < limits.agreement:
        reason = (
            f"{agreement:.1%} of the outputs are within {limits.noise:g} of the reference's root "
            f"mean square, {limits.agreement:.1%} is needed"
        )
    return GateResult(not reason, reason, len(wanted), None, None, agreement, None)


def _alike(
    wanted: Sequence[NDArray[np.float64]],
    found: Sequence[NDArray[np.float64]],
    limits: GateLimits,
) -> float:
    alike = [
        np.sum((one - other) ** 2) <= limits.noise**2 * np.sum(one**2)
        for one, other in zip(wanted, found, strict=True)
    ]
    return float(np.mean(alike))
