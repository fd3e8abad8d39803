"""Whether a model is right as often as it is sure: the expected calibration error.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML
2017, arXiv:1706.04599: the pictures are put into 15 bins of equal width by the probability of
the answer, and the error is the mean, over the pictures, of the distance between a bin's accuracy
and its mean probability. The bins are open below and closed above, as there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paddleport.validate.evaluate.counts.scored_batch import FIXED_POINT

BINS = 15


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """The pictures whose answer was given with about the same probability.

    Attributes:
        above: this probability, and up to the next bin's.
        count: pictures.
        accuracy: the share of them that is right; ``None`` without pictures.
        confidence: their mean probability, likewise.
    """

    above: float
    count: int
    accuracy: float | None
    confidence: float | None


def count_bins(confidences: NDArray[np.int64], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pictures, right answers and summed confidences of each bin, [3, ``BINS``].

    Args:
        confidences: 0 to 1 in parts of ``FIXED_POINT``.
        right: whether the answer is.
    """
    places = np.ceil(confidences / FIXED_POINT * BINS).astype(np.int64) - 1
    places = np.clip(places, 0, BINS - 1)
    counts = np.zeros((3, BINS), np.int64)
    np.add.at(counts[0], places, 1)
    np.add.at(counts[1], places[right], 1)
    np.add.at(counts[2], places, confidences)
    return counts


def calibration_bins(counts: NDArray[np.int64]) -> tuple[CalibrationBin, ...]:
    """What ``count_bins`` added up, as shares."""
    return tuple(
        CalibrationBin(
            above=place / BINS,
            count=int(count),
            accuracy=int(right) / int(count) if count else None,
            confidence=int(total) / FIXED_POINT / int(count) if count else None,
        )
        for place, (count, right, total) in enumerate(counts.T)
    )


def calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    """The expected one; ``None`` without pictures."""
    total = sum(item.count for item in bins)
    if not total:
        return None
    return (
        sum(item.count * abs((item.accuracy or 0.0) - (item.confidence or 0.0)) for item in bins)
        / total
    )
