"""The measuring rig: equal threads, warm-up, and rounds in turn so that drift hits all alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from paddleport.errors import PortError
from paddleport.tensors import Feed
from paddleport.validate.session import Session

WARM_UP_S = 0.1  # at the start of each round, not counted
ROUND_S = 0.5
# Thread pools go on spinning after their last run, OpenMP's for 0.2 s, and would slow down
# whichever backend comes next: ONNX Runtime after Paddle by a factor of 2.
SETTLE_S = 0.3


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
        seconds_each: counted time for each session; settling and warming up come on top.
        on_round: told the share of the work done after each round.

    Returns:
        A latency for each session, or the error that ended it.
    """
    rounds: dict[str, list[list[float]]] = {name: [] for name in sessions}
    failed: dict[str, PortError] = {}
    total = max(1, round(seconds_each / ROUND_S))
    for index in range(total):
        for name, (session, feed) in sessions.items():
            if name in failed:
                continue
            time.sleep(SETTLE_S)
            try:
                session.time_ms(feed, at_most_s=WARM_UP_S)
                rounds[name].append(session.time_ms(feed, at_most_s=min(ROUND_S, seconds_each)))
            except PortError as error:
                failed[name] = error
        on_round((index + 1) / total)
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
