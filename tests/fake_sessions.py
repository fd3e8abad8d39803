"""Sessions without a process, and a clock without time."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Feed
from paddleport.validate.session import Session, SessionFacts

Call = tuple[str, int, int, str]  # name, batch, threads, scope
TimesMs = Callable[[float], list[float]]  # of one round of at most so many seconds


@dataclass
class FakeClock:
    """Stands for the module ``time``; only sleeping and ``spend`` let time pass."""

    now: float = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def spend(self, seconds: Iterator[float]) -> Callable[[], None]:
        """A run that takes as long as the iterator says."""
        return lambda: self.sleep(next(seconds))


_pids = itertools.count(1_000_001)


class FakeSession(Session):
    """Records each round in ``calls``; what a round gives, ``times_ms`` says or raises."""

    def __init__(
        self,
        name: str,
        times_ms: TimesMs,
        calls: list[Call],
        *,
        threads: int = 2,
        on_device: bool = False,
    ) -> None:
        self.name, self.times_ms, self.calls, self.threads = name, times_ms, calls, threads
        self.facts = SessionFacts(
            computes_in="fp32",
            load_ms=1.0,
            notes=(),
            device="cuda" if on_device else "cpu",
            keeps_on_device=on_device,
            pinned=True,
            pid=next(_pids),
        )
        self.closed = False
        self.peak_bytes: int | None = 100_000_000
        self.warm_ups_s: list[float] = []

    def time_ms(self, feed: Feed, *, at_most_s: float, warm_up_s: float = 0.0) -> list[float]:
        return self._timed(feed, "inference", at_most_s, warm_up_s)

    def time_on_device_ms(
        self, feed: Feed, *, at_most_s: float, warm_up_s: float = 0.0
    ) -> list[float]:
        return self._timed(feed, "on device", at_most_s, warm_up_s)

    def _timed(self, feed: Feed, scope: str, at_most_s: float, warm_up_s: float) -> list[float]:
        first = next(iter(feed.values()))
        batch = len(first) if first.ndim else 1
        self.calls.append((self.name, batch, self.threads, scope))
        self.warm_ups_s.append(warm_up_s)
        return self.times_ms(at_most_s)

    def time_from_jpeg_ms(
        self,
        jpeg: bytes,
        preprocess: Preprocess,
        batch: int,
        at_most_s: float,
        *,
        warm_up_s: float = 0.0,
    ) -> list[float]:
        self.calls.append((self.name, batch, self.threads, "end to end"))
        self.warm_ups_s.append(warm_up_s)
        return self.times_ms(at_most_s)

    def peak_memory_bytes(self) -> int | None:
        return self.peak_bytes

    def close(self) -> None:
        self.closed = True


def steady(milliseconds: float) -> TimesMs:
    """A backend whose every run takes as long: settled after the fewest rounds."""
    return lambda at_most_s: [milliseconds] * max(1, round(at_most_s * 1e3 / milliseconds))


@dataclass
class Drifting:
    """Every second round takes a tenth longer: never settled."""

    milliseconds: float
    rounds: int = field(default=0)

    def __call__(self, at_most_s: float) -> list[float]:
        self.rounds += 1
        times = self.milliseconds * (1 + 0.1 * (self.rounds % 2))
        return [times] * max(1, int(at_most_s * 1e3 / times))
