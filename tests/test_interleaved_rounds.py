"""Interleaved rounds, with planted sessions and clocks: turns, warm-up, settling, refusals."""

from collections.abc import Callable

import numpy as np
import pytest
from fake_sessions import Call, Drifting, FakeSession, TimesMs, steady

from paddleport.errors import BackendUnavailableError, FeedError, WorkerCrashed
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Feed
from paddleport.validate.benchmark import interleaved_rounds
from paddleport.validate.benchmark.interleaved_rounds import measure
from paddleport.validate.benchmark.timed_backend import (
    Budget,
    JpegInput,
    MeasuredLatencies,
    TimedBackend,
)
from paddleport.validate.session import Session

PREPROCESS = Preprocess()
JPEG_INPUT = JpegInput(b"jpeg", PREPROCESS)
CRASH = WorkerCrashed("ended with SIGSEGV", reason="SIGSEGV", log="last words")


def feeds(*sizes: int) -> dict[int, Feed]:
    return {size: {"x": np.zeros((size, 3), np.float32)} for size in sizes}


class FakeBackends:
    """Fake sessions by name, with every call and every wait in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cpus: int = 4) -> None:
        self.calls: list[Call] = []
        self.settled: list[set[int]] = []
        self.opened: list[FakeSession] = []
        monkeypatch.setattr(
            interleaved_rounds, "settle", lambda pids: self.settled.append(set(pids))
        )
        monkeypatch.setattr(interleaved_rounds, "available_threads", lambda: cpus)

    def session(self, name: str, times_ms: TimesMs, threads: int = 2) -> FakeSession:
        made = FakeSession(name, times_ms, self.calls, threads=threads)
        self.opened.append(made)
        return made

    def backend(self, name: str, times_ms: TimesMs, threads: int = 2) -> TimedBackend:
        """Everything there is to measure."""
        return TimedBackend(
            session=self.session(name, times_ms, threads),
            feeds=feeds(1, 4, 8),
            jpeg_input=JPEG_INPUT,
            reopen=lambda other: self.session(name, times_ms, other),
        )


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> FakeBackends:
    return FakeBackends(monkeypatch)


def configurations(found: MeasuredLatencies) -> list[tuple[int, int, str]]:
    return [(item.batch, item.threads, item.scope) for item in found.latencies]


EVERYTHING = [
    (1, 2, "inference"),
    (4, 2, "inference"),
    (8, 2, "inference"),
    (1, 2, "end to end"),
    (1, 1, "inference"),
    (1, 4, "inference"),
]


def test_every_row_gets_every_configuration(fakes: FakeBackends) -> None:
    found = measure({name: fakes.backend(name, steady(5.0)) for name in "abc"})
    assert list(found) == ["a", "b", "c"]
    for one in found.values():
        assert configurations(one) == EVERYTHING
        assert (one.error, one.notes) == (None, ())


def test_a_device_with_memory_is_timed_without_the_copies_too(fakes: FakeBackends) -> None:
    session = FakeSession("a", steady(5.0), fakes.calls, on_device=True)
    found = measure({"a": TimedBackend(session=session, feeds=feeds(1, 4, 8))})["a"]
    scopes = [(size, 2, scope) for scope in ("inference", "on device") for size in (1, 4, 8)]
    assert configurations(found) == scopes
    assert {call[1:] for call in fakes.calls} == set(scopes)


def test_rounds_are_in_turn(fakes: FakeBackends) -> None:
    backends = {
        name: TimedBackend(session=fakes.session(name, Drifting(5.0)), feeds=feeds(1), grid=False)
        for name in "abc"
    }
    found = measure(backends)
    assert [name for name, *_ in fakes.calls] == list("abc" * 6)
    assert {len(one.latencies[0].round_p50_ms) for one in found.values()} == {6}


def test_a_row_that_has_settled_leaves_the_turns_to_the_others(fakes: FakeBackends) -> None:
    times: dict[str, TimesMs] = {"a": Drifting(5.0), "b": steady(5.0), "c": Drifting(5.0)}
    backends = {
        name: TimedBackend(session=fakes.session(name, item), feeds=feeds(1), grid=False)
        for name, item in times.items()
    }
    found = measure(backends)
    assert [name for name, *_ in fakes.calls] == list("abc" * 3 + "ac" * 3)
    assert [one.latencies[0].settled for one in found.values()] == [False, True, False]


def test_the_other_configurations_take_turns_too_and_come_last(fakes: FakeBackends) -> None:
    measure({name: fakes.backend(name, Drifting(5.0)) for name in "ab"})
    main, rest = fakes.calls[:12], fakes.calls[12:]
    assert {call[1:] for call in main} == {(1, 2, "inference")}
    first_round = [(4, 2, "inference"), (8, 2, "inference"), (1, 2, "end to end")]
    assert rest[:6] == [(name, *each) for name in "ab" for each in first_round]
    threads = [call[2] for call in rest[18:]]
    assert threads == [1] * 6 + [4] * 6
    assert [name for name, *_ in rest[18:]] == list("ab" * 6)


def test_before_each_turn_all_the_other_processes_are_waited_for(fakes: FakeBackends) -> None:
    backends = {
        name: TimedBackend(session=fakes.session(name, steady(5.0)), feeds=feeds(1), grid=False)
        for name in "abc"
    }
    measure(backends)
    pids = {backend.session.facts.pid for backend in backends.values()}
    own = [backends[name].session.facts.pid for name, *_ in fakes.calls]
    assert fakes.settled == [pids - {pid} for pid in own]


def test_a_process_that_has_ended_is_not_waited_for(fakes: FakeBackends) -> None:
    def crash(at_most_s: float) -> list[float]:
        raise CRASH

    backends = {
        name: TimedBackend(session=fakes.session(name, item), feeds=feeds(1), grid=False)
        for name, item in {"a": crash, "b": steady(5.0), "c": steady(5.0)}.items()
    }
    measure(backends)
    gone = backends["a"].session.facts.pid
    assert gone not in fakes.settled[0]  # its own turn
    assert len(fakes.settled) > 1
    assert not any(gone in pids for pids in fakes.settled[1:])


def test_all_rows_have_equal_threads_and_warm_up(fakes: FakeBackends) -> None:
    found = measure({name: fakes.backend(name, steady(5.0)) for name in "abc"})
    assert len({tuple(configurations(one)) for one in found.values()}) == 1
    warm_ups = [
        [tuple(session.warm_ups_s) for session in fakes.opened if session.name == name]
        for name in "abc"
    ]
    assert warm_ups[0] == warm_ups[1] == warm_ups[2]
    assert all(warm_ups[0])
    assert all(second > 0 for session in warm_ups[0] for second in session)


@pytest.mark.parametrize(
    ("main", "cpus", "others"),
    [(1, 1, []), (2, 2, [1]), (4, 4, [1, 2]), (8, 2, [1, 2]), (3, 8, [1, 2, 4])],
)
def test_other_numbers_of_threads_as_far_as_there_are_cpus(
    main: int, cpus: int, others: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = FakeBackends(monkeypatch, cpus)
    (found,) = measure({"a": fakes.backend("a", steady(5.0), main)}).values()
    threads = [item.threads for item in found.latencies if item.threads != main]
    assert (found.latencies[0].threads, threads) == (main, others)


def test_it_closes_what_it_opens_and_nothing_else(fakes: FakeBackends) -> None:
    backend = fakes.backend("a", steady(5.0))
    measure({"a": backend})
    assert [session.closed for session in fakes.opened] == [False, True, True]


def test_it_closes_what_it_opens_where_another_one_is_a_bug(fakes: FakeBackends) -> None:
    def bug(threads: int) -> Session:
        raise ZeroDivisionError

    broken = TimedBackend(session=fakes.session("b", steady(5.0)), feeds=feeds(1), reopen=bug)
    with pytest.raises(ZeroDivisionError):
        measure({"a": fakes.backend("a", steady(5.0)), "b": broken})
    reopened = [session for session in fakes.opened if session.threads != 2]
    assert reopened
    assert all(session.closed for session in reopened)


def test_progress_never_falls_and_ends_at_one(fakes: FakeBackends) -> None:
    shares: list[float] = []
    measure({name: fakes.backend(name, Drifting(5.0)) for name in "ab"}, on_round=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_nothing_to_measure(fakes: FakeBackends) -> None:
    assert measure({}) == {}


def failing_at(place: Callable[[Call], bool], error: Exception, fakes: FakeBackends) -> TimesMs:
    """Five milliseconds per run, but for the rounds that ``place`` names."""

    def times_ms(at_most_s: float) -> list[float]:
        if place(fakes.calls[-1]):
            raise error
        return steady(5.0)(at_most_s)

    return times_ms


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        (lambda call: call[1:] == (8, 2, "inference"), EVERYTHING[:2]),
        (lambda call: call[3] == "end to end", EVERYTHING[:3]),
        (lambda call: call[2] == 1, EVERYTHING[:4]),
        (lambda call: call[2] == 2, []),
    ],
)
def test_a_crash_ends_its_row_and_no_other(
    place: Callable[[Call], bool], kept: list[tuple[int, int, str]], fakes: FakeBackends
) -> None:
    backends = {
        "a": fakes.backend("a", steady(5.0)),
        "b": fakes.backend("b", failing_at(place, CRASH, fakes)),
        "c": fakes.backend("c", steady(5.0)),
    }
    found = measure(backends)
    assert found["b"].error is CRASH
    assert configurations(found["b"]) == kept
    for name in "ac":
        assert configurations(found[name]) == EVERYTHING
        assert found[name].error is None
    # The main configuration is complete before anything else is tried.
    assert all(item.settled for item in found["b"].latencies[:1])
    crashed_at = max(index for index, call in enumerate(fakes.calls) if call[0] == "b")
    assert place(fakes.calls[crashed_at])  # and nothing is asked of it any more


def test_a_refusal_is_a_note_and_the_row_goes_on(fakes: FakeBackends) -> None:
    place = failing_at(lambda call: call[1] == 8, FeedError("no batch of 8"), fakes)
    (found,) = measure({"a": fakes.backend("a", place)}).values()
    assert found.error is None
    assert configurations(found) == [each for each in EVERYTHING if each[0] != 8]
    assert found.notes == ("inference at batch 8, 2 threads was not measured: no batch of 8",)


def test_a_refused_main_configuration_ends_the_row(fakes: FakeBackends) -> None:
    refusal = FeedError("not this feed")
    found = measure({"a": fakes.backend("a", failing_at(lambda call: True, refusal, fakes))})
    assert found == {"a": MeasuredLatencies((), refusal)}


@pytest.mark.parametrize("error", [BackendUnavailableError("1 thread is not possible"), CRASH])
def test_a_session_that_does_not_open_with_other_threads(
    error: Exception, fakes: FakeBackends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reopen(threads: int) -> Session:
        if threads == 1:
            raise error
        return fakes.session("a", steady(5.0), threads)

    times = steady(5.0)
    backend = TimedBackend(session=fakes.session("a", times), feeds=feeds(1), reopen=reopen)
    found = measure({"a": backend, "b": fakes.backend("b", times)})
    assert configurations(found["b"]) == EVERYTHING
    if error is CRASH:  # a crash is a crash, wherever it is
        assert found["a"].error is CRASH
        assert configurations(found["a"]) == [EVERYTHING[0]]
    else:
        assert found["a"].error is None
        assert "1 threads was not measured: 1 thread is not possible" in found["a"].notes[0]
        assert configurations(found["a"]) == [EVERYTHING[0], EVERYTHING[-1]]


def test_runs_of_seconds_are_measured_once_and_larger_ones_left_out(fakes: FakeBackends) -> None:
    (found,) = measure({"a": fakes.backend("a", lambda _: [3000.0])}, Budget(1.0, 0.4)).values()
    assert [call[1:] for call in fakes.calls] == [
        (1, 2, "inference"),
        (1, 2, "end to end"),
        (1, 1, "inference"),
        (1, 4, "inference"),
    ]
    assert [(item.runs, item.settled) for item in found.latencies] == [(1, False)] * 4
    assert found.notes == (
        "inference at batch 4, 2 threads was not measured: one run would take about 12 s",
        "inference at batch 8, 2 threads was not measured: one run would take about 24 s",
    )
