"""The machine: what its arithmetic can do at best, and waiting until its processes are at rest."""

import time
from collections.abc import Collection

from paddleport import process
from paddleport.process import cpu_seconds
from paddleport.worker import Worker

_SIZE = 1024  # three matrices of 4 MB: bound by arithmetic, not by memory
_SECONDS = 0.5
_TIMEOUT_S = 120.0
_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
# Thread pools go on spinning after their last run, OpenMP's for 0.2 s, and would slow down
# whichever backend comes next: ONNX Runtime after Paddle by a factor of 2.
LONGEST_S = 0.3
_QUIET_S = 0.03  # three ticks of the system's clock for CPU time


def peak_gflops(threads: int) -> float:
    """GFLOP/s of a large float32 matrix product, the best of several.

    By numpy's BLAS, in a process of its own with as many threads and pinned as a session is. A
    product of two n × n matrices takes 2 n³ operations. The machine's true peak is somewhat
    higher, and a runtime with better kernels than numpy's BLAS may go beyond this figure.

    Raises:
        WorkerCrashed: the process ended.
    """
    environ = dict.fromkeys(_VARIABLES, str(threads))
    with Worker(environ=environ) as worker:
        worker.call(process.pin, _TIMEOUT_S, process.first_cpus(threads))
        return worker.call(_best_gflops, _TIMEOUT_S, _SIZE, _SECONDS)


def _best_gflops(size: int, seconds: float) -> float:
    import numpy as np

    generator = np.random.default_rng(0)
    one, other = (generator.random((size, size), np.float32) for _ in range(2))
    product = one @ other  # pages, threads and clock rate
    best_s = float("inf")
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        np.matmul(one, other, out=product)
        best_s = min(best_s, time.perf_counter() - started)
    return 2 * size**3 / best_s / 1e9


def settle(pids: Collection[int]) -> None:
    """Return once none of these processes has taken CPU time for a moment.

    After ``LONGEST_S`` at most, and not before it where the system does not report it.
    """
    deadline = time.perf_counter() + LONGEST_S
    while (left := deadline - time.perf_counter()) > 0:
        before = [cpu_seconds(pid) for pid in pids]
        time.sleep(min(left, _QUIET_S))
        if None not in before and before == [cpu_seconds(pid) for pid in pids]:
            return
