"""Intervals and tests on shares: against SciPy, and by simulated coverage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm  # type: ignore[import-untyped]  # has no type hints

from paddleport.validate.evaluate.accuracy.accuracy_verdict import (
    answer_changes,
    judge_against_published,
    judge_drop,
)
from paddleport.validate.evaluate.accuracy.proportions import (
    Z_ONE_SIDED,
    Z_POWER,
    Z_TWO_SIDED,
    mcnemar,
    newcombe_interval,
    pictures_needed,
    tango_interval,
    tango_score,
    wilson_interval,
)


def test_the_normal_distribution() -> None:
    assert pytest.approx(norm.ppf([0.975, 0.95, 0.9])) == [Z_TWO_SIDED, Z_ONE_SIDED, Z_POWER]


@settings(deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1))
def test_wilson_is_scipys(count: int, share: float) -> None:
    right = round(share * count)
    wanted = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right, count) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_is_scipys_binomial_test(lost: int, gained: int) -> None:
    wanted = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    # SciPy's own sum is 0 below some 1e-299.
    assert mcnemar(lost, gained) == pytest.approx(wanted, rel=1e-9, abs=1e-290)


@pytest.mark.parametrize(("lost", "gained"), [(500_000, 501_900), (90_000, 0), (7, 1_200_000)])
def test_mcnemar_of_big_counts(lost: int, gained: int) -> None:
    wanted = binomtest(lost, lost + gained).pvalue
    assert mcnemar(lost, gained) == pytest.approx(wanted, rel=1e-6, abs=1e-300)


def test_tango_is_that_of_other_programs() -> None:
    """R's ``PropCIs::scoreci.mp`` and the example of Fagerland's "Contingency tables" (2017)."""
    assert tango_interval(28, 25, 618, Z_ONE_SIDED) == pytest.approx((-0.0148, 0.0247), abs=5e-5)
    assert tango_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


def likelihood(gains: float, lost: int, gained: int, count: int, difference: float) -> float:
    same = count - lost - gained
    terms = ((lost, gains + difference), (gained, gains), (same, 1 - 2 * gains - difference))
    return sum(number * math.log(share) for number, share in terms if number)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 400), st.floats(-0.5, 0.5))
def test_tangos_gains_are_the_likeliest(
    lost: int, gained: int, same: int, difference: float
) -> None:
    """The standard error in the score is that of the maximum likelihood, by plain search."""
    count = lost + gained + same
    score = tango_score(lost, gained, count, difference)
    distance = lost - gained - count * difference
    if abs(distance) < 1e-6 or not math.isfinite(score) or not score:
        return
    gains = ((distance / score) ** 2 / count - difference * (1 - difference)) / 2
    grid = np.linspace(max(0, -difference) + 1e-6, (1 - difference) / 2 - 1e-6, 4001)
    best = max(likelihood(float(item), lost, gained, count, difference) for item in grid)
    inside = min(max(gains, grid[0]), grid[-1])
    assert likelihood(inside, lost, gained, count, difference) >= best - 1e-3


@pytest.mark.parametrize(
    ("count", "lost", "gained"),
    [
        *((100, 0.05, 0.05), (1000, 0.02, 0.02), (1000, 0.04, 0.01)),
        *((5000, 0.015, 0.005), (300, 0.10, 0.02), (50_000, 0.011, 0.001)),
    ],
)
def test_tangos_coverage(count: int, lost: float, gained: float) -> None:
    """Of 4000 drawn experiments about 95 % hold the truth, and 5 % lie wholly on either side."""
    both, above, below = covered(count, lost, gained)
    assert 0.94 <= both <= 0.965
    assert max(above, below) <= 0.062


def test_tangos_coverage_with_few_changed_pictures() -> None:
    """With 8 to be expected it is an approximation: of the 5 % on one side there are 7 at most."""
    both, above, below = covered(200, 0.03, 0.01)
    assert both >= 0.93
    assert max(above, below) <= 0.07


def covered(count: int, lost: float, gained: float) -> tuple[float, float, float]:
    """How often the 95 % interval holds the truth, and one-sided limits are above or below it."""
    random = np.random.default_rng(20260102)
    drawn = random.multinomial(count, [lost, gained, 1 - lost - gained], 4000)
    pairs, times = np.unique(drawn[:, :2], axis=0, return_counts=True)
    both = above = below = 0
    for (one, other), number in zip(pairs.tolist(), times.tolist(), strict=True):
        low, high = tango_interval(one, other, count)
        both += number * (low <= lost - gained <= high)
        low, high = tango_interval(one, other, count, Z_ONE_SIDED)
        above += number * (low > lost - gained)
        below += number * (high < lost - gained)
    return both / 4000, above / 4000, below / 4000


def test_a_worse_interval_would_be_seen() -> None:
    """The same with Wald's interval, which is known to be too short for rare changes."""
    random = np.random.default_rng(20260102)
    drawn = random.multinomial(100, [0.03, 0.0, 0.97], 4000)
    rate = drawn[:, 0] / 100
    half = 1.96 * np.sqrt(rate * (1 - rate) / 100)
    assert np.mean((rate - half <= 0.03) & (rate + half >= 0.03)) < 0.93


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 2000))
def test_tango_is_odd_and_holds_the_estimate(lost: int, gained: int, same: int) -> None:
    count = lost + gained + same
    low, high = tango_interval(lost, gained, count)
    assert -1 <= low <= high <= 1
    if count:
        assert low - 1e-9 <= (lost - gained) / count <= high + 1e-9
    assert tango_interval(gained, lost, count) == pytest.approx((-high, -low), abs=1e-9)


def test_newcombes_example() -> None:
    """His table II, method 10: 56 of 70 against 48 of 80 is 0.0524 to 0.3339."""
    found = newcombe_interval((56, 70), (48, 80))
    assert found == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_equal_answers_pass_from_some_number_on() -> None:
    """z squared by z squared and the pictures: 268 show less than one point."""
    assert judge_drop(answer_changes(0, 0, 0, 268), 268, 0.01).verdict == "passed"
    few = judge_drop(answer_changes(0, 0, 0, 267), 267, 0.01)
    assert few.verdict == "unproven"
    assert few.needed == pictures_needed(0, 0, 267, 0.01)


def test_false_alarms_where_nothing_is_gained() -> None:
    """The worst case, which the documentation has: the lost pictures alone, a binomial tail."""
    worst = 0.0
    for count in (300, 380, 520, 820, 980, 3000):
        lost = 0
        while not tango_score(lost, 0, count, 0.01) > Z_ONE_SIDED:
            lost += 1
        worst = max(worst, float(binom.sf(lost - 1, count, 0.01)))
    assert 0.085 < worst < 0.09


def test_false_alarms_and_false_passes_are_rare() -> None:
    """Where the drop is what is let pass, exactly, each of the two errors has its 5 %."""
    random = np.random.default_rng(7)
    drawn = random.multinomial(4000, [0.02, 0.01, 0.97], 3000)
    verdicts = [
        judge_drop(answer_changes(int(lost), int(gained), 0, 4000), 4000, 0.01).verdict
        for lost, gained, _ in drawn
    ]
    shares = {name: verdicts.count(name) / 3000 for name in ("lower", "passed", "unproven")}
    assert shares["lower"] <= 0.06
    assert shares["passed"] <= 0.06
    assert shares["unproven"] >= 0.88


def test_the_number_that_would_do_does() -> None:
    """Of passes with as many pictures as were asked for, 9 of 10 find the drop of 3 points."""
    random = np.random.default_rng(11)
    rates = [0.05, 0.02, 0.93]
    small = [int(item) for item in np.array(rates) * 300]
    found = judge_drop(answer_changes(small[0], small[1], 0, 300), 300, 0.01)
    assert found.verdict == "unproven"
    assert found.needed is not None
    assert f"about {found.needed:,} would do" in found.reason
    drawn = random.multinomial(found.needed, rates, 1000)
    lower = [
        judge_drop(answer_changes(int(lost), int(gained), 0, found.needed), found.needed, 0.01)
        for lost, gained, _ in drawn
    ]
    assert 0.85 <= np.mean([item.verdict == "lower" for item in lower]) <= 0.95


def test_no_number_would_do() -> None:
    found = judge_drop(answer_changes(30, 20, 0, 1000), 1000, 0.01)
    assert (found.verdict, found.needed) == ("unproven", None)
    assert "no number of pictures would tell" in found.reason


def test_against_the_published_figure() -> None:
    assert judge_against_published(36_100, 50_000, 0.722, 0.01).verdict == "passed"
    assert judge_against_published(35_000, 50_000, 0.722, 0.01).verdict == "lower"
    few = judge_against_published(72, 100, 0.722, 0.01)
    assert few.verdict == "unproven"
    assert few.needed is not None and few.needed > 10_000
