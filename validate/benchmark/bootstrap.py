"""How far the median of correlated times can be trusted."""

import math
from collections.abc import Sequence

import numpy as np

from paddleport.tensors import Array

MIN_ROUNDS = 3
_RESAMPLES = 1000
_SEED = 20_240_811
_RUNS_A_ROUND = 512  # more say little more, and cost memory
_NORMAL = 1.959964
# Student's t, 97.5 % quantile, for 2, 3, ... degrees of freedom.
_STUDENT = (4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160)


def median_interval(rounds: Sequence[Array]) -> tuple[float, float]:
    """The 95 % interval of the median of all rounds' runs.

    A two-stage bootstrap (Davison & Hinkley, Bootstrap Methods and their Application, 3.8):
    rounds are drawn with replacement, then runs within each. Runs of one round share their
    moment's clock rate and neighbours, so treating them as independent would give an interval
    that is much too narrow. As a few rounds understate the spread between rounds, the interval
    is widened about the median, on a logarithmic scale, by ``sqrt(n / (n - 1))`` and by
    Student's t over the normal quantile, n being the number of rounds. The generator is
    seeded: equal times, equal interval.

    Args:
        rounds: the times of each round, positive, all of one unit; no round empty.

    Returns:
        Lower and upper end; with fewer than ``MIN_ROUNDS`` rounds the smallest and the largest
        of all times.
    """
    pooled = np.concatenate([np.asarray(times, np.float64) for times in rounds])
    if len(rounds) < MIN_ROUNDS:
        return float(pooled.min()), float(pooled.max())
    generator = np.random.Generator(np.random.PCG64(_SEED))
    thinned = [_thinned(times) for times in rounds]
    sizes = np.array([len(times) for times in thinned])
    starts = np.cumsum(sizes) - sizes
    values = np.concatenate(thinned)
    # As many runs are drawn from a round as the average one has, which for rounds of equal
    # length is as many as it has.
    drawn = generator.integers(0, len(sizes), (_RESAMPLES, len(sizes)))
    share = generator.random((_RESAMPLES, len(sizes), round(sizes.mean())))
    picks = starts[drawn][:, :, None] + (share * sizes[drawn][:, :, None]).astype(np.intp)
    medians = np.median(values[picks].reshape(_RESAMPLES, -1), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    middle = float(np.median(pooled))
    factor = _widening(len(rounds))
    # As a ratio, so that no end falls below zero.
    return (
        middle * min(1.0, float(low) / middle) ** factor,
        middle * max(1.0, float(high) / middle) ** factor,
    )


def _widening(rounds: int) -> float:
    student = _STUDENT[min(rounds - MIN_ROUNDS, len(_STUDENT) - 1)]
    return student / _NORMAL * math.sqrt(rounds / (rounds - 1))


def _thinned(times: Array) -> Array:
    """At most ``_RUNS_A_ROUND`` times with the same distribution."""
    ordered = np.sort(np.asarray(times, np.float64))
    if len(ordered) <= _RUNS_A_ROUND:
        return ordered
    return np.quantile(ordered, (np.arange(_RUNS_A_ROUND) + 0.5) / _RUNS_A_ROUND)
