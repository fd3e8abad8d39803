"""Whether a file and what runs it are right, and whether a verdict on them is a false alarm.

Nothing here knows how paddleport compares: the errors are those against Paddle's own double
precision, and the measure of what is allowed is what rounding the weights to float32 does to the
network, and how far native Paddle in single precision is itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import double_precision
import numpy as np

from paddleport.tensors import Array

Truth = Literal["right", "wrong", "unknown"]
Mistake = Literal["", "false alarm", "missed", "needlessly unproven"]

SMALL_ERROR = 1e-4
"""An error below this, in units of the output's spread, is never called wrong."""

ROUNDING_FACTOR = 8.0
"""Rounding once more, in another order, moves an output by a few times as much at most."""

CHAOS = 0.1
"""Where rounding moves an output by this much of its spread, there may be no answer to prove."""


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """What rounding alone does, feed by feed, in units of the output's spread.

    Attributes:
        paddle: native Paddle's single precision against its double.
        weights: double precision with weights off by float32's roundoff, against itself.
    """

    paddle: tuple[float, ...]
    weights: tuple[float, ...]

    @property
    def amplified(self) -> float:
        """The most over the feeds; NaN if Paddle gives no finite value on any feed."""
        finite = [value for value in self.either if math.isfinite(value)]
        return max(finite, default=math.nan)

    @property
    def either(self) -> tuple[float, ...]:
        """The larger of the two, feed by feed; NaN where Paddle gives none."""
        both: Array = np.maximum(self.paddle, self.weights)  # which keeps NaN, as max does not
        return tuple(both.tolist())


def rounding(truth: Mapping[str, Array]) -> Rounding:
    """From what ``ExportedNetwork.truth`` holds."""
    double = truth["double"]
    draws = [double_precision.errors(draw, double, softmax=False) for draw in truth["disturbed"]]
    return Rounding(
        paddle=double_precision.errors(truth["paddle"], double, softmax=False),
        weights=tuple(float(np.max(feed)) for feed in zip(*draws, strict=True)),
    )


def file_truth(errors: Sequence[float], rounding: Rounding) -> Truth:
    """Of an ONNX graph computed in double precision: are its weights Paddle's, but for rounding?

    Native Paddle's own error is no excuse for a file; an error on a feed where rounding alone
    makes another output says nothing.
    """
    return _truth(errors, rounding.weights)


def backend_truth(errors: Sequence[float], rounding: Rounding) -> Truth:
    """Of a backend's single precision: is it as near to the truth as native Paddle is?"""
    return _truth(errors, rounding.either)


def _truth(errors: Sequence[float], allowed: Sequence[float]) -> Truth:
    """Right where every telling feed is; a feed on which Paddle is not finite tells nothing."""
    telling = [
        error <= max(SMALL_ERROR, ROUNDING_FACTOR * one)
        for error, one in zip(errors, allowed, strict=True)
        if math.isfinite(one)
    ]
    if not telling:
        return "unknown"
    return "right" if all(telling) else "wrong"


def mistake(verdict: str, truth: Truth, rounding: Rounding) -> Mistake:
    """What is wrong with a verdict.

    Args:
        verdict: of ``convert``, or of a row of ``validate``.
        truth: of what it is on.
        rounding: what it alone does; where that is chaos, nothing can be proven.
    """
    if verdict == "differs" and truth == "right":
        return "false alarm"
    if verdict == "agrees" and truth == "wrong":
        return "missed"
    if verdict == "unproven" and truth == "right" and rounding.amplified < CHAOS:
        return "needlessly unproven"
    return ""
