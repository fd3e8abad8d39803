"""One backend in a process of its own: opened, run and timed there, crashes and all."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paddleport.models.card import OnnxModel, PaddleModel
from paddleport.runners import runner_class
from paddleport.runners.base import Runner, RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.worker import Worker

# What the model means: no oneDNN kernels, no fused graph, one thread for one order of sums.
PLAIN_PADDLE = RunnerOptions(threads=1, extras={"onednn": "false", "ir_optim": "false"})
START_TIMEOUT_S = 120.0  # imports, loading and compiling
RUN_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class SessionFacts:
    """What a runner says of itself once it is loaded.

    Attributes:
        computes_in: the precision read back from the runtime.
        load_ms: importing, loading and compiling.
        notes: what differs from the plain case, such as a normalised copy that was read.
    """

    computes_in: str
    load_ms: float
    notes: tuple[str, ...]


class Session:
    """A runner in a worker; every method raises ``WorkerCrashed`` if the process dies."""

    def __init__(
        self,
        backend: str,
        model: PaddleModel | OnnxModel,
        options: RunnerOptions,
        *,
        worker: Worker | None = None,
    ) -> None:
        """Start a process, unless ``worker`` is one to be used, and load the model there.

        Raises:
            PortError: as the runner's constructor does, or ``WorkerCrashed``.
        """
        self._worker = worker or Worker()
        try:
            # A handle, typed as what it stands for.
            self._runner: Any = self._worker.hold(_open, START_TIMEOUT_S, backend, model, options)
            self.facts = self._worker.call(_facts, RUN_TIMEOUT_S, self._runner)
        except BaseException:
            self._worker.close()
            raise

    def run_all(self, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """Outputs for every feed, in order."""
        return self._worker.call(_run_all, RUN_TIMEOUT_S, self._runner, feeds)

    def time_ms(self, feed: Feed, *, at_most_s: float) -> list[float]:
        """Wall-clock milliseconds of each run, at least one, until ``at_most_s`` are over."""
        return self._worker.call(_time_ms, RUN_TIMEOUT_S, self._runner, feed, at_most_s)

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def _open(
    backend: str, model: PaddleModel | OnnxModel, options: RunnerOptions
) -> tuple[Runner, float]:
    started = time.perf_counter()
    runner = runner_class(backend)(model, options)
    return runner, (time.perf_counter() - started) * 1e3


def _facts(opened: tuple[Runner, float]) -> SessionFacts:
    runner, load_ms = opened
    return SessionFacts(runner.computes_in, load_ms, tuple(runner.notes))


def _run_all(opened: tuple[Runner, float], feeds: Sequence[Feed]) -> list[dict[str, Array]]:
    return [opened[0].run(feed) for feed in feeds]


def _time_ms(opened: tuple[Runner, float], feed: Feed, at_most_s: float) -> list[float]:
    runner = opened[0]
    times: list[float] = []
    deadline = time.perf_counter() + at_most_s
    while not times or time.perf_counter() < deadline:
        started = time.perf_counter()
        runner.run(feed)
        times.append((time.perf_counter() - started) * 1e3)
    return times
