"""Waiting until the rig's other processes have come to rest."""

import time
from collections.abc import Collection

from paddleport.process import cpu_seconds

# Thread pools go on spinning after their last run, OpenMP's for 0.2 s, and would slow down
# whichever backend comes next: ONNX Runtime after Paddle by a factor of 2.
LONGEST_S = 0.3
_QUIET_S = 0.03  # three ticks of the system's clock for CPU time


def settle(pids: Collection[int]) -> None:
    """Return once none of these processes has taken CPU time for a moment.

    After ``LONGEST_S`` at most, and not before it where the system does not tell.
    """
    deadline = time.perf_counter() + LONGEST_S
    while (left := deadline - time.perf_counter()) > 0:
        before = [cpu_seconds(pid) for pid in pids]
        time.sleep(min(left, _QUIET_S))
        if None not in before and before == [cpu_seconds(pid) for pid in pids]:
            return
