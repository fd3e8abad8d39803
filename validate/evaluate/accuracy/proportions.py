"""What counts of pictures say of shares: intervals, a paired difference and an exact test.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
JASA 22 (1927) 209-212; R. G. Newcombe, "Interval estimation for the difference between independent
proportions", Statistics in Medicine 17 (1998) 873-890, method 10; T. Tango, "Equivalence test and
confidence interval for the difference in proportions for the paired-sample design", Statistics in
Medicine 17 (1998) 891-908; Q. McNemar, Psychometrika 12 (1947) 153-157.
"""

import math
from collections.abc import Callable

Z_TWO_SIDED = 1.959963984540054  # of the normal distribution: 95 % lie within
Z_ONE_SIDED = 1.6448536269514722  # 95 % lie below
Z_POWER = 1.2815515655446004  # 90 % lie below
_HALVINGS = 60


def wilson_interval(right: int, count: int, z: float = Z_TWO_SIDED) -> tuple[float, float]:
    """Wilson's score interval of a share; 0 to 1 where nothing was counted."""
    if not count:
        return 0.0, 1.0
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    low = 0.0 if right == 0 else max(0.0, middle - half)
    return low, 1.0 if right == count else min(1.0, middle + half)


def newcombe_interval(
    one: tuple[int, int], other: tuple[int, int], z: float = Z_TWO_SIDED
) -> tuple[float, float]:
    """The interval of ``one - other`` for shares of independent pictures, each (right, count)."""
    (low, high), (its_low, its_high) = wilson_interval(*one, z), wilson_interval(*other, z)
    share, its = (right / max(count, 1) for right, count in (one, other))
    below = math.hypot(share - low, its_high - its)
    above = math.hypot(high - share, its - its_low)
    return share - its - below, share - its + above


def tango_score(lost: int, gained: int, count: int, difference: float) -> float:
    """By how many standard errors ``(lost - gained) / count`` lies above a paired difference.

    The standard error is that under the difference, with the likeliest share of gains for it.

    Args:
        lost: pictures that only the first of two answers right.
        gained: pictures that only the second does.
        count: all pictures, at least 1.
        difference: of the shares, strictly between -1 and 1.
    """
    linear = -lost - gained + (2 * count - lost + gained) * difference
    constant = -gained * difference * (1 - difference)
    root = math.sqrt(max(linear * linear - 8 * count * constant, 0.0))
    gains = (root - linear) / (4 * count) if linear <= 0 else -2 * constant / (root + linear)
    variance = count * (2 * gains + difference * (1 - difference))
    distance = lost - gained - count * difference
    if variance <= 0:  # no answer differs, and none is supposed to
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def tango_interval(
    lost: int, gained: int, count: int, z: float = Z_TWO_SIDED
) -> tuple[float, float]:
    """Tango's score interval of ``(lost - gained) / count``; -1 to 1 where nothing was counted."""
    if not count:
        return -1.0, 1.0
    middle = (lost - gained) / count

    def above(limit: float) -> bool:
        return tango_score(lost, gained, count, limit) > z

    def not_below(limit: float) -> bool:
        return tango_score(lost, gained, count, limit) >= -z

    return _boundary(-1.0, middle, above), _boundary(middle, 1.0, not_below)


def mcnemar(lost: int, gained: int) -> float:
    """The exact two-sided p-value of McNemar's test: a fair coin for each changed picture.

    Twice the smaller tail of the binomial distribution, at most 1. The largest term of the tail
    comes from ``lgamma``, the others from it by their ratios, until they no longer count.
    """
    tosses, fewer = lost + gained, min(lost, gained)
    if lost == gained:
        return 1.0
    logarithm = (
        math.lgamma(tosses + 1)
        - math.lgamma(fewer + 1)
        - math.lgamma(tosses - fewer + 1)
        - tosses * math.log(2)
    )
    term = total = 1.0
    for heads in range(fewer, 0, -1):
        term *= heads / (tosses - heads + 1)
        total += term
        if term < 1e-18 * total:
            break
    return min(1.0, 2 * total * math.exp(logarithm))


def pictures_needed(lost: int, gained: int, count: int, limit: float) -> int | None:
    """How many pictures would tell on which side of ``limit`` the drop is, 9 times out of 10.

    Tango's score grows with the root of the number of pictures while the shares of changed
    answers stay as they are; it has to be ``Z_ONE_SIDED`` on average and ``Z_POWER`` more for
    chance.

    Returns:
        ``None`` where the drop is the limit itself, as far as can be seen: no number would do.
    """
    score = tango_score(lost, gained, count, limit)
    if not abs(score) > 1e-3:
        return None
    return math.ceil(count * ((Z_ONE_SIDED + Z_POWER) / score) ** 2)


def _boundary(low: float, high: float, holds: Callable[[float], bool]) -> float:
    """Where ``holds``, true at ``low``, ends before ``high``."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2
