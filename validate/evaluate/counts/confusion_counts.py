"""How often each class was given each answer, in bounded memory."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

DENSE_CLASSES = 2048  # a matrix of that size has 16 MiB
_KEPT_PAIRS = 4096


class ConfusionCounts:
    """Counts of (true class, answer); answers that are wrong in bounded memory, right ones exact.

    Up to ``DENSE_CLASSES`` classes there is a matrix and all counts are exact. Beyond, the
    frequent pairs of a wrong answer are kept: J. Misra and D. Gries, "Finding repeated elements",
    Science of Computer Programming 2 (1982) 143-152. Each of their counts is then at most
    ``missed`` too low, and a pair that came more often than that is never lost.

    Attributes:
        classes: how many.
        right: right answers to the pictures of each class.
        missed: by how much a count of a wrong answer may be too low.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.right = np.zeros(classes, np.int64)
        self.missed = 0
        self._matrix: NDArray[np.int32] | None = None
        self._pairs: dict[tuple[int, int], int] = {}
        if classes <= DENSE_CLASSES:
            self._matrix = np.zeros((classes, classes), np.int32)

    def add(self, labels: NDArray[np.int64], answers: NDArray[np.int64]) -> None:
        """Count a batch; what has no answer (below 0) is no pair."""
        np.add.at(self.right, labels[labels == answers], 1)
        wrong = (labels != answers) & (answers >= 0)
        if self._matrix is not None:
            np.add.at(self._matrix, (labels[wrong], answers[wrong]), 1)
            return
        for pair in zip(labels[wrong].tolist(), answers[wrong].tolist(), strict=True):
            self._count(pair)

    def wrong_answers(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """True class, answer and count of every pair that is known, in the order of the classes."""
        if self._matrix is not None:
            labels, answers = np.nonzero(self._matrix)
            return labels, answers, self._matrix[labels, answers].astype(np.int64)
        found = np.array(sorted((*pair, count) for pair, count in self._pairs.items()), np.int64)
        found = found.reshape(-1, 3)
        return found[:, 0], found[:, 1], found[:, 2]

    def of_class(self, label: int) -> list[tuple[int, int]]:
        """Wrong answers to a class's pictures and their counts, the commonest first."""
        labels, answers, counts = self._row(label)
        order = np.lexsort((answers, -counts))
        return [(int(answers[at]), int(counts[at])) for at in order if labels[at] == label]

    def pair(self, label: int, answer: int) -> int:
        """How often one wrong answer was given."""
        if self._matrix is not None:
            return int(self._matrix[label, answer])
        return self._pairs.get((label, answer), 0)

    def state(self) -> dict[str, Any]:
        """All of it, as arrays and plain values."""
        labels, answers, counts = self.wrong_answers()
        known = np.stack([labels, answers, counts]).astype(np.int64)
        return {"right": self.right.copy(), "pairs": known, "missed": np.array(self.missed)}

    @classmethod
    def from_state(cls, classes: int, state: Mapping[str, Any]) -> "ConfusionCounts":
        """What ``state`` gave."""
        made = cls(classes)
        made.right = np.array(state["right"], np.int64)
        made.missed = int(state["missed"])
        labels, answers, counts = np.asarray(state["pairs"], np.int64)
        if made._matrix is not None:
            made._matrix[labels, answers] = counts
        else:
            for label, answer, count in zip(labels, answers, counts, strict=True):
                made._pairs[int(label), int(answer)] = int(count)
        return made

    def _row(self, label: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        if self._matrix is None:
            return self.wrong_answers()
        answers = np.flatnonzero(self._matrix[label])
        return np.full_like(answers, label), answers, self._matrix[label, answers].astype(np.int64)

    def _count(self, pair: tuple[int, int]) -> None:
        if pair in self._pairs or len(self._pairs) < _KEPT_PAIRS:
            self._pairs[pair] = self._pairs.get(pair, 0) + 1
            return
        self.missed += 1
        self._pairs = {kept: count - 1 for kept, count in self._pairs.items() if count > 1}


def most_confused(counts: ConfusionCounts, most: int) -> Iterator[tuple[int, int, int]]:
    """The commonest wrong answers of all: true class, answer, count; of equals the lower class."""
    labels, answers, found = counts.wrong_answers()
    for at in np.lexsort((answers, labels, -found))[:most]:
        yield int(labels[at]), int(answers[at]), int(found[at])
