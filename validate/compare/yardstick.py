"""In what an output's error is measured: one unit for every voice, so that errors compare."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paddleport.runners.tasks.classification import (
    SMALLEST_PROBABILITY as SMALLEST_PROBABILITY,
)
from paddleport.runners.tasks.classification import is_softmax as is_softmax
from paddleport.tensors import Array, format_shape

Measure = Literal["values", "log-probabilities", "equality"]
_PROBABILITY_SCALE = 0.01  # times the fp32 limit: 1e-6, which is 17 units of 2^-24
_LIKELY = 1e-3


@dataclass(frozen=True)
class Yardstick:
    """How one output is measured.

    Attributes:
        measure: by values, by log-probabilities, or by equality for whole numbers.
        scale: the ``scale`` of ``Tolerance``; 0 for equality.
    """

    measure: Measure
    scale: float

    def values(self, tensor: Array) -> NDArray[np.float64]:
        """A tensor as the numbers that are compared."""
        exact = tensor.astype(np.float64)
        return centred_log(exact) if self.measure == "log-probabilities" else exact

    def unit(self, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        """The unit of the error at each element of ``values(reference)``."""
        unit: NDArray[np.float64] = np.abs(reference) + self.scale
        return unit

    def error(self, judged: Array, voice: Array) -> float:
        """The worst error of ``judged`` against ``voice``, in the tolerance's unit.

        Infinite where they cannot be compared; the number of unequal values for equality.
        """
        if judged.dtype == voice.dtype and np.array_equal(judged, voice, equal_nan=True):
            return 0.0
        if structural_difference(voice, judged):
            return math.inf
        if self.measure == "equality":
            return float((judged != voice).sum())
        return self.worst(self.values(judged), self.values(voice))

    def worst(self, judged: NDArray[np.float64], voice: NDArray[np.float64]) -> float:
        """As ``error``, for numbers that are ``values`` already and have one shape."""
        finite = np.isfinite(voice)
        difference = np.abs(judged[finite] - voice[finite])
        if not difference.size or not difference.any():
            return 0.0
        moved = difference > 0
        # A voice that is zero throughout has no scale: whatever is not zero is infinitely far.
        with np.errstate(divide="ignore"):
            return float(np.max(difference[moved] / self.unit(voice[finite])[moved]))


def yardstick(
    reference: Sequence[Array], candidate: Sequence[Array], typical: Sequence[int] = ()
) -> Yardstick:
    """The yardstick for one output, by its reference.

    Args:
        reference: the reference's tensor for each feed.
        candidate: the candidate's; log-probabilities are taken only where both are softmax.
        typical: indices of the feeds that the scale is taken from; all by default.
    """
    if not all(np.issubdtype(tensor.dtype, np.floating) for tensor in reference):
        return Yardstick("equality", 0.0)
    both = (*reference, *candidate)
    logarithmic = all(is_softmax(tensor) for tensor in both)
    chosen = [reference[index] for index in typical or range(len(reference))]
    tensors = [tensor.astype(np.float64) for tensor in chosen]
    if logarithmic:
        tensors = [centred_log(tensor) for tensor in tensors]
    return Yardstick(
        "log-probabilities" if logarithmic else "values", _scale(tensors, logarithmic=logarithmic)
    )


def structural_difference(wanted: Array, found: Array) -> str:
    """Why two tensors cannot be compared by value; empty where they can."""
    if wanted.shape != found.shape:
        shapes = f"[{format_shape(found.shape)}], the reference has [{format_shape(wanted.shape)}]"
        return f"shape {shapes}"
    both_float = np.issubdtype(wanted.dtype, np.floating) and np.issubdtype(
        found.dtype, np.floating
    )
    if wanted.dtype != found.dtype and not both_float:
        return f"type {found.dtype}, the reference has {wanted.dtype}"
    if both_float:
        # NaN and infinities must stand in the same places with the same sign.
        wanted_bad, found_bad = ~np.isfinite(wanted), ~np.isfinite(found)
        if not np.array_equal(wanted_bad, found_bad) or not np.array_equal(
            wanted[wanted_bad], found[found_bad].astype(wanted.dtype), equal_nan=True
        ):
            return (
                f"{int(found_bad.sum())} values are not finite, "
                f"the reference has {int(wanted_bad.sum())}"
            )
        if wanted_bad.all() and wanted.size:
            return "no value of the reference is finite"
    return ""


def centred_log(tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities are logits up to a constant a row; centred, they are comparable."""
    logits = np.log(np.maximum(tensor, SMALLEST_PROBABILITY))
    centred: NDArray[np.float64] = logits - logits.mean(axis=-1, keepdims=True)
    return centred


def _scale(tensors: Sequence[NDArray[np.float64]], *, logarithmic: bool) -> float:
    finite = [tensor[np.isfinite(tensor)] for tensor in tensors]
    count = sum(values.size for values in finite)
    if not count:
        return 0.0
    root_mean_square = math.sqrt(sum(float(np.sum(values**2)) for values in finite) / count)
    smallest = min(float(values.min()) for values in finite if values.size)
    largest = max(float(values.max()) for values in finite if values.size)
    if logarithmic or (smallest >= 0 and _LIKELY < largest <= 1):
        return max(root_mean_square, _PROBABILITY_SCALE)
    return root_mean_square
