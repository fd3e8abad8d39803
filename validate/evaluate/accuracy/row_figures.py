"""A row's counts as figures: shares with intervals, loss, calibration, worst classes."""

import numpy as np
from numpy.typing import NDArray

from paddleport.validate.evaluate.accuracy.accuracy_verdict import answer_changes
from paddleport.validate.evaluate.accuracy.evaluated_row import (
    AnswerChanges,
    ClassAnswer,
    ClassFigures,
    ConfusedPair,
    CountedShare,
)
from paddleport.validate.evaluate.accuracy.proportions import wilson_interval
from paddleport.validate.evaluate.counts.calibration import (
    CalibrationBin,
    calibration_bins,
    calibration_error,
)
from paddleport.validate.evaluate.counts.confusion_counts import most_confused
from paddleport.validate.evaluate.counts.row_tally import RowTally, ranks_shown
from paddleport.validate.evaluate.counts.scored_batch import FIXED_POINT
from paddleport.validate.evaluate.counts.tally import Tally

_CLASSES = 10  # worst ones
_ANSWERS = 3  # of each
_PAIRS = 10


def counted_share(right: int, count: int) -> CountedShare:
    """With Wilson's 95 % interval."""
    low, high = wilson_interval(right, count)
    return CountedShare(right=right, count=count, share=right / max(count, 1), low=low, high=high)


def top_shares(row: RowTally, count: int) -> tuple[CountedShare, CountedShare | None]:
    """Top-1, and top-k where k is more than 1."""
    topk = counted_share(row.counts["topk"], count) if ranks_shown(row.classes) > 1 else None
    return counted_share(row.counts["top1"], count), topk


def row_changes(row: RowTally, count: int) -> AnswerChanges:
    """Against the reference."""
    found = row.changes.counts
    return answer_changes(found["lost"], found["gained"], found["other"], count)


def certainty(
    row: RowTally, like: RowTally
) -> tuple[float | None, float | None, tuple[CalibrationBin, ...]]:
    """Mean loss, calibration error and its bins, over the pictures that have an answer.

    Args:
        row: whose.
        like: the row that tells what the scores are, probabilities or logits: the reference's,
            since a coarse precision's probabilities may not add up.
    """
    count = row.counts["finite"]
    if not count or like.gives_sigmoids:
        return None, None, ()
    meaning = 0 if like.gives_probabilities else 1
    bins = calibration_bins(row.bins[meaning])
    return row.losses[meaning] / FIXED_POINT / count, calibration_error(bins), bins


def worst_classes(
    tally: Tally, row: RowTally, reference: RowTally | None
) -> tuple[ClassFigures, ...]:
    """The classes with the lowest upper end of Wilson's interval: few pictures prove little."""
    right = row.confusion.right
    known = np.flatnonzero((tally.totals > 0) & (right < tally.totals))
    highest = _upper_ends(right[known], tally.totals[known])
    worst = known[np.lexsort((known, highest))[:_CLASSES]]
    return tuple(
        ClassFigures(
            label=int(label),
            count=int(tally.totals[label]),
            right=int(right[label]),
            reference_right=None if reference is None else int(reference.confusion.right[label]),
            answers=tuple(
                ClassAnswer(answer=answer, count=count)
                for answer, count in row.confusion.of_class(int(label))[:_ANSWERS]
            ),
        )
        for label in worst
    )


def confused_pairs(row: RowTally, reference: RowTally | None) -> tuple[ConfusedPair, ...]:
    """The commonest wrong answers."""
    return tuple(
        ConfusedPair(
            label=label,
            answer=answer,
            count=count,
            reference_count=None if reference is None else reference.confusion.pair(label, answer),
        )
        for label, answer, count in most_confused(row.confusion, _PAIRS)
    )


def _upper_ends(right: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    pairs = zip(right.tolist(), count.tolist(), strict=True)
    return np.array([wilson_interval(*pair)[1] for pair in pairs], np.float64)
