"""Outputs on feeds of another size: the same but for rounding, or of another computation?"""

import math
from collections.abc import Mapping

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.compare.comparison import output_pairs

_MORE_ROWS = 0.1  # by which an output's length may differ: a box more or less on an edge

Outputs = Mapping[str, Array]


def difference_beyond_rounding(expected: Outputs, given: Outputs, far: float) -> str:
    """What tells other numbers than rounding gives; empty where nothing does."""
    if len(expected) != len(given):
        return f"{len(given)} outputs instead of {len(expected)}"
    for ours, theirs in output_pairs(expected, given):
        one, other = expected[ours].shape, given[theirs].shape
        lengths = sorted((one[:1] or (0,)) + (other[:1] or (0,)))
        same = len(one) == len(other) and one[1:] == other[1:]
        if not same or lengths[1] - lengths[0] > _MORE_ROWS * lengths[1]:
            return f"output {theirs} is {list(other)} instead of {list(one)}"
    found = distance(expected, given)
    return f"other numbers than Paddle's, by {found:.2g} of their scale" if found > far else ""


def distance(expected: Outputs, given: Outputs) -> float:
    """The largest difference of an output of equal shape, in its root mean square or 1."""
    found = 0.0
    for ours, theirs in output_pairs(expected, given):
        one, other = expected[ours], given[theirs]
        if one.shape != other.shape or not one.size:
            continue
        if one.dtype.kind != "f":
            found = max(found, float((one != other).mean()))
            continue
        known = np.isfinite(one) & np.isfinite(other)
        exact, near = one[known].astype(np.float64), other[known].astype(np.float64)
        scale = math.sqrt(float((exact**2).mean())) if exact.size else 0.0
        worst = float((abs(exact - near) / (abs(exact) + scale)).max()) if scale else 0.0
        found = max(found, worst)
    return found
