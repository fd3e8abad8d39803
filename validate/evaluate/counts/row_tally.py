"""What one backend answered to all pictures so far, in counts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paddleport.validate.evaluate.counts.calibration import BINS, count_bins
from paddleport.validate.evaluate.counts.changed_pictures import ChangedPictures
from paddleport.validate.evaluate.counts.confusion_counts import ConfusionCounts
from paddleport.validate.evaluate.counts.scored_batch import ScoredBatch

_NAMED = 20  # pictures without an answer
_COUNTS = ("pictures", "finite", "probabilities", "within_one", "top1", "topk")


def ranks_shown(classes: int) -> int:
    """The k of top-k: 5, fewer where 5 would be all classes or nearly; 1 leaves it out."""
    return 5 if classes > 5 else 2 if classes > 2 else 1


class RowTally:
    """One backend's counts; all of them whole numbers, so that no order of adding changes them.

    Attributes:
        classes: of the model.
        counts: pictures that it was given, those whose scores are all finite, are probabilities
            that add up to 1, lie between 0 and 1, and those with the true class first and among
            the first k.
        answers: how often each class was answered.
        losses: summed, in parts of ``FIXED_POINT``: of scores as probabilities, and as logits.
        bins: of the calibration, [2, 3, ``BINS``], likewise.
        confusion: which class was given which answer.
        changes: against the reference.
        not_finite: the first pictures without an answer.
        failure: why there are no more answers; empty while there are.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.answers = np.zeros(classes, np.int64)
        self.losses = [0, 0]
        self.bins = np.zeros((2, 3, BINS), np.int64)
        self.confusion = ConfusionCounts(classes)
        self.changes = ChangedPictures()
        self.not_finite: list[str] = []
        self.failure = ""

    def add(
        self,
        names: Sequence[str],
        labels: NDArray[np.int64],
        batch: ScoredBatch,
        reference: ScoredBatch | None,
        thumbnails: Callable[[int], bytes | None] | None,
    ) -> None:
        """Count a batch, against the reference's answers where there are such."""
        finite, right = batch.finite, batch.answers == labels
        found = (
            np.ones_like(finite),
            finite,
            batch.probabilities,
            batch.within_one,
            right,
            batch.ranks < ranks_shown(self.classes),
        )
        for name, mask in zip(_COUNTS, found, strict=True):
            self.counts[name] += int(mask.sum())
        np.add.at(self.answers, batch.answers[finite], 1)
        for meaning in range(2):
            self.losses[meaning] += int(batch.losses[meaning].sum())
            self.bins[meaning] += count_bins(batch.confidences[meaning, finite], right[finite])
        self.confusion.add(labels, batch.answers)
        missing = np.flatnonzero(~finite)[: _NAMED - len(self.not_finite)]
        self.not_finite += [names[place] for place in missing]
        if reference is not None:
            self.changes.add(names, labels, reference, batch, thumbnails)

    @property
    def gives_probabilities(self) -> bool:
        """Whether every picture's finite scores are probabilities."""
        return 0 < self.counts["probabilities"] == self.counts["finite"]

    @property
    def gives_sigmoids(self) -> bool:
        """Whether they all lie between 0 and 1 and do not add up: each class is a question."""
        return (
            not self.gives_probabilities and 0 < self.counts["within_one"] == self.counts["finite"]
        )

    def plain_state(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return {
            "counts": dict(self.counts),
            "losses": list(self.losses),
            "not_finite": list(self.not_finite),
            "failure": self.failure,
            "changes": self.changes.state(),
        }

    def arrays(self) -> dict[str, Any]:
        """The rest."""
        confusion = {f"confusion.{key}": item for key, item in self.confusion.state().items()}
        return {"answers": self.answers.copy(), "bins": self.bins.copy(), **confusion}

    @classmethod
    def from_state(
        cls, classes: int, plain: Mapping[str, Any], arrays: Mapping[str, Any]
    ) -> "RowTally":
        """What ``plain_state`` and ``arrays`` gave."""
        made = cls(classes)
        made.counts = {name: int(plain["counts"][name]) for name in _COUNTS}
        made.losses = [int(total) for total in plain["losses"]]
        made.not_finite = list(plain["not_finite"])
        made.failure = str(plain["failure"])
        made.changes = ChangedPictures.from_state(plain["changes"])
        made.answers = np.array(arrays["answers"], np.int64)
        made.bins = np.array(arrays["bins"], np.int64)
        start = "confusion."
        confusion = {
            key.removeprefix(start): arrays[key] for key in arrays if key.startswith(start)
        }
        made.confusion = ConfusionCounts.from_state(classes, confusion)
        return made
