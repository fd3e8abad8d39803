"""One backend in a process of its own: opened, run and timed there, crashes and all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from paddleport import process
from paddleport.errors import WorkerCrashed
from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners import runner_class
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.hosted_runner import LONGEST_WARM_UP, HostedRunner
from paddleport.worker import RemoteError, Worker

P = ParamSpec("P")
T = TypeVar("T")

# What the model means: no oneDNN kernels, no fused graph, one thread for one order of sums.
PLAIN_PADDLE = RunnerOptions(threads=1, extras={"onednn": "false", "ir_optim": "false"})
START_TIMEOUT_S = 120.0  # imports, loading and compiling
RUN_TIMEOUT_S = 300.0
MEMORY_SHARE = 0.8  # of what is available, for one backend


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """What a runner says of itself once it is loaded.

    Attributes:
        computes_in: the precision read back from the runtime.
        load_ms: importing, loading and compiling.
        notes: what differs from the plain case, such as a normalised copy that was read.
        device: what it runs on.
        keeps_on_device: whether a run without copies from and to the host can be timed.
        pinned: every thread of its process may run on the CPUs it was given, and nowhere else.
        pid: its process.
    """

    computes_in: str
    load_ms: float
    notes: tuple[str, ...]
    device: str
    keeps_on_device: bool
    pinned: bool
    pid: int


@dataclass(frozen=True)
class SessionOutputs:
    """What a backend gave for a row of feeds.

    Attributes:
        outputs: one mapping per feed, in order, copied before the next feed was run.
        overwritten: an array that it had returned changed when a later feed was run: the runner
            hands out its own buffer.
    """

    outputs: list[dict[str, Array]]
    overwritten: bool


class Session:
    """A runner in a worker.

    Every method raises ``WorkerCrashed`` if the process dies, hangs or takes too much memory,
    and if the runner raises anything but a ``PortError``: ``reason`` is then the last line of
    the traceback, ``log`` all of it, and the process lives on.

    Attributes:
        facts: what the runner says of itself.
        threads: CPU threads it was asked for.
        first_ms: the first inference, as soon as there was one.
    """

    def __init__(
        self,
        backend: str,
        model: Artifact,
        options: RunnerOptions,
        *,
        worker: Worker | None = None,
        cpus: Sequence[int] | None = None,
        memory_limit_bytes: int | None = None,
        timeout_s: float = RUN_TIMEOUT_S,
    ) -> None:
        """Start a process, unless ``worker`` is one to be used, and load the model there.

        Args:
            backend: a runner's name.
            model: of the kind that the runner takes.
            options: as the runner takes them.
            worker: a process to use as it is, neither pinned nor watched.
            cpus: what the process is pinned to before it imports anything; by default as many
                as it has threads, one of every core first. Empty pins nothing.
            memory_limit_bytes: the process is killed above it; by default 80 % of what is
                available.
            timeout_s: for each inference.

        Raises:
            PortError: as the runner's constructor does, or ``WorkerCrashed``.
        """
        self.threads = options.threads
        self.first_ms: float | None = None
        self._backend, self._timeout_s = backend, timeout_s
        self._peak_bytes: int | None = None
        runner_class(backend).make_ready(model, options)
        if worker is None:
            available = process.available_bytes()
            if memory_limit_bytes is None and available is not None:
                memory_limit_bytes = round(available * MEMORY_SHARE)
            environ = runner_class(backend).environ
            worker = Worker(environ=environ, memory_limit_bytes=memory_limit_bytes)
            cpus = process.first_cpus(options.threads) if cpus is None else cpus
        else:
            cpus = ()
        self._worker = worker
        try:
            if cpus:
                self._call(process.pin, START_TIMEOUT_S, tuple(cpus))
            # A handle, typed as what it stands for.
            self._hosted: Any = self._guarded(
                worker.hold, HostedRunner, START_TIMEOUT_S, backend, model, options
            )
            pinned = self._call(process.is_pinned, START_TIMEOUT_S, tuple(cpus))
            computes_in, load_ms, notes, device, keeps_on_device = self._call(
                HostedRunner.facts, START_TIMEOUT_S, self._hosted
            )
            self.facts = SessionFacts(
                computes_in=computes_in,
                load_ms=load_ms,
                notes=notes,
                device=device,
                keeps_on_device=keeps_on_device,
                pinned=pinned,
                pid=worker.pid,
            )
        except BaseException:
            worker.close()
            raise

    def run_all(self, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """Outputs for every feed, in order."""
        return [self._run(HostedRunner.run, feed) for feed in feeds]

    def answers(self, feeds: Sequence[Feed]) -> SessionOutputs:
        """Outputs for every feed, in order, and whether they stay what they were.

        The process holds what the runner returned and a digest of each, not a second copy.
        """
        outputs = [self._run(HostedRunner.run_and_hold, feed) for feed in feeds]
        return SessionOutputs(outputs, self._run(HostedRunner.overwritten))

    def time_ms(self, feed: Feed, *, at_most_s: float, warm_up_s: float = 0.0) -> list[float]:
        """Wall-clock milliseconds of each run, at least one, until ``at_most_s`` are over.

        Args:
            feed: what is run.
            at_most_s: when to stop counting.
            warm_up_s: not counted, before; at least that long, and until runs get no faster.
        """
        timeout_s = self._round_timeout_s(at_most_s, warm_up_s)
        return self._run(HostedRunner.time_ms, feed, at_most_s, warm_up_s, timeout_s=timeout_s)

    def time_on_device_ms(
        self, feed: Feed, *, at_most_s: float, warm_up_s: float = 0.0
    ) -> list[float]:
        """As ``time_ms``, without the copies between host and device.

        The feed is copied once before; each run ends when the device has done its work.
        """
        timeout_s = self._round_timeout_s(at_most_s, warm_up_s)
        return self._run(
            HostedRunner.time_on_device_ms, feed, at_most_s, warm_up_s, timeout_s=timeout_s
        )

    def time_many_ms(self, feed: Feed, *, at_most_s: float, warm_up_s: float = 0.0) -> list[float]:
        """As ``time_ms``, with as many inferences at a time as the runner's streams want.

        Each value is the mean of a chunk: its wall-clock time by the inferences in it.
        """
        timeout_s = self._round_timeout_s(at_most_s, warm_up_s)
        return self._run(HostedRunner.time_many_ms, feed, at_most_s, warm_up_s, timeout_s=timeout_s)

    def time_from_jpeg_ms(
        self,
        jpeg: bytes,
        preprocess: Preprocess,
        batch: int,
        at_most_s: float,
        *,
        warm_up_s: float = 0.0,
    ) -> list[float]:
        """As ``time_ms``, end to end: decode and prepare ``batch`` times, stack, run."""
        given = jpeg, preprocess, batch, at_most_s, warm_up_s
        timeout_s = self._round_timeout_s(at_most_s, warm_up_s)
        return self._run(HostedRunner.time_from_jpeg_ms, *given, timeout_s=timeout_s)

    def picture_library(self) -> str:
        """What decodes and resizes where the runner reads pictures itself; empty where not."""
        return self._run(HostedRunner.picture_library)

    def prepared(self, picture: Path) -> Array:
        """The tensor that a runner with a preprocessing of its own makes of a picture.

        Raises:
            ImageError: it does not read it.
        """
        return self._run(HostedRunner.prepared, picture)

    def classified(self, picture: Path) -> dict[str, Array]:
        """Its outputs for a picture that it has read itself; raises as ``prepared`` does."""
        return self._run(HostedRunner.classified, picture)

    def peak_memory_bytes(self) -> int | None:
        """The most memory its process has held, as last seen; ``None`` where it is not reported."""
        return self._peak_bytes

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _round_timeout_s(self, at_most_s: float, warm_up_s: float) -> float:
        """Warming up and counting may each begin an inference just before they are to end."""
        runs = 2 if warm_up_s else 1
        return at_most_s + (LONGEST_WARM_UP + 1) * warm_up_s + runs * self._timeout_s

    def _run(self, method: Callable[..., T], *args: object, timeout_s: float | None = None) -> T:
        """One method of ``HostedRunner``, there, and what it has come to since."""
        result = self._call(method, timeout_s or self._timeout_s, self._hosted, *args)
        self.first_ms, self._peak_bytes = self._call(
            HostedRunner.costs, self._timeout_s, self._hosted
        )
        return result

    def _call(
        self, function: Callable[P, T], timeout_s: float, /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        result: T = self._guarded(self._worker.call, function, timeout_s, *args, **kwargs)
        return result

    def _guarded(self, call: Callable[..., T], /, *args: object, **kwargs: object) -> T:
        try:
            result: T = call(*args, **kwargs)
            return result
        except RemoteError as error:
            trace = str(error).strip()
            reason = trace.splitlines()[-1]
            message = f"{self._backend} raised {reason}"
            raise WorkerCrashed(message, reason=reason, log=trace) from None
