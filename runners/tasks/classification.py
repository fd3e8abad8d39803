"""Pictures to classes: scores [pictures, classes], the likeliest of which is the answer."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from paddleport.errors import ModelFileError, OutputError, UsageError
from paddleport.runners.tasks.base import (
    DIM,
    NOISE,
    PLAIN,
    Agreement,
    Outputs,
    Task,
    alike,
    easiest_share,
)
from paddleport.tensors import Array, TensorSpec, format_shape

SCORE_DECIMALS = 5
"""PaddleClas's ``Topk`` rounds scores to this many decimals."""

SOFTMAX_DEPTH = 64.0
"""Native Paddle's softmax and log-softmax on a CPU take no logit for more than this below the
largest of its row (seen in 3.2.2, in float32 and float64; its oneDNN kernels go on)."""

_SMALLEST = 1e-38  # near float32's smallest normal number; stands for 0 where nothing is above it
_SOFTMAX_SUM_ERROR = 1e-3
_LIKELY = 0.01  # classes below that are nobody's answer


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


@dataclass(frozen=True, kw_only=True)
class Classification(Task[tuple[Prediction, ...]]):
    """One picture, one or more outputs of class scores; whatever else there is, is compared too.

    Two answers are the same when the likeliest class is, in every output of scores.

    Attributes:
        topk: how many classes are shown.
    """

    name: ClassVar[str] = "classification"
    changed: ClassVar[str] = "the likeliest class changed"
    takes_labels: ClassVar[bool] = True
    topk: int = 5

    @classmethod
    def fits(cls, inputs: Sequence[TensorSpec], outputs: Sequence[Sequence[int | None]]) -> bool:
        """One 4-D input, and scores of several classes as the first output."""
        return (
            len(inputs) == 1
            and len(inputs[0].shape) == 4
            and bool(outputs)
            and len(outputs[0]) == 2
            and outputs[0][0] in (None, 1)
            and (outputs[0][1] is None or outputs[0][1] > 1)
        )

    def picture_input(
        self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> TensorSpec:
        """The only input, of a model with one output."""
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or len(outputs) != 1:
            raise UsageError(
                "this model is no image classifier (one 4-D input, one output): "
                "--task tensors shows its outputs"
            )
        return inputs[0]

    def answers(self, outputs: Outputs, batch: int) -> list[tuple[Prediction, ...]]:
        """The likeliest classes of the first output."""
        return list(top_k(next(iter(outputs.values())), self.topk, self.labels))

    def compare(
        self,
        reference: Sequence[Outputs],
        candidate: Sequence[Outputs],
        labels: Sequence[int] | None = None,
        *,
        noise: float = NOISE,
    ) -> Agreement:
        """By the likeliest class of each output of scores; of the first, where there are labels."""
        same, shares, drifts = [np.ones(len(reference), np.bool_)], [], []
        others: list[list[Array]] = []
        right: list[NDArray[np.bool_]] = []
        for name in reference[0]:
            one, other = ([item[name] for item in side] for side in (reference, candidate))
            if not _are_scores(one):
                pairs = zip(one, other, strict=True)
                same.append(np.array([alike(*pair, noise) for pair in pairs]))
                if one[0].dtype.kind == "f":
                    others.append(one)
                continue
            wanted, found = (np.concatenate(side).astype(np.float64) for side in (one, other))
            expected, given = wanted.argmax(axis=1), found.argmax(axis=1)
            same.append(expected == given)
            shares.append(_commonest(expected.tolist()))
            if (drift := _drift(wanted, found)) is not None:
                drifts.append(drift)
            if labels is not None and not right:
                right = [np.asarray(labels) == answer for answer in (expected, given)]
        rest = others if shares else ([item[name] for item in reference] for name in reference[0])
        return Agreement(
            same=np.all(same, axis=0),
            constant=max([*shares, easiest_share(rest, noise) or 0.0]),
            reference_right=right[0] if right else None,
            right=right[1] if right else None,
            guessed=_commonest(labels) if labels else None,
            drift=np.max(drifts, axis=0) if drifts else None,
        )

    def refused_labels(self, outputs: Outputs, labels: Sequence[int]) -> str:
        """An index that is no class of the first output."""
        classes = next(iter(outputs.values())).shape[1]
        if max(labels) < classes:
            return ""
        return f"label {max(labels)}, and the model has {classes} classes"

    def disagreement(self, agreement: float, needed: float, noise: float, examples: str) -> str:
        """Of the largest score, since without labels nobody knows that it is a class's."""
        return (
            f"the largest output is the reference's for {agreement:.1%} of the {examples}, "
            f"{needed:.1%} is needed"
        )

    def sameness(self, constant: float, examples: str) -> str:
        """Of one class for nearly all."""
        return (
            f"the reference gives one answer to {constant:.1%} of the {examples}, so a "
            f"constant would nearly agree: give {examples} of several classes with --images"
        )

    def lines(self, answer: tuple[Prediction, ...], *, styled: bool = False) -> list[str]:
        """A line per class: score, index, label."""
        dim, plain = (DIM, PLAIN) if styled else ("", "")
        return [
            f"{item.score:>9.5f}  {dim}{item.index:>5}{plain}  {item.label or ''}"
            for item in answer
        ]

    def plain(self, answer: tuple[Prediction, ...] | None) -> dict[str, Any]:
        """The predictions; none for what could not be read."""
        return {"predictions": [asdict(item) for item in answer or ()]}


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
            f"it is no classifier: --task tensors shows its outputs"
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


def is_softmax(tensor: Array) -> bool:
    """Whether the last axis holds probabilities that add up to 1; an empty tensor holds none."""
    if tensor.ndim < 2 or tensor.shape[-1] < 2 or not np.issubdtype(tensor.dtype, np.floating):
        return False
    if not tensor.size:
        return False
    exact = tensor.astype(np.float64)
    return bool(
        np.isfinite(exact).all()
        and (exact >= 0).all()
        and (np.abs(exact.sum(axis=-1) - 1) < _SOFTMAX_SUM_ERROR).all()
    )


def log_probabilities(tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithms of probabilities on the last axis, no lower than native Paddle knows them.

    What is more than ``SOFTMAX_DEPTH`` below the largest of its row counts as just that far.
    """
    if not tensor.size:
        return tensor.copy()
    floor = tensor.max(axis=-1, keepdims=True) * math.exp(-SOFTMAX_DEPTH)
    logs: NDArray[np.float64] = np.log(np.maximum(tensor, np.maximum(floor, _SMALLEST)))
    return logs


def _are_scores(tensors: Sequence[Array]) -> bool:
    """Whether they are each a row of as many numbers, several."""
    shape = tensors[0].shape
    return (
        shape == (1, tensors[0].size)
        and shape[1] > 1
        and all(item.shape == shape and item.dtype.kind == "f" for item in tensors)
    )


def _commonest(values: Sequence[int]) -> float:
    """The share of the value that there is most of."""
    return max(Counter(values).values()) / len(values)


def _drift(wanted: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The largest change of a likely class's log-probability, picture by picture."""
    if is_softmax(wanted):
        one, other = log_probabilities(wanted), log_probabilities(found)
    elif wanted.min() >= 0 and wanted.max() <= 1:
        return None  # a sigmoid's: each class is a question of its own
    else:
        one, other = _log_softmax(wanted), _log_softmax(found)
    likely = one >= np.log(_LIKELY)
    drift: NDArray[np.float64] = np.where(likely, np.abs(one - other), 0).max(axis=1)
    return drift


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
