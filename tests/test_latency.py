"""One configuration: when it ends, and what it says then."""

import numpy as np
import pytest

from paddleport.validate.benchmark.latency import ConfigurationRounds, Latency


def gone_through(configuration: ConfigurationRounds, rounds: list[list[float]]) -> Latency:
    """Rounds until the configuration has ended; as many as it wants, and all that there are."""
    left = list(rounds)
    while not configuration.ended:
        configuration.go_round(lambda _: left.pop(0))
    assert not left
    assert configuration.latency is not None
    return configuration.latency


def test_steady_times_settle_after_three_rounds() -> None:
    configuration = ConfigurationRounds(batch=1, threads=2, scope="inference", budget_s=3.0)
    found = gone_through(configuration, [[5.0] * 100] * 3)
    assert found.settled
    assert found.interval_ms == (5.0, 5.0)
    assert configuration.spent_s == configuration.budget_s  # no more work is left, though time is


def test_drifting_times_spend_the_budget_and_are_not_settled() -> None:
    found = gone_through(
        ConfigurationRounds(batch=1, threads=2, scope="inference", budget_s=3.0),
        [[5.0 + n] * 40 for n in range(6)],
    )
    assert not found.settled
    assert found.round_p50_ms == (5.0, 6.0, 7.0, 8.0, 9.0, 10.0)


def test_just_within_two_percent_is_settled_and_just_beyond_is_not() -> None:
    def found(spread: float) -> Latency:
        rounds = [[5.0 * factor] * 20 for factor in (1 - spread, 1.0, 1 + spread)]
        return gone_through(
            ConfigurationRounds(batch=1, threads=1, scope="inference", budget_s=0.4), rounds
        )

    assert found(0.005).settled
    assert not found(0.02).settled


def test_every_round_is_given_how_long_it_may_take() -> None:
    asked: list[float] = []

    def time_ms(at_most_s: float) -> list[float]:
        asked.append(at_most_s)
        return [1.0 + len(asked)] * 10

    configuration = ConfigurationRounds(batch=1, threads=1, scope="inference", budget_s=3.0)
    while not configuration.ended:
        configuration.go_round(time_ms)
    assert asked == [0.5] * 6


def test_a_run_that_is_longer_than_the_budget_is_run_once() -> None:
    found = gone_through(
        ConfigurationRounds(batch=1, threads=1, scope="inference", budget_s=1.0), [[3000.0]]
    )
    assert (found.runs, found.settled) == (1, False)
    assert found.interval_ms == (3000.0, 3000.0)


def test_overlong_rounds_end_it_before_the_last() -> None:
    found = gone_through(
        ConfigurationRounds(batch=1, threads=1, scope="inference", budget_s=3.0),
        [[900.0], [950.0], [910.0], [990.0]],
    )
    assert (found.runs, found.settled) == (4, False)


def test_the_figures() -> None:
    times = [n / 100 for n in range(1, 101)]
    found = gone_through(
        ConfigurationRounds(batch=4, threads=2, scope="end to end", budget_s=0.4), [times] * 3
    )
    assert (found.batch, found.threads, found.scope) == (4, 2, "end to end")
    assert (found.p50_ms, found.mean_ms) == pytest.approx((0.505, 0.505))
    assert (found.p90_ms, found.p99_ms) == tuple(np.percentile(times * 3, [90, 99]))
    assert found.pictures_per_s == pytest.approx(4 / 0.000505)
    assert found.runs == 300


def test_its_share_of_the_work_grows_to_the_budget() -> None:
    configuration = ConfigurationRounds(batch=1, threads=1, scope="inference", budget_s=3.0)
    shares = [configuration.spent_s]
    for times in ([4.0] * 100, [8.0] * 100, [6.0] * 50, [7.0] * 300):
        configuration.go_round(lambda _, times=times: times)  # type: ignore[misc]  # a default argument
        shares.append(configuration.spent_s)
    # A round counts at least what it was given.
    assert shares == pytest.approx([0, 0.5, 1.3, 1.8, 3.0])
    assert configuration.ended
