"""Backends measured in interleaved rounds, so that the machine's drift affects all alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from paddleport.errors import PortError, WorkerCrashed
from paddleport.runners.runner_options import available_threads
from paddleport.validate.benchmark.latency import ConfigurationRounds, Scope
from paddleport.validate.benchmark.machine import settle
from paddleport.validate.benchmark.timed_backend import Budget, MeasuredLatencies, TimedBackend
from paddleport.validate.session import Session

THREADS = (1, 2, 4)  # beside the main number, as far as there are CPUs
# At the start of each round, not counted; at least.
WARM_UP_S = 0.1
GRID_WARM_UP_S = 0.05  # the process has just been computing
LONGEST_RUN_S = 10.0  # expected; of the configurations beside the main one


def measure(
    backends: Mapping[str, TimedBackend],
    budget: Budget | None = None,
    *,
    on_round: Callable[[float], None] = lambda share: None,
) -> dict[str, MeasuredLatencies]:
    """Time every backend in its configurations, in interleaved rounds.

    First the main configuration of all, so that a crash in another one leaves it whole. Then
    what else the open sessions can do: the other batch sizes, each without the copies to and from
    a device that has memory of its own, and end to end at the smallest.
    Then the smallest batch at 1, 2 and 4 threads, as far as there are CPUs, in sessions that are
    opened for it. A configuration goes on until the interval of its median is within ±2 %, or
    its budget is spent.

    Args:
        backends: by row name; only one of them computes at a time.
        budget: counted seconds.
        on_round: called with the share of the work done, after each round.

    Returns:
        What was found, by row name. One that fails does not keep the others from finishing.
    """
    rows = [_BackendRounds(name, backend, budget or Budget()) for name, backend in backends.items()]
    total = sum(item.budget_s for row in rows for item in row.configurations) or 1.0

    def report() -> None:
        on_round(sum(item.spent_s for row in rows for item in row.configurations) / total)

    _take_turns([_Turn(row, row.backend.session, row.configurations[:1]) for row in rows], report)
    for row in rows:
        row.leave_out_what_takes_too_long()
    _take_turns([_Turn(row, row.backend.session, row.of_open_session()) for row in rows], report)
    for threads in sorted({item.threads for row in rows for item in row.under_way()}):
        with ExitStack() as opened:
            _take_turns(_reopened(rows, threads, opened), report)
    return {row.name: row.measured() for row in rows}


class _BackendRounds:
    """A backend, its configurations, and what has gone wrong."""

    def __init__(self, name: str, backend: TimedBackend, budget: Budget) -> None:
        self.name, self.backend = name, backend
        self.error: PortError | None = None
        self.notes: list[str] = []
        first, *others = sorted(backend.feeds)
        main = backend.session.threads

        def configuration(
            batch: int,
            *,
            threads: int = main,
            scope: Scope = "inference",
            budget_s: float = budget.grid_s,
        ) -> ConfigurationRounds:
            return ConfigurationRounds(batch=batch, threads=threads, scope=scope, budget_s=budget_s)

        self.configurations = [configuration(first, budget_s=budget.main_s)]
        if backend.grid:
            self.configurations += [configuration(batch) for batch in others]
            if backend.session.facts.keeps_on_device:
                sizes = (first, *others)
                self.configurations += [configuration(batch, scope="on device") for batch in sizes]
            if backend.jpeg_input is not None:
                self.configurations.append(configuration(first, scope="end to end"))
            if backend.reopen is not None:
                counts = [n for n in THREADS if n != main and n <= available_threads()]
                self.configurations += [configuration(first, threads=threads) for threads in counts]

    def under_way(self) -> list[ConfigurationRounds]:
        """The configurations that want another round."""
        return [item for item in self.configurations if not item.ended]

    def of_open_session(self) -> list[ConfigurationRounds]:
        """The configurations with the main number of threads."""
        main = self.backend.session.threads
        return [item for item in self.configurations if item.threads == main]

    def leave_out_what_takes_too_long(self) -> None:
        """By the main median: a model of seconds would take minutes at batch 8."""
        main, *others = self.configurations
        if main.latency is None or self.error is not None:
            return
        for configuration in others:
            larger = configuration.batch / main.batch
            slower = max(1.0, main.threads / configuration.threads)
            expected_s = main.latency.p50_ms / 1e3 * larger * slower
            if expected_s > LONGEST_RUN_S:
                self.refuse(configuration, f"one run would take about {expected_s:.0f} s")

    def reopen(self, threads: int) -> Session | None:
        """A session with another number of threads, unless the backend refuses or crashes."""
        if self.backend.reopen is None:
            return None
        try:
            return self.backend.reopen(threads)
        except PortError as error:
            for configuration in self.under_way():
                if configuration.threads == threads:
                    self.failed(configuration, error)
            return None

    def go_round(self, configuration: ConfigurationRounds, session: Session) -> None:
        """One round of one configuration, in its session."""
        beside = configuration is not self.configurations[0] and session is self.backend.session
        warm_up_s = GRID_WARM_UP_S if beside else WARM_UP_S
        jpeg, feed = self.backend.jpeg_input, self.backend.feeds[configuration.batch]

        def time_ms(at_most_s: float) -> list[float]:
            if configuration.scope == "end to end" and jpeg is not None:
                given = jpeg.jpeg, jpeg.preprocess, configuration.batch
                return session.time_from_jpeg_ms(*given, at_most_s, warm_up_s=warm_up_s)
            if configuration.scope == "on device":
                return session.time_on_device_ms(feed, at_most_s=at_most_s, warm_up_s=warm_up_s)
            return session.time_ms(feed, at_most_s=at_most_s, warm_up_s=warm_up_s)

        try:
            configuration.go_round(time_ms)
        except PortError as error:
            self.failed(configuration, error)

    def failed(self, configuration: ConfigurationRounds, error: PortError) -> None:
        """A crash, or the main configuration, ends the row; another refusal is a note."""
        if configuration is self.configurations[0] or isinstance(error, WorkerCrashed):
            self.error = error
            for each in self.configurations:
                each.ended = True
        else:
            self.refuse(configuration, str(error))

    def refuse(self, configuration: ConfigurationRounds, reason: str) -> None:
        """Go without a configuration."""
        configuration.ended = True
        what = (
            f"{configuration.scope} at batch {configuration.batch}, {configuration.threads} threads"
        )
        self.notes.append(f"{what} was not measured: {reason}")

    def measured(self) -> MeasuredLatencies:
        """What was found."""
        latencies = (configuration.latency for configuration in self.configurations)
        found = tuple(latency for latency in latencies if latency is not None)
        return MeasuredLatencies(found, self.error, tuple(self.notes))


@dataclass(frozen=True)
class _Turn:
    """One row's part of a round: the configurations of one session."""

    row: _BackendRounds
    session: Session
    configurations: Sequence[ConfigurationRounds]

    def under_way(self) -> list[ConfigurationRounds]:
        return [item for item in self.configurations if not item.ended]


def _take_turns(turns: Sequence[_Turn], report: Callable[[], None]) -> None:
    """Rounds in turn, until no row wants another."""
    while any(turn.under_way() for turn in turns):
        for turn in turns:
            if not turn.under_way():
                continue
            # A row with an error has no process any more.
            others = [other for other in turns if other is not turn and other.row.error is None]
            settle([other.session.facts.pid for other in others])
            for configuration in turn.under_way():
                if not configuration.ended:  # a crash in the one before ends them all
                    turn.row.go_round(configuration, turn.session)
            report()


def _reopened(rows: Iterable[_BackendRounds], threads: int, opened: ExitStack) -> list[_Turn]:
    """A session with ``threads`` for every row that wants one; they load at the same time."""
    wanted = {
        row: configurations
        for row in rows
        if (configurations := [item for item in row.under_way() if item.threads == threads])
    }

    def turn(row: _BackendRounds) -> _Turn | None:
        session = row.reopen(threads)
        if session is None:
            return None
        opened.callback(session.close)
        return _Turn(row, session, wanted[row])

    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        return [turn for turn in pool.map(turn, wanted) if turn is not None]
