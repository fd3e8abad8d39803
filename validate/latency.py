"""The measuring rig: equal threads, warm-up, and rounds in turn so that drift hits all alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from paddleport.errors import PortError
from paddleport.tensors import Feed
from paddleport.validate.session import Session

WARM_UP_S = 0.3
ROUND_S = 0.25


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one inference, from feed to output in host memory.

    Attributes:
        p50_ms, p90_ms, p99_ms, mean_ms: over all counted runs.
        runs: how many runs were counted.
        round_p50_ms: the median of each round, to see drift by.
    """

    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    runs: int
    round_p50_ms: tuple[float, ...]


def measure(
    sessions: Mapping[str, tuple[Session, Feed]],
    *,
    seconds_each: float,
    on_round: Callable[[float], None] = lambda share: None,
) -> dict[str, Latency | PortError]:
    """Time every session on its feed, in interleaved rounds.

    Args:
        sessions: by row name, with what is run; only one of them computes at a time.
        seconds_each: time spent on each session, warm-up left out.
        on_round: told the share of the work done after each round.

    Returns:
        A latency for each session, or the error that ended it.
    """
    rounds: dict[str, list[list[float]]] = {name: [] for name in sessions}
    failed: dict[str, PortError] = {}
    total = max(1, round(seconds_each / ROUND_S))
    for index in range(total + 1):
        for name, (session, feed) in sessions.items():
            if name in failed:
                continue
            try:
                budget_s = WARM_UP_S if index == 0 else ROUND_S
                times = session.time_ms(feed, runs=1_000_000, at_most_s=budget_s)
            except PortError as error:
                failed[name] = error
                continue
            if index:
                rounds[name].append(times)
        on_round((index + 1) / (total + 1))
    return {name: failed[name] if name in failed else _summary(rounds[name]) for name in sessions}


def _summary(rounds: list[list[float]]) -> Latency:
    times = np.concatenate([np.array(times) for times in rounds])
    p50, p90, p99 = np.percentile(times, [50, 90, 99])
    return Latency(
        float(p50),
        float(p90),
        float(p99),
        float(times.mean()),
        int(times.size),
        tuple(float(np.median(times)) for times in rounds),
    )
