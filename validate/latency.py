"""The measuring rig: equal threads, warm-up, and rounds in turn so that drift hits all alike."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from paddleport.errors import PortError, WorkerCrashed
from paddleport.models.card import Preprocess
from paddleport.process import cpu_seconds
from paddleport.runners.base import available_threads
from paddleport.tensors import Feed
from paddleport.validate.session import Session
from paddleport.validate.track import Latency as Latency
from paddleport.validate.track import Scope, Track

THREADS = (1, 2, 4)  # beside the main number, as far as there are CPUs
# At the start of each round, not counted; at least.
WARM_UP_S = 0.1
GRID_WARM_UP_S = 0.05  # the process has just been computing
# Thread pools go on spinning after their last run, OpenMP's for 0.2 s, and would slow down
# whichever backend comes next: ONNX Runtime after Paddle by a factor of 2. So each turn waits
# until no other process of the rig has taken CPU time for a moment; at most, or where the
# system does not tell, this long.
SETTLE_S = 0.3
_QUIET_S = 0.03  # three ticks of the system's clock for CPU time


@dataclass(frozen=True)
class Budget:
    """Most counted seconds; settling and warming up come on top.

    Attributes:
        main_s: of each subject's main configuration.
        grid_s: of every other configuration.
    """

    main_s: float = 3.0
    grid_s: float = 0.4


@dataclass(frozen=True)
class Photo:
    """Where the end-to-end scope starts.

    Attributes:
        jpeg: a JPEG file's bytes.
        preprocess: how the picture becomes a tensor.
        input_name: the input that takes it.
    """

    jpeg: bytes
    preprocess: Preprocess
    input_name: str


@dataclass(frozen=True)
class Subject:
    """One row to be measured.

    Attributes:
        session: open, with the main number of threads; it stays the caller's to close.
        feeds: batch size to feed; the smallest is the main configuration's.
        photo: what to start the end-to-end scope from; ``None`` leaves it out.
        reopen: opens the same backend with another number of threads; ``measure`` closes what
            it opens. ``None`` measures no other number of threads.
        grid: whether anything but the main configuration is measured.
    """

    session: Session
    feeds: Mapping[int, Feed]
    photo: Photo | None = None
    reopen: Callable[[int], Session] | None = None
    grid: bool = True


@dataclass(frozen=True)
class Measured:
    """What came of one subject.

    Attributes:
        latencies: the main configuration first, then the others; empty if the first round failed.
        error: what ended it (a crash, or the main configuration failing); the latencies that
            were complete or under way before it are kept.
        notes: configurations that the backend refused while its process lived, with the reason.
    """

    latencies: tuple[Latency, ...]
    error: PortError | None = None
    notes: tuple[str, ...] = ()


def measure(
    subjects: Mapping[str, Subject],
    budget: Budget | None = None,
    *,
    on_round: Callable[[float], None] = lambda share: None,
) -> dict[str, Measured]:
    """Time every subject in its configurations, in interleaved rounds.

    First all that the open sessions can do: the main configuration, the other batch sizes, and
    end to end at the smallest. Then the smallest batch at 1, 2 and 4 threads, as far as there
    are CPUs, in sessions that are opened for it. A configuration goes on until the interval of
    its median is within ±2 %, or its budget is spent.

    Args:
        subjects: by row name; only one of them computes at a time.
        budget: counted seconds.
        on_round: told the share of the work done, after each round.

    Returns:
        What was found, by row name. One that fails does not keep the others from finishing.
    """
    budget = budget or Budget()
    rows = [_Row(name, subject, budget) for name, subject in subjects.items()]
    total = sum(track.budget_s for row in rows for track in row.tracks) or 1.0

    def tell() -> None:
        on_round(sum(track.spent_s for row in rows for track in row.tracks) / total)

    _go_round([(row, row.subject.session) for row in rows], tell)
    for threads in sorted({track.threads for row in rows for track in row.tracks}):
        turns = _reopened(rows, threads)
        try:
            _go_round(turns, tell)
        finally:
            for _, session in turns:
                session.close()
    return {row.name: row.measured() for row in rows}


class _Row:
    """A subject, its configurations, and what has gone wrong."""

    def __init__(self, name: str, subject: Subject, budget: Budget) -> None:
        self.name, self.subject = name, subject
        self.error: PortError | None = None
        self.notes: list[str] = []
        first, *others = sorted(subject.feeds)
        main = subject.session.threads

        def grid(batch: int, threads: int = main, scope: Scope = "inference") -> Track:
            return Track(batch, threads, scope, budget.grid_s)

        self.tracks = [Track(first, main, "inference", budget.main_s)]
        if subject.grid:
            self.tracks += [grid(batch) for batch in others]
            if subject.photo is not None:
                self.tracks.append(grid(first, scope="end to end"))
            if subject.reopen is not None:
                counts = [n for n in THREADS if n != main and n <= available_threads()]
                self.tracks += [grid(first, threads) for threads in counts]

    def under_way(self, threads: int) -> list[Track]:
        """The configurations of one session that want another round."""
        return [track for track in self.tracks if track.threads == threads and not track.ended]

    def reopen(self, threads: int) -> Session | None:
        """A session with another number of threads, unless the backend refuses."""
        if self.subject.reopen is None:
            return None
        try:
            return self.subject.reopen(threads)
        except PortError as error:
            for track in self.under_way(threads):
                self.refuse(track, error)
            return None

    def go_round(self, session: Session) -> None:
        """One round of every configuration that ``session`` is for."""
        for track in self.under_way(session.threads):
            try:
                self._time(track, session)
            except PortError as error:
                self._failed(track, error)
                if self.error is not None:
                    return

    def _time(self, track: Track, session: Session) -> None:
        main = track is self.tracks[0]
        warm_up_s = WARM_UP_S if main or session is not self.subject.session else GRID_WARM_UP_S
        photo, feed = self.subject.photo, self.subject.feeds[track.batch]
        if track.scope == "end to end" and photo is not None:
            track.go_round(
                lambda at_most_s: session.time_from_jpeg_ms(
                    photo.jpeg,
                    photo.preprocess,
                    photo.input_name,
                    track.batch,
                    at_most_s,
                    warm_up_s=warm_up_s,
                )
            )
        else:
            track.go_round(
                lambda at_most_s: session.time_ms(feed, at_most_s=at_most_s, warm_up_s=warm_up_s)
            )

    def _failed(self, track: Track, error: PortError) -> None:
        """A crash, or the main configuration, ends the row; another refusal is a note."""
        if track is self.tracks[0] or isinstance(error, WorkerCrashed):
            self.error = error
            for other in self.tracks:
                other.ended = True
        else:
            self.refuse(track, error)

    def refuse(self, track: Track, error: PortError) -> None:
        """Go without a configuration."""
        track.ended = True
        what = f"{track.scope} at batch {track.batch}, {track.threads} threads"
        self.notes.append(f"{what} was not measured: {error}")

    def measured(self) -> Measured:
        """What was found."""
        latencies = (track.latency for track in self.tracks)
        found = tuple(latency for latency in latencies if latency is not None)
        return Measured(found, self.error, tuple(self.notes))


def _go_round(turns: Sequence[tuple[_Row, Session]], tell: Callable[[], None]) -> None:
    """Rounds in turn, until no row wants another."""
    while any(row.under_way(session.threads) for row, session in turns):
        for row, session in turns:
            if row.under_way(session.threads):
                _settle([other.facts.pid for _, other in turns if other is not session])
                row.go_round(session)
                tell()


def _settle(pids: Sequence[int]) -> None:
    deadline = time.perf_counter() + SETTLE_S
    while (left := deadline - time.perf_counter()) > 0:
        before = [cpu_seconds(pid) for pid in pids]
        time.sleep(min(left, _QUIET_S))
        if None not in before and before == [cpu_seconds(pid) for pid in pids]:
            return


def _reopened(rows: Iterable[_Row], threads: int) -> list[tuple[_Row, Session]]:
    """A session with ``threads`` for every row that wants one; they load at the same time."""
    wanted = [row for row in rows if row.under_way(threads)]
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        futures = [pool.submit(row.reopen, threads) for row in wanted]
    return [
        (row, session)
        for row, future in zip(wanted, futures, strict=True)
        if (session := future.result()) is not None
    ]
