"""The scale in which an output's error is measured, and the error of one tensor in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paddleport.runners.tasks.classification import SMALLEST_PROBABILITY, is_softmax
from paddleport.tensors import Array, format_shape

Measure = Literal["values", "log-probabilities", "equality"]
_PROBABILITY_SCALE = 0.01  # times the fp32 limit: 1e-6, which is 17 units of 2^-24
_LIKELY = 1e-3
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class ErrorScale:
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

    def error(self, candidate: Array, reference: Array) -> float:
        """The worst error of ``candidate`` against ``reference``, in the tolerance's unit.

        Infinite where they cannot be compared; the number of unequal values for equality.
        """
        if candidate.dtype == reference.dtype and np.array_equal(
            candidate, reference, equal_nan=True
        ):
            return 0.0
        if structural_difference(reference, candidate):
            return math.inf
        if self.measure == "equality":
            return float((candidate != reference).sum())
        return self.worst(self.values(candidate), self.values(reference))

    def worst(self, candidate: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
        """As ``error``, for numbers that are ``values`` already and have one shape."""
        finite = np.isfinite(reference)
        difference = np.abs(candidate[finite] - reference[finite])
        if not difference.size or not difference.any():
            return 0.0
        moved = difference > 0
        # A reference that is zero throughout has no scale: whatever is not zero is infinitely far.
        with np.errstate(divide="ignore"):
            return float(np.max(difference[moved] / self.unit(reference[finite])[moved]))


def choose_error_scale(
    reference: Sequence[Array], candidate: Sequence[Array], typical: Sequence[int] = ()
) -> ErrorScale:
    """The error scale of one output, by its reference.

    Args:
        reference: the reference's tensor for each feed.
        candidate: the candidate's; log-probabilities are taken only where both are softmax.
        typical: indices of the feeds that the scale is taken from; all by default.
    """
    if not all(np.issubdtype(tensor.dtype, np.floating) for tensor in reference):
        return ErrorScale("equality", 0.0)
    both = (*reference, *candidate)
    logarithmic = all(is_softmax(tensor) for tensor in both)
    chosen = [reference[index] for index in typical or range(len(reference))]
    tensors = [tensor.astype(np.float64) for tensor in chosen]
    if logarithmic:
        tensors = [centred_log(tensor) for tensor in tensors]
    return ErrorScale(
        "log-probabilities" if logarithmic else "values", _scale(tensors, logarithmic=logarithmic)
    )


def structural_difference(reference: Array, candidate: Array) -> str:
    """Why two tensors cannot be compared by value; empty where they can."""
    if reference.shape != candidate.shape:
        ours, theirs = format_shape(reference.shape), format_shape(candidate.shape)
        return f"shape [{theirs}], the reference has [{ours}]"
    both_float = np.issubdtype(reference.dtype, np.floating) and np.issubdtype(
        candidate.dtype, np.floating
    )
    if reference.dtype != candidate.dtype and not both_float:
        return f"type {candidate.dtype}, the reference has {reference.dtype}"
    if both_float:
        # NaN and infinities must stand in the same places with the same sign.
        reference_bad, candidate_bad = ~np.isfinite(reference), ~np.isfinite(candidate)
        if not np.array_equal(reference_bad, candidate_bad) or not np.array_equal(
            reference[reference_bad],
            candidate[candidate_bad].astype(reference.dtype),
            equal_nan=True,
        ):
            return (
                f"{int(candidate_bad.sum())} values are not finite, "
                f"the reference has {int(reference_bad.sum())}"
            )
        if reference_bad.all() and reference.size:
            return "no value of the reference is finite"
    return ""


def centred_log(tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities are logits up to a constant per row; centred, they are comparable."""
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


def relative_error(candidate: Array, reference: Array) -> float:
    """``max |a - b| / (|b| + rms(b))``, the unit of ``Tolerance``, over one tensor.

    0 for equal whole numbers and booleans, infinite for unequal ones, for another shape, and
    where NaN or infinities stand in other places. What float64 holds beyond float32's range
    counts as infinite there.
    """
    if candidate.shape != reference.shape:
        return math.inf
    if candidate.dtype.kind != "f" and reference.dtype.kind != "f":
        return 0.0 if np.array_equal(candidate, reference) else math.inf
    ours, theirs = _in_float32_range(candidate), _in_float32_range(reference)
    return _worst(ErrorScale("values", rms(theirs[np.isfinite(theirs)])), ours, theirs)


def output_error(candidate: Array, reference: Array) -> float:
    """As ``relative_error``, on the scale that the report has for a model's output.

    Probabilities that add up to 1 are compared by their centred logarithms: a softmax hides
    what happens to its small classes. Other probabilities have the report's least scale.
    """
    if (
        candidate.shape != reference.shape
        or candidate.dtype.kind != "f"
        or reference.dtype.kind != "f"
    ):
        return relative_error(candidate, reference)
    ours, theirs = _in_float32_range(candidate), _in_float32_range(reference)
    return _worst(choose_error_scale([theirs], [ours]), ours, theirs)


def rms(values: NDArray[np.float64]) -> float:
    """Root mean square; 0 of nothing."""
    return math.sqrt(float(np.mean(np.square(values)))) if values.size else 0.0


def _worst(
    scale: ErrorScale, candidate: NDArray[np.float64], reference: NDArray[np.float64]
) -> float:
    """The largest error of numbers of one shape, some of which may not be finite."""
    ours, theirs = scale.values(candidate), scale.values(reference)
    bad = ~np.isfinite(theirs)
    if not np.array_equal(bad, ~np.isfinite(ours)) or not np.array_equal(
        theirs[bad], ours[bad], equal_nan=True
    ):
        return math.inf
    return scale.worst(ours, theirs)


def _in_float32_range(tensor: Array) -> NDArray[np.float64]:
    widened: NDArray[np.float64] = tensor.astype(np.float64)
    beyond = np.abs(widened) > _LARGEST_FLOAT32
    return np.where(beyond, np.copysign(np.inf, widened), widened) if beyond.any() else widened
