"""The measuring rig: equal threads, warm-up, and rounds in turn so that drift hits all alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from paddleport.errors import PortError, WorkerCrashed
from paddleport.runners.base import available_threads
from paddleport.validate.benchmark.settle import settle
from paddleport.validate.benchmark.subject import Budget, Measured, Subject
from paddleport.validate.benchmark.track import Latency as Latency
from paddleport.validate.benchmark.track import Scope, Track
from paddleport.validate.parity.session import Session

THREADS = (1, 2, 4)  # beside the main number, as far as there are CPUs
# At the start of each round, not counted; at least.
WARM_UP_S = 0.1
GRID_WARM_UP_S = 0.05  # the process has just been computing
LONGEST_RUN_S = 10.0  # expected; of the configurations beside the main one


def measure(
    subjects: Mapping[str, Subject],
    budget: Budget | None = None,
    *,
    on_round: Callable[[float], None] = lambda share: None,
) -> dict[str, Measured]:
    """Time every subject in its configurations, in interleaved rounds.

    First the main configuration of all, so that a crash in another one leaves it whole. Then
    what else the open sessions can do: the other batch sizes, each without the copies to and from
    a device that has memory of its own, and end to end at the smallest.
    Then the smallest batch at 1, 2 and 4 threads, as far as there are CPUs, in sessions that are
    opened for it. A configuration goes on until the interval of its median is within ±2 %, or
    its budget is spent.

    Args:
        subjects: by row name; only one of them computes at a time.
        budget: counted seconds.
        on_round: told the share of the work done, after each round.

    Returns:
        What was found, by row name. One that fails does not keep the others from finishing.
    """
    rows = [_Row(name, subject, budget or Budget()) for name, subject in subjects.items()]
    total = sum(track.budget_s for row in rows for track in row.tracks) or 1.0

    def tell() -> None:
        on_round(sum(track.spent_s for row in rows for track in row.tracks) / total)

    _take_turns([_Turn(row, row.subject.session, row.tracks[:1]) for row in rows], tell)
    for row in rows:
        row.leave_out_what_takes_too_long()
    _take_turns([_Turn(row, row.subject.session, row.of_open_session()) for row in rows], tell)
    for threads in sorted({track.threads for row in rows for track in row.under_way()}):
        with ExitStack() as opened:
            _take_turns(_reopened(rows, threads, opened), tell)
    return {row.name: row.measured() for row in rows}


class _Row:
    """A subject, its configurations, and what has gone wrong."""

    def __init__(self, name: str, subject: Subject, budget: Budget) -> None:
        self.name, self.subject = name, subject
        self.error: PortError | None = None
        self.notes: list[str] = []
        first, *others = sorted(subject.feeds)
        main = subject.session.threads

        def beside(batch: int, threads: int = main, scope: Scope = "inference") -> Track:
            return Track(batch, threads, scope, budget.grid_s)

        self.tracks = [Track(first, main, "inference", budget.main_s)]
        if subject.grid:
            self.tracks += [beside(batch) for batch in others]
            if subject.session.facts.keeps_on_device:
                sizes = (first, *others)
                self.tracks += [beside(batch, scope="on device") for batch in sizes]
            if subject.photo is not None:
                self.tracks.append(beside(first, scope="end to end"))
            if subject.reopen is not None:
                counts = [n for n in THREADS if n != main and n <= available_threads()]
                self.tracks += [beside(first, threads) for threads in counts]

    def under_way(self) -> list[Track]:
        """The configurations that want another round."""
        return [track for track in self.tracks if not track.ended]

    def of_open_session(self) -> list[Track]:
        """The configurations with the main number of threads."""
        return [track for track in self.tracks if track.threads == self.subject.session.threads]

    def leave_out_what_takes_too_long(self) -> None:
        """Judged by the main median: a model of seconds would take minutes at batch 8."""
        main, *others = self.tracks
        if main.latency is None or self.error is not None:
            return
        for track in others:
            larger = track.batch / main.batch * max(1.0, main.threads / track.threads)
            expected_s = main.latency.p50_ms / 1e3 * larger
            if expected_s > LONGEST_RUN_S:
                self.refuse(track, f"one run would take about {expected_s:.0f} s")

    def reopen(self, threads: int) -> Session | None:
        """A session with another number of threads, unless the backend refuses or crashes."""
        if self.subject.reopen is None:
            return None
        try:
            return self.subject.reopen(threads)
        except PortError as error:
            for track in self.under_way():
                if track.threads == threads:
                    self.failed(track, error)
            return None

    def go_round(self, track: Track, session: Session) -> None:
        """One round of one configuration, in its session."""
        beside = track is not self.tracks[0] and session is self.subject.session
        warm_up_s = GRID_WARM_UP_S if beside else WARM_UP_S
        photo, feed = self.subject.photo, self.subject.feeds[track.batch]

        def time_ms(at_most_s: float) -> list[float]:
            if track.scope == "end to end" and photo is not None:
                given = photo.jpeg, photo.preprocess, track.batch
                return session.time_from_jpeg_ms(*given, at_most_s, warm_up_s=warm_up_s)
            if track.scope == "on device":
                return session.time_on_device_ms(feed, at_most_s=at_most_s, warm_up_s=warm_up_s)
            return session.time_ms(feed, at_most_s=at_most_s, warm_up_s=warm_up_s)

        try:
            track.go_round(time_ms)
        except PortError as error:
            self.failed(track, error)

    def failed(self, track: Track, error: PortError) -> None:
        """A crash, or the main configuration, ends the row; another refusal is a note."""
        if track is self.tracks[0] or isinstance(error, WorkerCrashed):
            self.error = error
            for each in self.tracks:
                each.ended = True
        else:
            self.refuse(track, str(error))

    def refuse(self, track: Track, reason: str) -> None:
        """Go without a configuration."""
        track.ended = True
        what = f"{track.scope} at batch {track.batch}, {track.threads} threads"
        self.notes.append(f"{what} was not measured: {reason}")

    def measured(self) -> Measured:
        """What was found."""
        latencies = (track.latency for track in self.tracks)
        found = tuple(latency for latency in latencies if latency is not None)
        return Measured(found, self.error, tuple(self.notes))


@dataclass(frozen=True)
class _Turn:
    """One row's part of a round: the configurations of one session."""

    row: _Row
    session: Session
    tracks: Sequence[Track]

    def under_way(self) -> list[Track]:
        return [track for track in self.tracks if not track.ended]


def _take_turns(turns: Sequence[_Turn], tell: Callable[[], None]) -> None:
    """Rounds in turn, until no row wants another."""
    while any(turn.under_way() for turn in turns):
        for turn in turns:
            if not turn.under_way():
                continue
            # A row with an error has no process any more.
            others = [other for other in turns if other is not turn and other.row.error is None]
            settle([other.session.facts.pid for other in others])
            for track in turn.under_way():
                if not track.ended:  # a crash in the one before ends them all
                    turn.row.go_round(track, turn.session)
            tell()


def _reopened(rows: Iterable[_Row], threads: int, opened: ExitStack) -> list[_Turn]:
    """A session with ``threads`` for every row that wants one; they load at the same time."""
    wanted = {
        row: tracks
        for row in rows
        if (tracks := [track for track in row.under_way() if track.threads == threads])
    }

    def turn(row: _Row) -> _Turn | None:
        session = row.reopen(threads)
        if session is None:
            return None
        opened.callback(session.close)
        return _Turn(row, session, wanted[row])

    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        return [turn for turn in pool.map(turn, wanted) if turn is not None]
