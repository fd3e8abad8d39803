"""Successive halving with simulated clocks: what is chosen, what slow ones cost, what is chance."""

from collections.abc import Callable

import numpy as np
import pytest

from paddleport.validate.tune.successive_halving import (
    LAST_RUNG,
    MeasurementFailed,
    TimedConfiguration,
    equally_fast,
    halve_successively,
)

Measure = Callable[[str, float], list[float]]


class Clock:
    """Milliseconds by name, with drift from round to round, and what each has cost."""

    def __init__(self, means: dict[str, float], noise: float = 0.03, seed: int = 1) -> None:
        self.means, self.noise = means, noise
        self.random = np.random.default_rng(seed)
        self.spent_s = dict.fromkeys(means, 0.0)

    def __call__(self, name: str, seconds: float) -> list[float]:
        self.spent_s[name] += seconds
        drift = 1 + self.noise * self.random.normal()
        count = max(1, round(seconds * 1e3 / self.means[name]))
        runs = 1 + 0.02 * np.abs(self.random.normal(size=min(count, 200)))
        return list(self.means[name] * drift * runs)


def chosen(ranked: list[TimedConfiguration[str]]) -> set[str]:
    return {item.configuration for item in equally_fast(ranked)}


MEANS = {f"c{index}": 3.0 * 1.25**index for index in range(16)}


@pytest.mark.parametrize("seed", range(10))
def test_the_fastest_is_chosen(seed: int) -> None:
    ranked = halve_successively(list(MEANS), Clock(MEANS, seed=seed), 60.0)
    assert ranked[0].configuration == "c0"
    assert chosen(ranked) == {"c0"}
    assert len(ranked) == len(MEANS)


def test_slow_ones_cost_little() -> None:
    clock = Clock(MEANS)
    halve_successively(list(MEANS), clock, 60.0)
    slow = [seconds for name, seconds in clock.spent_s.items() if MEANS[name] > 6.0]
    assert sum(slow) < 0.2 * 60.0
    assert clock.spent_s["c0"] > 8 * max(slow)
    assert sum(clock.spent_s.values()) == pytest.approx(60.0, rel=0.05)


@pytest.mark.parametrize("seed", range(10))
def test_equals_stay_equal_and_two_runs_choose_among_them(seed: int) -> None:
    means = {"a": 3.0, "b": 3.02, "c": 3.05, **{f"slow{index}": 5.0 + index for index in range(9)}}
    first = chosen(halve_successively(list(means), Clock(means, noise=0.06, seed=seed), 40.0))
    second = chosen(
        halve_successively(list(means), Clock(means, noise=0.06, seed=seed + 100), 40.0)
    )
    assert first <= {"a", "b", "c"}
    assert second <= {"a", "b", "c"}
    assert first & second


def test_one_that_fails_is_out_with_its_reason() -> None:
    clock = Clock(MEANS)

    def measure(name: str, seconds: float) -> list[float]:
        if name == "c0" and clock.spent_s["c0"] > 0:
            raise MeasurementFailed("it crashed")
        return clock(name, seconds)

    ranked = halve_successively(list(MEANS), measure, 20.0)
    assert ranked[0].configuration == "c1"
    assert (ranked[-1].configuration, ranked[-1].failed) == ("c0", "it crashed")


def test_all_fail() -> None:
    def measure(name: str, seconds: float) -> list[float]:
        raise MeasurementFailed(f"no {name}")

    ranked = halve_successively(["a", "b"], measure, 1.0)
    assert {item.failed for item in ranked} == {"no a", "no b"}
    assert equally_fast(ranked) == []


@pytest.mark.parametrize("count", [1, 2, LAST_RUNG, LAST_RUNG + 1])
def test_a_few_configurations(count: int) -> None:
    means = dict(list(MEANS.items())[:count])
    lefts: list[list[str]] = []
    ranked = halve_successively(
        list(means), Clock(means), 5.0, on_rung=lambda left: lefts.append(list(left))
    )
    assert ranked[0].configuration == "c0"
    assert "c0" in lefts[-1]


@pytest.mark.parametrize("seed", range(5))
def test_what_disturbs_all_makes_none_equal(seed: int) -> None:
    random, calls = np.random.default_rng(seed), iter(range(10_000))
    disturbance = np.repeat(random.choice([1.0, 1.6, 2.5], 5_000), 2)  # a round of two turns each
    disturbance[:4] = 1.0  # the first rounds are not in turn

    def measure(name: str, seconds: float) -> list[float]:
        return list({"fast": 2.0, "slow": 2.6}[name] * disturbance[next(calls)] * np.ones(20))

    ranked = halve_successively(["fast", "slow"], measure, 20.0)
    fast, slow = (
        next(item for item in ranked if item.configuration == name) for name in ("fast", "slow")
    )
    assert slow.interval[0] < fast.interval[1], "the disturbance is worse than the difference"
    assert chosen(ranked) == {"fast"}
