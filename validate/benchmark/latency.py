"""The latency of one configuration, from the times of its rounds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from paddleport.validate.benchmark.bootstrap import MIN_ROUNDS, median_interval

ROUND_S = 0.5
SETTLED_WITHIN = 0.02  # of the median, on either side

Scope = Literal["inference", "on device", "end to end"]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds of one call, from feed to output.

    Attributes:
        batch: pictures (rows) per call.
        threads: CPU threads.
        scope: "inference" from host memory to host memory; "on device" without the copies to
            and from it; "end to end" from a JPEG file's bytes.
        p50_ms, p90_ms, p99_ms, mean_ms: over all counted runs.
        pictures_per_s: batch / mean.
        runs: how many runs were counted.
        interval_ms: 95 % bootstrap interval of the median, by ``bootstrap.median_interval``.
        settled: whether that interval is within ±2 % of the median; else the budget was spent.
        round_p50_ms: the median of each round, to see drift by.
    """

    batch: int
    threads: int
    scope: Scope
    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    pictures_per_s: float
    runs: int
    interval_ms: tuple[float, float]
    settled: bool
    round_p50_ms: tuple[float, ...]


@dataclass(kw_only=True)
class ConfigurationRounds:
    """The rounds of one configuration, while it is measured.

    Attributes:
        batch, threads, scope: the configuration.
        budget_s: most counted seconds.
        latency: all rounds so far as one value; ``None`` before the first.
        ended: nothing more is to be measured.
    """

    batch: int
    threads: int
    scope: Scope
    budget_s: float
    latency: Latency | None = None
    ended: bool = False
    _rounds: list[list[float]] = field(default_factory=list)
    _counted_s: float = 0.0

    @property
    def spent_s(self) -> float:
        """Its share of the work, done or no longer needed."""
        return self.budget_s if self.ended else min(self._counted_s, self.budget_s)

    def go_round(self, time_ms: Callable[[float], list[float]]) -> None:
        """Measure one more round.

        Args:
            time_ms: measures for at most so many seconds: milliseconds of each run.
        """
        rounds = max(MIN_ROUNDS, round(self.budget_s / ROUND_S))
        length_s = self.budget_s / rounds
        times = time_ms(length_s)
        self._rounds.append(times)
        self._counted_s += max(length_s, sum(times) / 1e3)
        self.latency = self._summary()
        # Where one run takes seconds, the budget may be spent before there are three rounds.
        spent = len(self._rounds) >= rounds or self._counted_s >= self.budget_s
        self.ended = spent or self.latency.settled

    def _summary(self) -> Latency:
        rounds = [np.array(times) for times in self._rounds]
        times = np.concatenate(rounds)
        p50, p90, p99 = (float(value) for value in np.percentile(times, [50, 90, 99]))
        low, high = median_interval(rounds)
        within = (1 - SETTLED_WITHIN) * p50 <= low and high <= (1 + SETTLED_WITHIN) * p50
        mean_ms = float(times.mean())
        return Latency(
            batch=self.batch,
            threads=self.threads,
            scope=self.scope,
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            mean_ms=mean_ms,
            pictures_per_s=self.batch / mean_ms * 1e3,
            runs=int(times.size),
            interval_ms=(low, high),
            settled=within and len(rounds) >= MIN_ROUNDS,
            round_p50_ms=tuple(float(np.median(times)) for times in rounds),
        )
