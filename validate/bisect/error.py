"""How far a value is off: the tolerance's unit, for one tensor at a time."""

import math

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array
from paddleport.validate.compare.yardstick import Yardstick, yardstick

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
    given, wanted = _in_float32_range(judged), _in_float32_range(voice)
    return _worst(Yardstick("values", rms(wanted[np.isfinite(wanted)])), given, wanted)


def output_error(judged: Array, voice: Array) -> float:
    """As ``relative_error``, on the yardstick that the report has for a model's output.

    Probabilities that add up to 1 are compared by their centred logarithms: a softmax hides
    what happens to its small classes. Other probabilities have the report's least scale.
    """
    if judged.shape != voice.shape or judged.dtype.kind != "f" or voice.dtype.kind != "f":
        return relative_error(judged, voice)
    given, wanted = _in_float32_range(judged), _in_float32_range(voice)
    return _worst(yardstick([wanted], [given]), given, wanted)


def rms(values: NDArray[np.float64]) -> float:
    """Root mean square; 0 of nothing."""
    return math.sqrt(float(np.mean(np.square(values)))) if values.size else 0.0


def _worst(found: Yardstick, judged: NDArray[np.float64], voice: NDArray[np.float64]) -> float:
    """The largest error of numbers of one shape, some of which may not be finite."""
    given, wanted = found.values(judged), found.values(voice)
    bad = ~np.isfinite(wanted)
    if not np.array_equal(bad, ~np.isfinite(given)) or not np.array_equal(
        wanted[bad], given[bad], equal_nan=True
    ):
        return math.inf
    return found.worst(given, wanted)


def _in_float32_range(tensor: Array) -> NDArray[np.float64]:
    exact: NDArray[np.float64] = tensor.astype(np.float64)
    beyond = np.abs(exact) > _LARGEST_FLOAT32
    return np.where(beyond, np.copysign(np.inf, exact), exact) if beyond.any() else exact
