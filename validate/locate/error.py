"""How far a value is off: the tolerance's unit, for one tensor at a time."""

import math

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
_SMALLEST_PROBABILITY = 1e-30  # as the report's own measure has it
_PROBABILITY_SCALE = 0.01  # likewise: of a logarithm of a float32 probability
_SUM_ERROR = 1e-3


def relative_error(judged: Array, voice: Array) -> float:
    """``max |a - b| / (|b| + rms(b))``, the unit of ``Tolerance``, over one tensor.

    0 for equal whole numbers and booleans, infinite for unequal ones, for another shape, and
    where NaN or infinities stand in other places. What float64 holds beyond float32's range
    counts as infinite there.
    """
    if judged.shape != voice.shape:
        return math.inf
    if judged.dtype.kind != "f" and voice.dtype.kind != "f":
        return 0.0 if np.array_equal(judged, voice) else math.inf
    given, wanted = _in_float32_range(judged), _in_float32_range(voice)
    finite = np.isfinite(wanted)
    if not np.array_equal(finite, np.isfinite(given)) or not np.array_equal(
        wanted[~finite], given[~finite], equal_nan=True
    ):
        return math.inf
    given, wanted = given[finite], wanted[finite]
    difference = np.abs(given - wanted)
    if not difference.size or not difference.any():
        return 0.0
    unit = np.abs(wanted) + rms(wanted)
    # a tensor of zeros has no scale of its own: whatever is not zero is infinitely far
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nanmax(difference / unit))


def output_error(judged: Array, voice: Array) -> float:
    """As ``relative_error``; of probabilities that add up to 1, the worse of them and their logs.

    A softmax hides what happens to its small classes; centred logarithms are the logits again.
    """
    plain = relative_error(judged, voice)
    if not (math.isfinite(plain) and _is_softmax(judged) and _is_softmax(voice)):
        return plain
    given, wanted = _centred_log(judged), _centred_log(voice)
    unit = np.abs(wanted) + max(rms(wanted), _PROBABILITY_SCALE)
    return max(plain, float(np.max(np.abs(given - wanted) / unit)))


def rms(values: NDArray[np.float64]) -> float:
    """Root mean square; 0 of nothing."""
    return math.sqrt(float(np.mean(np.square(values)))) if values.size else 0.0


def _in_float32_range(tensor: Array) -> NDArray[np.float64]:
    exact: NDArray[np.float64] = tensor.astype(np.float64)
    beyond = np.abs(exact) > _LARGEST_FLOAT32
    return np.where(beyond, np.copysign(np.inf, exact), exact) if beyond.any() else exact


def _is_softmax(tensor: Array) -> bool:
    if tensor.ndim < 2 or tensor.shape[-1] < 2 or not tensor.size or tensor.dtype.kind != "f":
        return False
    exact = tensor.astype(np.float64)
    sums = exact.sum(axis=-1)
    return bool((exact >= 0).all() and (np.abs(sums - 1) < _SUM_ERROR).all())


def _centred_log(tensor: Array) -> NDArray[np.float64]:
    logits = np.log(np.maximum(tensor.astype(np.float64), _SMALLEST_PROBABILITY))
    centred: NDArray[np.float64] = logits - logits.mean(axis=-1, keepdims=True)
    return centred
