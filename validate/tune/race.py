"""Successive halving that knows about noise: hopeless ones cost little, equals stay equal."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.benchmark.bootstrap import MIN_ROUNDS, median_interval

T = TypeVar("T", bound=Hashable)
EQUAL_WITHIN = 0.05  # of the best median: not worth a coarser or more complex configuration
_KEPT = 0.5  # share of the runners that goes on to the next heat
_HOPELESS = 1.5  # times the best, already after two short rounds
_FIRST_SHARE = 0.2  # of all seconds, for the first rounds of everyone
_FIRST_ROUNDS = 2
_LEAST_LEFT = 0.3  # of all seconds, for the heats, however long the first rounds took
FINALISTS = 3


@dataclass
class Racer(Generic[T]):
    """One that takes part.

    Attributes:
        what: the configuration.
        rounds: milliseconds per picture of each run, by round.
        heats: how many heats it took part in.
        failed: why it gave up; empty while it runs.
    """

    what: T
    rounds: list[Array] = field(default_factory=list)
    heats: int = 0
    failed: str = ""

    @property
    def in_turn(self) -> list[Array]:
        """The rounds that were in turn with others'; the first ones where there are no others."""
        return self.rounds[_FIRST_ROUNDS:] or self.rounds

    @property
    def median(self) -> float:
        """Over all runs in turn so far, milliseconds per picture."""
        return float(np.median(np.concatenate(self.in_turn)))

    @property
    def undisturbed(self) -> float:
        """The tenth percentile: what disturbs a run only ever makes it longer."""
        return float(np.percentile(np.concatenate(self.rounds), 10))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the median."""
        return median_interval(self.in_turn)


def race(
    field_of: Sequence[T],
    measure: Callable[[T, float], Sequence[float]],
    seconds: float,
    *,
    shortest_s: float = 0.05,
    between: Callable[[Sequence[T]], None] = lambda left: None,
    now: Callable[[], float] | None = None,
) -> list[Racer[T]]:
    """Time everyone, halve, and time the rest for longer, until three are left or all are equal.

    The first short rounds drop what is ``_HOPELESS`` times slower than the best. Then each heat
    has rounds in turn, and keeps the faster half, and whoever's interval reaches below the
    upper end of the best one's: chance drops nobody. The last heat takes what time is left.

    Args:
        field_of: who takes part.
        measure: times one for so many seconds: milliseconds per picture of each run. One that
            raises ``GaveUp`` is out, with the reason.
        seconds: for all of it, as far as ``measure`` keeps to what it is told.
        shortest_s: of a turn.
        between: told who is left after each heat, to close the others.
        now: a clock in seconds, so that what opening costs comes off the later heats.

    Returns:
        Everyone, the fastest first; those that failed last.
    """
    everyone = [Racer(what) for what in field_of]
    left = list(everyone)
    began = now() if now else 0.0
    turn_s = _turn_s(_FIRST_SHARE * seconds, len(left), _FIRST_ROUNDS, shortest_s)
    for runner in left:  # one after another: each has to be opened first
        _heat([runner], measure, _FIRST_ROUNDS, turn_s)
    left = _standing(left)
    if left:
        best = min(runner.undisturbed for runner in left)
        left = [runner for runner in left if runner.undisturbed <= _HOPELESS * best]
    between([runner.what for runner in left])
    spent = now() - began if now else _FIRST_SHARE * seconds
    remaining = max(_LEAST_LEFT * seconds, seconds - spent)
    while len(left) > FINALISTS:
        share = remaining / 2
        _heat(left, measure, MIN_ROUNDS, _turn_s(share, len(left), MIN_ROUNDS, shortest_s))
        remaining -= share
        kept = _kept(_standing(left))
        between([runner.what for runner in kept])
        if len(kept) == len(left):
            break
        left = kept
    if left:
        rounds = 2 * MIN_ROUNDS
        _heat(left, measure, rounds, _turn_s(remaining, len(left), rounds, shortest_s))
    return sorted(everyone, key=_order)


def equals(ranked: Sequence[Racer[T]]) -> list[Racer[T]]:
    """The best, and whoever may be as fast: within ``EQUAL_WITHIN``, or by what the noise allows.

    Only those that went as far as the best are compared, round by round: what disturbs a whole
    round of turns disturbs both.
    """
    standing = _standing(ranked)
    if not standing:
        return []
    best = standing[0]
    return [
        runner
        for runner in standing
        if runner.heats == best.heats
        and (runner.median <= (1 + EQUAL_WITHIN) * best.median or _slower_by(runner, best)[0] <= 1)
    ]


def _slower_by(runner: Racer[T], best: Racer[T]) -> tuple[float, float]:
    """The 95 % interval of the median of the rounds' ratios, in those that both had in turn."""
    pairs = zip(runner.in_turn, best.in_turn, strict=True)
    return median_interval([np.median(one, keepdims=True) / np.median(two) for one, two in pairs])


class GaveUp(Exception):
    """A configuration that can't be measured; the message says why."""


def _heat(
    left: Sequence[Racer[T]],
    measure: Callable[[T, float], Sequence[float]],
    rounds: int,
    turn_s: float,
) -> None:
    for _ in range(rounds):
        for runner in left:
            if runner.failed:
                continue
            try:
                runner.rounds.append(np.asarray(measure(runner.what, turn_s), np.float64))
            except GaveUp as reason:
                runner.failed = str(reason)
    for runner in left:
        runner.heats += 1


def _turn_s(seconds: float, runners: int, rounds: int, shortest_s: float) -> float:
    return max(shortest_s, seconds / max(1, runners * rounds))


def _standing(runners: Sequence[Racer[T]]) -> list[Racer[T]]:
    return sorted((runner for runner in runners if not runner.failed), key=_order)


def _kept(ranked: Sequence[Racer[T]]) -> list[Racer[T]]:
    """The faster half, and those that the noise does not tell from the best."""
    if not ranked:
        return []
    half = max(FINALISTS, round(len(ranked) * _KEPT))
    upper = ranked[0].interval[1]
    return [
        runner for place, runner in enumerate(ranked) if place < half or runner.interval[0] <= upper
    ]


def _order(runner: Racer[T]) -> tuple[bool, int, float]:
    if runner.failed or not runner.rounds:
        return True, 0, 0.0
    return False, -runner.heats, runner.median
