"""Successive halving that knows about noise: slow ones cost little, equals stay equal."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.benchmark.bootstrap import MIN_ROUNDS, median_interval

T = TypeVar("T", bound=Hashable)
EQUAL_WITHIN = 0.05  # of the best median: not worth a coarser or more complex configuration
_KEPT = 0.5  # share of the configurations that goes on to the next rung
_FAR_SLOWER = 1.5  # times the best, already after two short rounds
_FIRST_SHARE = 0.2  # of all seconds, for the first rounds of all
_FIRST_ROUNDS = 2
_LEAST_LEFT = 0.3  # of all seconds, for the rungs, however long the first rounds took
LAST_RUNG = 3


@dataclass(kw_only=True)
class TimedConfiguration(Generic[T]):
    """A configuration and the times that it took so far.

    Attributes:
        configuration: what is timed.
        rounds: milliseconds per picture of each run, by round.
        rungs: how many rungs it took part in.
        failed: why it could not be measured; empty while it can.
    """

    configuration: T
    rounds: list[Array] = field(default_factory=list)
    rungs: int = 0
    failed: str = ""

    @property
    def interleaved(self) -> list[Array]:
        """The rounds in turn with others'; the first ones where there are no others."""
        return self.rounds[_FIRST_ROUNDS:] or self.rounds

    @property
    def median(self) -> float:
        """Over all runs in turn so far, milliseconds per picture."""
        return float(np.median(np.concatenate(self.interleaved)))

    @property
    def undisturbed(self) -> float:
        """The tenth percentile: what disturbs a run only ever makes it longer."""
        return float(np.percentile(np.concatenate(self.rounds), 10))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the median."""
        return median_interval(self.interleaved)


def halve_successively(
    configurations: Sequence[T],
    measure: Callable[[T, float], Sequence[float]],
    seconds: float,
    *,
    shortest_s: float = 0.05,
    on_rung: Callable[[Sequence[T]], None] = lambda left: None,
    now: Callable[[], float] | None = None,
) -> list[TimedConfiguration[T]]:
    """Time all, halve, and time the rest for longer, until three are left or all are equal.

    The first short rounds drop what is ``_FAR_SLOWER`` times slower than the best. Then each rung
    has rounds in turn, and keeps the faster half, and those whose interval reaches below the
    upper end of the best one's: chance drops none. The last rung takes what time is left.

    Args:
        configurations: what is timed.
        measure: times one for so many seconds: milliseconds per picture of each run. One that
            raises ``MeasurementFailed`` is out, with the reason.
        seconds: for all of it, as far as ``measure`` keeps to the seconds that it is given.
        shortest_s: of a turn.
        on_rung: called with those left after each rung, to close the others.
        now: a clock in seconds, so that what opening costs comes off the later rungs.

    Returns:
        All, the fastest first; those that failed last.
    """
    timed = [TimedConfiguration(configuration=item) for item in configurations]
    left = list(timed)
    began = now() if now else 0.0
    turn_s = _turn_s(_FIRST_SHARE * seconds, len(left), _FIRST_ROUNDS, shortest_s)
    for item in left:  # one after another: each has to be opened first
        _time_rung([item], measure, _FIRST_ROUNDS, turn_s)
    left = _not_far_slower(_measurable(left))
    on_rung([item.configuration for item in left])
    spent = now() - began if now else _FIRST_SHARE * seconds
    remaining = max(_LEAST_LEFT * seconds, seconds - spent)
    while len(left) > LAST_RUNG:
        share = remaining / 2
        _time_rung(left, measure, MIN_ROUNDS, _turn_s(share, len(left), MIN_ROUNDS, shortest_s))
        remaining -= share
        kept = _kept(_measurable(left))
        on_rung([item.configuration for item in kept])
        if len(kept) == len(left):
            break
        left = kept
    if left:
        rounds = 2 * MIN_ROUNDS
        _time_rung(left, measure, rounds, _turn_s(remaining, len(left), rounds, shortest_s))
    return sorted(timed, key=_order)


def equally_fast(ranked: Sequence[TimedConfiguration[T]]) -> list[TimedConfiguration[T]]:
    """The best, and those within ``EQUAL_WITHIN`` of it or within the noise of it.

    Only those that went as far as the best are compared, round by round: what disturbs a whole
    round of turns disturbs both.
    """
    measurable = _measurable(ranked)
    if not measurable:
        return []
    best = measurable[0]
    return [
        item
        for item in measurable
        if item.rungs == best.rungs
        and (item.median <= (1 + EQUAL_WITHIN) * best.median or _slower_by(item, best)[0] <= 1)
    ]


def _slower_by(item: TimedConfiguration[T], best: TimedConfiguration[T]) -> tuple[float, float]:
    """The 95 % interval of the median of the rounds' ratios, in those that both had in turn."""
    pairs = zip(item.interleaved, best.interleaved, strict=True)
    return median_interval([np.median(one, keepdims=True) / np.median(two) for one, two in pairs])


class MeasurementFailed(Exception):
    """A configuration that can't be measured; the message says why."""


def _time_rung(
    left: Sequence[TimedConfiguration[T]],
    measure: Callable[[T, float], Sequence[float]],
    rounds: int,
    turn_s: float,
) -> None:
    for _ in range(rounds):
        for item in left:
            if item.failed:
                continue
            try:
                item.rounds.append(np.asarray(measure(item.configuration, turn_s), np.float64))
            except MeasurementFailed as reason:
                item.failed = str(reason)
    for item in left:
        item.rungs += 1


def _turn_s(seconds: float, items: int, rounds: int, shortest_s: float) -> float:
    return max(shortest_s, seconds / max(1, items * rounds))


def _measurable(items: Sequence[TimedConfiguration[T]]) -> list[TimedConfiguration[T]]:
    return sorted((item for item in items if not item.failed), key=_order)


def _not_far_slower(items: Sequence[TimedConfiguration[T]]) -> list[TimedConfiguration[T]]:
    best = min((item.undisturbed for item in items), default=0.0)
    return [item for item in items if item.undisturbed <= _FAR_SLOWER * best]


def _kept(ranked: Sequence[TimedConfiguration[T]]) -> list[TimedConfiguration[T]]:
    """The faster half, and those within the noise of the best."""
    if not ranked:
        return []
    half = max(LAST_RUNG, round(len(ranked) * _KEPT))
    upper = ranked[0].interval[1]
    return [item for place, item in enumerate(ranked) if place < half or item.interval[0] <= upper]


def _order(item: TimedConfiguration[T]) -> tuple[bool, int, float]:
    if item.failed or not item.rounds:
        return True, 0, 0.0
    return False, -item.rungs, item.median
