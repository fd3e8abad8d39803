"""A median with its interval, and when one has moved from another."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Median:
    """A median, or a quotient of two, with its 95 % interval.

    Attributes:
        middle: above 0.
        low, high: the interval's ends, 0 or more.
    """

    middle: float
    low: float
    high: float

    def over(self, other: "Median") -> "Median":
        """This by ``other``; on a logarithmic scale the half-widths add as independent errors do.

        Both were measured in turns, so their errors are rather alike than independent, and the
        true interval is narrower: the error is on the careful side.
        """
        middle = self.middle / other.middle
        down = math.hypot(_log(self.middle, self.low), _log(other.high, other.middle))
        up = math.hypot(_log(self.high, self.middle), _log(other.middle, other.low))
        return Median(middle, middle * math.exp(-down), middle * math.exp(min(up, 700.0)))


def moved(old: Median, new: Median, threshold: float) -> int:
    """1 if ``new`` is above ``old``, -1 if below, 0 where that may be noise.

    Both must hold: the intervals are disjoint, and the ratio is beyond ``1 + threshold`` or its
    inverse. Disjoint 95 % intervals come by chance in 0.6 % of equal pairs (normal errors:
    1.96 + 1.96 half-widths against a spread of sqrt 2).
    """
    if new.low > old.high and new.middle > (1 + threshold) * old.middle:
        return 1
    return -1 if old.low > new.high and old.middle > (1 + threshold) * new.middle else 0


def _log(above: float, below: float) -> float:
    return math.log(above / below) if below > 0 and above > 0 else math.inf
