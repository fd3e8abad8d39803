"""A batch of class scores against its labels: answers, ranks, losses and confidences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paddleport.runners.tasks.classification import SOFTMAX_DEPTH, log_probabilities
from paddleport.tensors import Array

NO_ANSWER = -1
"""The answer of a picture whose scores are not all finite numbers."""

FIXED_POINT = 2.0**32
"""Losses and confidences are added up in whole parts of this size: exact in any order, so that an
interrupted run ends with the same sums, and finer than float32 by far."""

_SUM_ERROR = 1e-3  # as classification's is_softmax has it


@dataclass(frozen=True, kw_only=True)
class ScoredBatch:
    """One backend's scores for a batch; of equal scores the lower class comes first, as in ``run``.

    Attributes:
        exact: [n, classes] in float64.
        answers: the likeliest class of each picture, or ``NO_ANSWER``.
        ranks: how many classes come before the true one; the number of classes without an answer.
        finite: whether all scores of a picture are finite numbers.
        probabilities: whether a picture's scores are probabilities that add up to 1.
        within_one: whether they all lie between 0 and 1.
        losses: cross entropy in nats in parts of ``FIXED_POINT``, [2, n]: with the scores taken for
            probabilities, and for logits. 0 without an answer.
        confidences: of the answers, likewise.
    """

    exact: NDArray[np.float64]
    answers: NDArray[np.int64]
    ranks: NDArray[np.int64]
    finite: NDArray[np.bool_]
    probabilities: NDArray[np.bool_]
    within_one: NDArray[np.bool_]
    losses: NDArray[np.int64]
    confidences: NDArray[np.int64]

    def shown(self, place: int, classes: list[int]) -> list[float]:
        """What to show for some classes of one picture: probabilities where there are such."""
        scores = self.exact[place]
        if not self.finite[place]:
            return [float("nan")] * len(classes)
        if not self.within_one[place]:
            powers = np.exp(scores - scores.max())
            scores = powers / powers.sum()
        return [float(scores[index]) if index >= 0 else float("nan") for index in classes]


def score_batch(scores: Array, labels: NDArray[np.int64]) -> ScoredBatch:
    """Hold scores [n, classes] against the true class of each picture."""
    exact = np.ascontiguousarray(scores, dtype=np.float64)
    finite: NDArray[np.bool_] = np.all(np.isfinite(exact), axis=1)
    if not finite.all():
        exact = np.where(finite[:, None], exact, 0.0)
    with np.errstate(over="ignore"):  # logits may be as large as float64 goes
        return _scored(exact, finite, labels)


def _scored(
    exact: NDArray[np.float64], finite: NDArray[np.bool_], labels: NDArray[np.int64]
) -> ScoredBatch:
    count, classes = exact.shape
    places = np.arange(count)
    true, largest = exact[places, labels], exact.max(axis=1)
    before = np.arange(classes) < labels[:, None]
    ranks = (exact > true[:, None]).sum(axis=1) + ((exact == true[:, None]) & before).sum(axis=1)
    within_one = finite & (exact.min(axis=1) >= 0) & (largest <= 1)
    sums = np.exp(exact - largest[:, None]).sum(axis=1)
    as_logits = np.log(sums) + np.minimum(largest - true, SOFTMAX_DEPTH)
    pairs = np.stack([np.maximum(largest, 0.0), true], axis=1)
    losses = np.stack([-log_probabilities(pairs)[:, 1], as_logits])
    confidences = np.stack([np.clip(largest, 0.0, 1.0), 1 / sums])
    return ScoredBatch(
        exact=exact,
        answers=np.where(finite, exact.argmax(axis=1), NO_ANSWER),
        ranks=np.where(finite, ranks, classes),
        finite=finite,
        probabilities=within_one & (np.abs(exact.sum(axis=1) - 1) < _SUM_ERROR),
        within_one=within_one,
        losses=_fixed(losses, finite),
        confidences=_fixed(confidences, finite),
    )


def _fixed(values: NDArray[np.float64], finite: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.rint(np.where(finite, values, 0.0) * FIXED_POINT).astype(np.int64)
