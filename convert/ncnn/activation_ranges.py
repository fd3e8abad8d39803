"""How large the values get that go into each layer of an ncnn file, over calibration feeds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array

Rule = Literal["entropy", "largest"]

_BINS = 2048  # as ncnn2table has
_LEVELS = 128  # that int8 has of one sign


@dataclass
class SizeHistogram:
    """Sizes of values in bins of one width, which doubles when a larger value comes.

    Attributes:
        top: where the last bin ends; 0 before the first value that is not zero.
        counts: of the bins; zeros are left out, as in ncnn2table.
        largest: of all sizes.
    """

    top: float = 0.0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    largest: float = 0.0

    def add(self, values: Array) -> None:
        """Count more values; what is not finite is not counted."""
        sizes = np.abs(values[np.isfinite(values)]).astype(np.float32, copy=False).ravel()
        peak = float(sizes.max()) if sizes.size else 0.0
        if peak == 0:
            return
        if self.top == 0:
            self.top = peak
        while peak > self.top:
            self.counts = np.concatenate(
                [self.counts.reshape(-1, 2).sum(axis=1), np.zeros(_BINS // 2, np.int64)]
            )
            self.top *= 2
        self.largest = max(self.largest, peak)
        places = np.minimum((sizes * (_BINS / self.top)).astype(np.int64), _BINS - 1)
        self.counts += np.bincount(places[sizes > 0], minlength=_BINS)

    def threshold(self, rule: Rule) -> float:
        """The size that becomes 127; 0 where all values were zero."""
        if rule == "largest" or self.largest == 0:
            return self.largest
        return min(self.largest, _least_divergence(self.counts) * self.top / _BINS)


def size_histograms(
    tensors: Iterable[Iterator[tuple[str, Array]]], names: Sequence[str]
) -> dict[str, SizeHistogram]:
    """One of each named tensor.

    Args:
        tensors: of each feed, its tensors by name.
        names: those that are wanted.
    """
    found = {name: SizeHistogram() for name in names}
    for values in tensors:
        for name, tensor in values:
            if name in found:
                found[name].add(tensor)
    return found


def _least_divergence(counts: NDArray[np.int64]) -> float:
    """The number of bins whose 128 levels say most of the whole histogram.

    Source: Migacz, "8-bit Inference with TensorRT", 2017, as in ncnn2table.
    """
    best, least = float(_BINS), np.inf
    for count in range(_LEVELS, _BINS + 1, _LEVELS // 16):
        divergence = _divergence(counts, count)
        if divergence < least:
            best, least = float(count), divergence
    return best


def _divergence(counts: NDArray[np.int64], count: int) -> float:
    """Kullback and Leibler's, of the histogram cut off at ``count`` bins from its 128 levels."""
    wanted = counts[:count].astype(np.float64)
    told = wanted.copy()
    wanted[-1] += counts[count:].sum()
    edges = np.arange(_LEVELS) * count // _LEVELS
    filled = told > 0
    sums = np.add.reduceat(told, edges)
    sizes = np.diff(np.append(edges, count))
    numbers = np.add.reduceat(filled.astype(np.float64), edges)
    level = np.repeat(sums / np.maximum(numbers, 1), sizes)
    told = np.where(filled, level, 0)
    if not told.sum() or not wanted.sum():
        return float(np.inf)
    wanted, told = wanted / wanted.sum(), told / told.sum()
    lost = (wanted > 0) & (told == 0)
    told = np.where(lost, 1e-10, told)
    some = wanted > 0
    return float(np.sum(wanted[some] * np.log(wanted[some] / told[some])))
