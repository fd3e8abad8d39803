"""The rig's waiting: settling, warming up, and how long an answer may take."""

import itertools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_sessions import FakeClock

from paddleport.models.preprocess import Preprocess
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array
from paddleport.validate import hosted_runner
from paddleport.validate.benchmark import machine
from paddleport.validate.hosted_runner import HostedRunner
from paddleport.validate.session import Session
from paddleport.worker import Worker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock()
    monkeypatch.setattr(hosted_runner, "time", made)
    monkeypatch.setattr(machine, "time", made)
    return made


def busy_until(clock: FakeClock, ends: Mapping[int, float]) -> Callable[[int], float | None]:
    """CPU seconds of processes that compute until then."""
    return lambda pid: min(clock.now, ends[pid])


def test_settling_waits_for_the_last_process_that_computes(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_seconds", busy_until(clock, {1: 0.05, 2: 0.2}))
    machine.settle([1, 2])
    assert 0.2 <= clock.now < machine.LONGEST_S


def test_settling_ends_at_once_where_all_is_quiet(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_seconds", busy_until(clock, {1: 0.0}))
    machine.settle([1])
    assert 0 < clock.now < 0.05


@pytest.mark.parametrize("seconds", [lambda clock: clock.now, lambda clock: None])
def test_settling_has_an_end_and_waits_that_long_where_the_system_does_not_tell(
    seconds: Callable[[FakeClock], float | None], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_seconds", lambda pid: seconds(clock))
    machine.settle([1])
    assert clock.now == pytest.approx(machine.LONGEST_S)


def test_warming_up_goes_on_until_runs_get_no_faster(clock: FakeClock) -> None:
    # From 14 to 4 ms, then steady.
    faster = itertools.chain((0.014 - 0.0005 * n for n in range(20)), itertools.repeat(0.004))
    times = hosted_runner._timed(clock.spend(faster), at_most_s=0.2, warm_up_s=0.1)
    assert times == pytest.approx([4.0] * 50, abs=1e-6)
    assert clock.now < 0.1 * hosted_runner.LONGEST_WARM_UP + 0.25


def test_warming_up_takes_its_time_where_runs_are_steady(clock: FakeClock) -> None:
    hosted_runner._warm_up(clock.spend(itertools.repeat(0.001)), 0.1)
    assert clock.now == pytest.approx(0.1, abs=0.01)


def test_warming_up_ends_where_runs_get_faster_for_ever(clock: FakeClock) -> None:
    faster = (0.01 * 0.9**n for n in itertools.count())
    hosted_runner._warm_up(clock.spend(faster), 0.005)
    assert clock.now <= 0.005 * (hosted_runner.LONGEST_WARM_UP + 1) + 0.01


def test_a_run_of_seconds_is_warmed_up_once_and_counted_once(clock: FakeClock) -> None:
    assert hosted_runner._timed(clock.spend(itertools.repeat(3.0)), 1.0, 0.1) == [3000.0]
    assert clock.now == 6.0


class RecordingWorker(Worker):
    """Answers at once, and keeps what time each question was given."""

    pid = 7

    def __init__(self) -> None:
        self.timeouts_s: dict[str, float] = {}

    def hold(self, function: Any, timeout_s: float, /, *args: Any, **kwargs: Any) -> Any:
        return "handle"

    def call(self, function: Any, timeout_s: float, /, *args: Any, **kwargs: Any) -> Any:
        self.timeouts_s[function.__name__] = timeout_s
        answers: dict[object, Any] = {
            HostedRunner.facts: ("fp32", 1.0, (), "cpu", False),
            HostedRunner.costs: (1.0, None),
        }
        return answers.get(function, [1.0])


def test_a_round_may_hold_a_warm_up_and_a_run_that_each_take_all_their_time() -> None:
    worker = RecordingWorker()
    model: Any = SimpleNamespace()
    session = Session("reference", model, RunnerOptions(threads=1), worker=worker, timeout_s=300)
    array: Array = np.zeros(1)
    session.run_all([{"x": array}])
    session.time_ms({"x": array}, at_most_s=0.5, warm_up_s=0.1)
    session.time_from_jpeg_ms(b"", Preprocess(), 1, 0.5, warm_up_s=0.1)
    assert worker.timeouts_s["run"] == 300
    assert 600 < worker.timeouts_s["time_ms"] < 602
    assert 600 < worker.timeouts_s["time_from_jpeg_ms"] < 602
    session.time_ms({"x": array}, at_most_s=0.5)
    assert 300 < worker.timeouts_s["time_ms"] < 302
