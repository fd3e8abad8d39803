"""From class scores to the most likely labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddleport.errors import ModelFileError, OutputError, UsageError
from paddleport.tensors import Array, format_shape

SCORE_DECIMALS = 5
"""PaddleClas's ``Topk`` rounds scores to this many decimals."""


@dataclass(frozen=True)
class Prediction:
    """One class of a picture.

    Attributes:
        index: the class's position in the model's output.
        label: its name, if the model has names.
        score: the model's output for it, as it is, rounded to 5 decimals: a probability where
            the model ends in a softmax, a logit where it does not.
    """

    index: int
    label: str | None
    score: float


def top_k(
    scores: Array, k: int, labels: Sequence[str] | None = None
) -> tuple[tuple[Prediction, ...], ...]:
    """The ``k`` highest classes of each picture, highest first, as PaddleClas's ``Topk``.

    Scores are ordered before they are rounded. Of equal scores the lower index comes first
    (PaddleClas leaves their order to numpy's unstable sort). No softmax is applied.

    Args:
        scores: (pictures, classes).
        k: how many; all of them if there are fewer classes.
        labels: class names by index.

    Raises:
        OutputError: the scores are no (pictures, classes), or hold NaN or infinity.
        ModelFileError: there are more or fewer labels than classes.
        UsageError: ``k`` is less than 1.
    """
    if k < 1:
        raise UsageError(f"--topk {k} is not possible: 1 or more")
    if scores.ndim != 2 or 0 in scores.shape:
        raise OutputError(
            f"the model gives [{format_shape(scores.shape)}], not (pictures, classes): "
            f"it is no classifier"
        )
    classes = scores.shape[1]
    if labels is not None and len(labels) != classes:
        raise ModelFileError(f"the model gives {classes} scores and has {len(labels)} labels")
    exact = scores.astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(exact).all(axis=1))
    if broken.size:
        raise OutputError(f"the model's scores hold NaN or infinity for picture {broken[0] + 1}")
    order = np.argsort(-exact, axis=1, kind="stable")[:, :k]
    rounded = np.around(np.take_along_axis(exact, order, axis=1), SCORE_DECIMALS)
    return tuple(
        tuple(
            Prediction(index, labels[index] if labels is not None else None, score)
            for index, score in zip(indices, row, strict=True)
        )
        for indices, row in zip(order.tolist(), rounded.tolist(), strict=True)
    )
