"""The interval of a median: how often it holds the truth."""

import numpy as np
import pytest

from paddleport.tensors import Array
from paddleport.validate.benchmark.bootstrap import median_interval
from paddleport.validate.benchmark.latency import ConfigurationRounds, Latency

TRUTH_MS = 5.0
TRIALS = 200


def correlated_rounds(
    generator: np.random.Generator, rounds: int, *, runs: int = 40, between: float = 0.02
) -> list[Array]:
    """Rounds that share their moment's clock rate, of runs that resemble the one before."""
    found = []
    for _ in range(rounds):
        noise = generator.normal(0, 0.02, runs)
        for run in range(1, runs):
            noise[run] = 0.5 * noise[run - 1] + 0.75**0.5 * noise[run]
        found.append(TRUTH_MS * np.exp(generator.normal(0, between) + noise))
    return found


def independent_interval(rounds: list[Array]) -> tuple[float, float]:
    """What one gets who takes all runs for independent: planted, to be caught."""
    pooled = np.concatenate(rounds)
    generator = np.random.default_rng(0)
    medians = np.median(generator.choice(pooled, (300, len(pooled))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


def covered(interval: tuple[float, float]) -> bool:
    return interval[0] <= TRUTH_MS <= interval[1]


@pytest.mark.parametrize("rounds", [3, 6])
def test_it_covers_the_true_median_and_an_independent_one_does_not(rounds: int) -> None:
    ours = theirs = 0
    for trial in range(TRIALS):
        drawn = correlated_rounds(np.random.default_rng(trial), rounds)
        ours += covered(median_interval(drawn))
        theirs += covered(independent_interval(drawn))
    assert ours >= 0.9 * TRIALS
    assert theirs < 0.6 * TRIALS


def stopped_when_narrow(trial: int) -> Latency:
    generator = np.random.default_rng(trial)
    configuration = ConfigurationRounds(batch=1, threads=1, scope="inference", budget_s=3.0)
    while not configuration.ended:
        configuration.go_round(lambda _: correlated_rounds(generator, 1, between=0.015)[0].tolist())
    assert configuration.latency is not None
    return configuration.latency


def test_it_covers_the_truth_where_the_rig_stops_as_soon_as_it_is_narrow() -> None:
    """Looking after every round and stopping at a lucky one must not cost too much of it."""
    found = [stopped_when_narrow(trial) for trial in range(TRIALS)]
    assert sum(covered(item.interval_ms) for item in found) >= 0.9 * TRIALS
    settled = [item for item in found if item.settled]
    assert 0.2 * TRIALS < len(settled) < 0.9 * TRIALS  # it does stop at both
    assert sum(covered(item.interval_ms) for item in settled) >= 0.9 * len(settled)


def test_equal_times_give_an_equal_interval_around_the_median() -> None:
    drawn = correlated_rounds(np.random.default_rng(1), 5)
    low, high = median_interval(drawn)
    assert (low, high) == median_interval(drawn)
    assert low < np.median(np.concatenate(drawn)) < high
    scaled = median_interval([times * 1000 for times in drawn])
    assert scaled == pytest.approx((low * 1000, high * 1000))


def test_more_rounds_narrow_it_and_more_runs_of_the_same_rounds_hardly_do() -> None:
    def width(rounds: int, runs: int) -> float:
        found = [
            median_interval(correlated_rounds(np.random.default_rng(trial), rounds, runs=runs))
            for trial in range(10)
        ]
        return float(np.mean([high - low for low, high in found]))

    assert width(12, 40) < 0.6 * width(4, 40)
    assert width(4, 400) > 0.7 * width(4, 40)


def test_too_few_rounds_say_nothing_but_the_range() -> None:
    assert median_interval([np.array([3.0, 1.0]), np.array([2.0])]) == (1.0, 3.0)


def test_rounds_of_unequal_length_and_of_very_many_runs() -> None:
    generator = np.random.default_rng(0)
    rounds = [generator.normal(5, 0.1, runs) for runs in (1, 50, 200_000)]
    low, high = median_interval(rounds)
    assert 4 < low < 5 < high < 6
    assert median_interval([np.array([5.0])] * 3) == (5.0, 5.0)
