"""How far a value is off: the tolerance's unit, for one tensor at a time."""

import math

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array
from paddleport.validate.yardstick import yardstick

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


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
    wanted = _in_float32_range(voice)
    return _worst(_in_float32_range(judged), wanted, rms(wanted[np.isfinite(wanted)]))


def output_error(judged: Array, voice: Array) -> float:
    """As ``relative_error``, on the yardstick that the report has for a model's output.

    Probabilities that add up to 1 are compared by their centred logarithms: a softmax hides
    what happens to its small classes. Other probabilities have the report's least scale.
    """
    if judged.shape != voice.shape or judged.dtype.kind != "f" or voice.dtype.kind != "f":
        return relative_error(judged, voice)
    given, wanted = _in_float32_range(judged), _in_float32_range(voice)
    found = yardstick([wanted], [given])
    return _worst(found.values(given), found.values(wanted), found.scale)


def rms(values: NDArray[np.float64]) -> float:
    """Root mean square; 0 of nothing."""
    return math.sqrt(float(np.mean(np.square(values)))) if values.size else 0.0


def _worst(given: NDArray[np.float64], wanted: NDArray[np.float64], scale: float) -> float:
    """The largest error of numbers of one shape, some of which may not be finite."""
    finite = np.isfinite(wanted)
    if not np.array_equal(finite, np.isfinite(given)) or not np.array_equal(
        wanted[~finite], given[~finite], equal_nan=True
    ):
        return math.inf
    given, wanted = given[finite], wanted[finite]
    difference = np.abs(given - wanted)
    if not difference.size or not difference.any():
        return 0.0
    # a tensor of zeros has no scale of its own: whatever is not zero is infinitely far
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nanmax(difference / (np.abs(wanted) + scale)))


def _in_float32_range(tensor: Array) -> NDArray[np.float64]:
    exact: NDArray[np.float64] = tensor.astype(np.float64)
    beyond = np.abs(exact) > _LARGEST_FLOAT32
    return np.where(beyond, np.copysign(np.inf, exact), exact) if beyond.any() else exact
