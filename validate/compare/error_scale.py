"""The scale in which an output's error is measured, and the error of one tensor in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paddleport.runners.tasks.classification import (
    SOFTMAX_DEPTH,
    is_softmax,
    log_probabilities,
)
from paddleport.tensors import Array, format_shape

Measure = Literal["values", "log-probabilities", "equality"]
_PROBABILITY_SCALE = 0.01  # times the fp32 limit: 1e-6, which is 17 units of 2^-24
_LIKELY = 1e-3
_NEARLY = 1 - 1e-3  # times SOFTMAX_DEPTH: what may be rounded to the floor
_SUM_ERROR = 1e-3  # of the probabilities that a log-softmax stands for
_LEAST = float(np.finfo(np.float64).smallest_subnormal)
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class ErrorScale:
    """How one output is measured.

    Native Paddle's softmax and log-softmax have a floor (``SOFTMAX_DEPTH`` below the largest of
    a row), other runtimes' go on. Where the reference reaches it, what is below counts as at it,
    on both sides. A softmax is then measured from the largest of its row and not from the mean
    of its logarithms, in which what is not known would have a part.

    Attributes:
        measure: by values, by log-probabilities, or by equality for whole numbers.
        scale: the ``scale`` of ``Tolerance``; 0 for equality.
        floor_axis: the axis of the classes where the reference reaches that floor; else ``None``.
    """

    measure: Measure
    scale: float
    floor_axis: int | None = None

    def values(self, tensor: Array) -> NDArray[np.float64]:
        """A tensor as the numbers that are compared."""
        exact: NDArray[np.float64] = np.asarray(tensor, np.float64)
        if self.measure == "log-probabilities":
            logs = log_probabilities(exact)
            return _centred(logs) if self.floor_axis is None else _from_largest(logs)
        if self.floor_axis is None or not exact.size:
            return exact
        floor = exact.max(axis=self.floor_axis, keepdims=True) - SOFTMAX_DEPTH
        floored: NDArray[np.float64] = np.maximum(exact, floor)
        return floored

    def shows(self, tensor: Array) -> NDArray[np.bool_]:
        """Where an element, moved a little, would be seen to have moved.

        Not where it is not finite or at the floor; nor where it is the largest of a softmax that
        has such a floor, from which the others are measured.
        """
        seen: NDArray[np.bool_] = np.isfinite(tensor)
        if self.floor_axis is None or not tensor.size:
            return seen
        exact = np.asarray(tensor, np.float64)
        if self.measure == "log-probabilities":
            depth = -_from_largest(log_probabilities(exact))
            seen &= depth > 0
        else:
            depth = exact.max(axis=self.floor_axis, keepdims=True) - exact
        seen &= depth < SOFTMAX_DEPTH * _NEARLY
        return seen

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

    def error_below_floor(self, candidate: Array, reference: Array) -> float:
        """As ``error``, with what native Paddle's floor hides, in the same unit.

        For two answers of float64, which knows what is below. A row whose other classes are all
        at the floor says nothing of how far they moved there, nor how near they came to it.
        """
        found = self.error(candidate, reference)
        if self.floor_axis is None or not math.isfinite(found) or not candidate.size:
            return found
        ours, theirs = (
            _from_largest(np.log(np.maximum(item, _LEAST)))
            if self.measure == "log-probabilities"
            else item
            for item in (np.asarray(candidate, np.float64), np.asarray(reference, np.float64))
        )
        apart = np.abs(ours - theirs) / self.unit(self.values(reference))
        return max(found, float(apart[np.isfinite(apart)].max(initial=0.0)))

    def worst(self, candidate: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
        """As ``error``, for numbers that are ``values`` already and have one shape."""
        return float(self.errors(candidate, reference).max(initial=0.0))

    def errors(
        self, candidate: NDArray[np.float64], reference: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The error of each element, likewise; 0 where the reference is not finite."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.asarray(np.abs(candidate - reference))
            # A reference that is zero throughout has no scale: what is not zero is infinitely far.
            np.divide(found, self.unit(reference), out=found, where=found != 0)
        finite = np.isfinite(reference)
        if not finite.all():
            found[~finite] = 0.0
        found[np.isnan(found)] = np.inf
        return found


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
    filled = [tensor for tensor in (*reference, *candidate) if tensor.size]
    logarithmic = bool(filled) and all(is_softmax(tensor) for tensor in filled)
    measured = ErrorScale(
        "log-probabilities" if logarithmic else "values",
        0.0,
        _floor_axis(reference, logarithmic=logarithmic),
    )
    chosen = [reference[index] for index in typical or range(len(reference))]
    tensors = [measured.values(tensor) for tensor in chosen]
    return replace(measured, scale=_scale(tensors, logarithmic=logarithmic))


def structural_difference(reference: Array, candidate: Array, *, any_number: bool = False) -> str:
    """Why two tensors cannot be compared by value; empty where they can.

    Args:
        reference: what is held against.
        candidate: what is held.
        any_number: whatever is not finite in the reference may be anything.
    """
    if reference.shape != candidate.shape:
        if reference.ndim == candidate.ndim and reference.shape[1:] == candidate.shape[1:]:
            return f"{len(candidate)} rows, the reference has {len(reference)}"
        ours, theirs = format_shape(reference.shape), format_shape(candidate.shape)
        return f"shape [{theirs}], the reference has [{ours}]"
    both_float = np.issubdtype(reference.dtype, np.floating) and np.issubdtype(
        candidate.dtype, np.floating
    )
    if reference.dtype != candidate.dtype and not both_float:
        return f"type {candidate.dtype}, the reference has {reference.dtype}"
    if both_float and not any_number:
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
    return ""


def centred_log(tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities are logits up to a constant per row; centred, they are comparable."""
    return _centred(log_probabilities(tensor))


def _centred(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = logs - logs.mean(axis=-1, keepdims=True)
    return centred


def _from_largest(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    return logs - logs.max(axis=-1, keepdims=True) if logs.size else logs


def _floor_axis(reference: Sequence[Array], *, logarithmic: bool) -> int | None:
    """The axis of the classes where a softmax or log-softmax reaches native Paddle's floor."""
    filled = [tensor for tensor in reference if tensor.size]
    depth = SOFTMAX_DEPTH * _NEARLY
    if logarithmic:
        return -1 if any(_reaches_floor(tensor, depth) for tensor in filled) else None
    # values that are near to one another are none of those, and cost no more than this
    if not any(tensor.max() >= tensor.min() + depth for tensor in filled):
        return None
    axes = (-1, 1) if filled[0].ndim > 2 else (-1,)
    return next(
        (axis for axis in axes if all(_is_log_softmax(item, axis) for item in filled)), None
    )


def _reaches_floor(tensor: Array, depth: float) -> bool:
    exact = np.asarray(tensor, np.float64)
    return bool((exact <= exact.max(axis=-1, keepdims=True) * math.exp(-depth)).any())


def _is_log_softmax(tensor: Array, axis: int) -> bool:
    """Whether an axis holds logarithms of probabilities that add up to 1."""
    if tensor.ndim < 2 or tensor.shape[axis] < 2 or not np.isfinite(tensor).all():
        return False
    if tensor.max() > _SUM_ERROR:
        return False
    exact = np.asarray(tensor, np.float64)
    return bool((np.abs(np.exp(exact).sum(axis=axis) - 1) < _SUM_ERROR).all())


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
    widened: NDArray[np.float64] = np.asarray(tensor, np.float64)
    beyond = np.abs(widened) > _LARGEST_FLOAT32
    return np.where(beyond, np.copysign(np.inf, widened), widened) if beyond.any() else widened
