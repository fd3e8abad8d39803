"""The race against simulated clocks: who wins, what the hopeless cost, what chance can do."""

from collections.abc import Callable

import numpy as np
import pytest

from paddleport.validate.tune.race import FINALISTS, GaveUp, Racer, equals, race

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


def won(ranked: list[Racer[str]]) -> set[str]:
    return {runner.what for runner in equals(ranked)}


MEANS = {f"c{index}": 3.0 * 1.25**index for index in range(16)}


@pytest.mark.parametrize("seed", range(10))
def test_the_fastest_wins(seed: int) -> None:
    ranked = race(list(MEANS), Clock(MEANS, seed=seed), 60.0)
    assert ranked[0].what == "c0"
    assert won(ranked) == {"c0"}
    assert len(ranked) == len(MEANS)


def test_the_hopeless_cost_little() -> None:
    clock = Clock(MEANS)
    race(list(MEANS), clock, 60.0)
    hopeless = [seconds for name, seconds in clock.spent_s.items() if MEANS[name] > 6.0]
    assert sum(hopeless) < 0.2 * 60.0
    assert clock.spent_s["c0"] > 8 * max(hopeless)
    assert sum(clock.spent_s.values()) == pytest.approx(60.0, rel=0.05)


@pytest.mark.parametrize("seed", range(10))
def test_equals_stay_equal_and_two_runs_choose_among_them(seed: int) -> None:
    means = {"a": 3.0, "b": 3.02, "c": 3.05, **{f"slow{index}": 5.0 + index for index in range(9)}}
    first = won(race(list(means), Clock(means, noise=0.06, seed=seed), 40.0))
    second = won(race(list(means), Clock(means, noise=0.06, seed=seed + 100), 40.0))
    assert first <= {"a", "b", "c"}
    assert second <= {"a", "b", "c"}
    assert first & second


def test_one_that_gives_up_is_out_with_its_reason() -> None:
    clock = Clock(MEANS)

    def measure(name: str, seconds: float) -> list[float]:
        if name == "c0" and clock.spent_s["c0"] > 0:
            raise GaveUp("it crashed")
        return clock(name, seconds)

    ranked = race(list(MEANS), measure, 20.0)
    assert ranked[0].what == "c1"
    assert (ranked[-1].what, ranked[-1].failed) == ("c0", "it crashed")


def test_all_give_up() -> None:
    def measure(name: str, seconds: float) -> list[float]:
        raise GaveUp(f"no {name}")

    ranked = race(["a", "b"], measure, 1.0)
    assert {runner.failed for runner in ranked} == {"no a", "no b"}
    assert equals(ranked) == []


@pytest.mark.parametrize("count", [1, 2, FINALISTS, FINALISTS + 1])
def test_a_small_field(count: int) -> None:
    means = dict(list(MEANS.items())[:count])
    told: list[list[str]] = []
    ranked = race(list(means), Clock(means), 5.0, between=lambda left: told.append(list(left)))
    assert ranked[0].what == "c0"
    assert "c0" in told[-1]


@pytest.mark.parametrize("seed", range(5))
def test_what_disturbs_everybody_makes_nobody_equal(seed: int) -> None:
    random, calls = np.random.default_rng(seed), iter(range(10_000))
    weather = np.repeat(random.choice([1.0, 1.6, 2.5], 5_000), 2)  # a round of two turns each
    weather[:4] = 1.0  # the first rounds are not in turn

    def measure(name: str, seconds: float) -> list[float]:
        return list({"fast": 2.0, "slow": 2.6}[name] * weather[next(calls)] * np.ones(20))

    ranked = race(["fast", "slow"], measure, 20.0)
    fast, slow = (next(item for item in ranked if item.what == name) for name in ("fast", "slow"))
    assert slow.interval[0] < fast.interval[1], "the weather is worse than the difference"
    assert won(ranked) == {"fast"}
