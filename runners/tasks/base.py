"""The seam between numbers and their meaning: what is fed, what is the same, what is shown."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array, TensorSpec

Answer = TypeVar("Answer")
Outputs = Mapping[str, Array]  # of one example, or of a batch

NOISE = 0.1
"""How far an output that has no better measure may be from the reference's and still be the same:
the root mean square of the error by that of the output. 0.1 is a signal-to-noise ratio of 20 dB.
It is one number for all precisions, and was fixed before any model was measured: a coarser
precision earns no looser answers. What its rounding explains is ``TOLERANCES``'s to say."""

DIM, PLAIN = "\033[2m", "\033[0m"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How a candidate's answers to some examples compare with a reference's.

    Attributes:
        same: of each example, whether the answer is the reference's.
        constant: the share of the reference's answers that one constant answer would meet, in the
            output that is easiest to meet; ``None`` where there can be no such answer.
        right, reference_right: of each example, whether the answer is the label's; ``None``
            without labels.
        guessed: the share of the labels that one constant answer would meet; ``None`` likewise.
        drift: of each example, the largest change of a likely class's log-probability; ``None``
            for outputs that are no probabilities.
    """

    same: NDArray[np.bool_]
    constant: float | None
    right: NDArray[np.bool_] | None = None
    reference_right: NDArray[np.bool_] | None = None
    guessed: float | None = None
    drift: NDArray[np.float64] | None = None


@dataclass(frozen=True, kw_only=True)
class Task(ABC, Generic[Answer]):
    """What one kind of model answers; nothing outside it knows how many inputs or outputs it has.

    Attributes:
        name: what it is looked up by.
        changed: what has happened where two answers are not the same, in words.
        takes_labels: whether an example can have a true answer.
        labels: class names by index, if the model has them.
    """

    name: ClassVar[str]
    changed: ClassVar[str]
    takes_labels: ClassVar[bool] = False
    labels: tuple[str, ...] | None = None

    @classmethod
    @abstractmethod
    def fits(cls, inputs: Sequence[TensorSpec], outputs: Sequence[Sequence[int | None]]) -> bool:
        """Whether a model of such inputs and output shapes, each of one example, does this."""

    @abstractmethod
    def picture_input(
        self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> TensorSpec:
        """The input that takes pictures.

        Raises:
            UsageError: the model takes something else.
        """

    @abstractmethod
    def answers(self, outputs: Outputs, batch: int) -> list[Answer]:
        """The answers to the ``batch`` examples that were fed at a time, in their order."""

    @abstractmethod
    def compare(
        self,
        reference: Sequence[Outputs],
        candidate: Sequence[Outputs],
        labels: Sequence[int] | None = None,
        *,
        noise: float = NOISE,
    ) -> Agreement:
        """Hold answers against a reference's.

        Args:
            reference: of each example, every output with the example alone in its batch.
            candidate: the same, under the same names and in the same shapes.
            labels: the true class of each example.
            noise: for outputs without a better measure, as ``NOISE``.
        """

    def refused_labels(self, outputs: Outputs, labels: Sequence[int]) -> str:
        """Why these can't be the labels of this model; empty where they can."""
        return ""

    @abstractmethod
    def disagreement(self, agreement: float, needed: float, noise: float, examples: str) -> str:
        """That too few answers are the same, in words; ``examples`` is what was fed."""

    @abstractmethod
    def sameness(self, constant: float, examples: str) -> str:
        """That a constant answer would nearly do, in words, and what to feed instead."""

    @abstractmethod
    def lines(self, answer: Answer, *, styled: bool = False) -> list[str]:
        """An answer as lines of text, for a terminal that takes escapes if ``styled``."""

    @abstractmethod
    def plain(self, answer: Answer | None) -> dict[str, Any]:
        """An answer as plain values for JSON; ``None`` is that of what could not be read."""


def alike(one: Array, other: Array, noise: float) -> bool:
    """Whether an output is another but for noise, in units of ``one``'s root mean square.

    Numbers that are not finite, and what is no number, must be equal; so must shapes.
    """
    if one.shape != other.shape:
        return False
    if not all(item.dtype.kind in "biuf" for item in (one, other)):
        return bool(np.array_equal(one, other))
    exact, found = np.asarray(one, np.float64), np.asarray(other, np.float64)
    finite = np.isfinite(exact)
    if not finite.all():
        if not np.array_equal(exact[~finite], found[~finite], equal_nan=True):
            return False
        exact, found = exact[finite], found[finite]
    return bool(np.sum((exact - found) ** 2) <= noise**2 * np.sum(exact**2))


def rows(outputs: Outputs, place: int, batch: int) -> dict[str, Array]:
    """What one example of a ``batch`` has in every output, with its batch dimension.

    An output that has not the batch in front is everyone's.
    """
    return {
        name: item[place : place + 1] if item.shape[:1] == (batch,) else item
        for name, item in outputs.items()
    }


def easiest_share(outputs: Iterable[Sequence[Array]], noise: float) -> float | None:
    """The largest ``constant_share`` of several outputs; ``None`` where none has one.

    Whole numbers, such as a count, may well be the same for every example. They count only where
    there is nothing else, and then the one that says most.
    """
    shares: dict[bool, list[float]] = {True: [], False: []}
    for tensors in outputs:
        share = constant_share(tensors, noise)
        if share is not None:
            shares[tensors[0].dtype.kind == "f"].append(share)
    return max(shares[True], default=min(shares[False], default=None))


def constant_share(tensors: Sequence[Array], noise: float) -> float | None:
    """The share of ``tensors`` that their mean is alike; ``None`` where they have no mean."""
    if len({item.shape for item in tensors}) != 1 or tensors[0].dtype.kind not in "biuf":
        return None
    mean = np.mean([item.astype(np.float64) for item in tensors], axis=0)
    return float(np.mean([alike(item.astype(np.float64), mean, noise) for item in tensors]))
