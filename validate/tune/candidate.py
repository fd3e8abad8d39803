"""What can be tried: backends, precisions, threads, streams and batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from paddleport import runners
from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import Precision, RunnerOptions

Goal = Literal["latency", "throughput"]
BATCHES = (1, 4, 8)  # tried for throughput, where the batch is free
PLAIN = "fp32"  # the name of the proven conversion among the files
STREAMS = "streams"  # the -o option of backends that run several inferences at a time
# Of two that are equally fast the first is taken: exact before coarse, simple before complex.
_COARSENESS = {"fp64": 0, "fp32": 1, "fp16": 2, "bf16": 3, "int8": 4}


@dataclass(frozen=True, kw_only=True)
class ModelVariant:
    """One file of the model.

    Attributes:
        precision: what the file is in; ``fp32`` files may be computed in less by a backend.
        file: ONNX, or what a target made of it.
        name: distinguishes it from others of the same backend; by default its precision.
        backends: the only ones that it is good for; empty is all that load its format.
    """

    precision: Precision
    file: Artifact
    name: str = ""
    backends: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Give it its name."""
        if not self.name:
            object.__setattr__(self, "name", self.precision)

    def serves(self, backend: str) -> bool:
        """Whether a backend can be given it; the plain conversion is made into what each loads."""
        formats = runners.runner_class(backend).formats
        loads = self.name == PLAIN or self.file.format in formats
        return loads and backend in (self.backends or [backend])


@dataclass(frozen=True, kw_only=True)
class TuneCandidate:
    """One configuration.

    Attributes:
        backend: a runner's name.
        precision: what it is asked to compute in.
        variant: the name of the file that it loads.
        threads: CPU threads of all inferences at a time together.
        streams: inferences at a time, among which the threads are divided.
        batch: pictures per inference.
    """

    backend: str
    precision: Precision
    variant: str
    threads: int
    streams: int = 1
    batch: int = 1

    @property
    def name(self) -> str:
        """Such as ``openvino bf16, 2 threads in 2 streams, batch 4``."""
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        streams = f" in {self.streams} streams" if self.streams > 1 else ""
        batch = f", batch {self.batch}" if self.batch > 1 else ""
        computed = self.precision if self.variant == PLAIN else self.variant
        return f"{self.backend} {computed}, {threads}{streams}{batch}"

    @property
    def computation(self) -> tuple[str, str, str]:
        """All that its numbers depend on; candidates that share it pass the gate together."""
        return self.backend, self.precision, self.variant

    @property
    def options(self) -> RunnerOptions:
        """What its runner is opened with."""
        extras = {STREAMS: str(self.streams)} if self.streams > 1 else {}
        precision = self.precision if self.variant == PLAIN else None
        return RunnerOptions(precision=precision, threads=self.threads, extras=extras)

    @property
    def preference(self) -> tuple[Any, ...]:
        """What is taken first among equals."""
        return (
            _COARSENESS[self.precision],
            self.batch,
            self.streams,
            self.threads,
            self.backend,
        )


def candidates(
    backends: Sequence[str],
    variants: Sequence[ModelVariant],
    goal: Goal,
    *,
    threads: int,
    fixed_batch: int | None,
) -> list[TuneCandidate]:
    """Every configuration worth trying on ``threads`` CPUs, each only once.

    For latency one picture at a time with more or fewer threads; for throughput all threads, in
    more or fewer streams, and larger batches. A model of a fixed batch is tried with that alone.
    A backend that reads Paddle's program takes part with the program itself.
    """
    batches = (fixed_batch,) if fixed_batch else BATCHES if goal == "throughput" else (1,)
    found = []
    for computation in _computations(backends, variants):
        kind = runners.runner_class(computation.backend)
        alone = goal == "latency" or STREAMS not in kind.option_names()
        counts = _powers(threads) if goal == "latency" and kind.uses_threads else [threads]
        found += [
            replace(computation, threads=count, streams=streams, batch=batch)
            for count in counts
            for streams in ([1] if alone else _powers(count))
            for batch in batches
        ]
    return found


def _computations(
    backends: Sequence[str], variants: Sequence[ModelVariant]
) -> Iterator[TuneCandidate]:
    for name in backends:
        kind = runners.runner_class(name)
        if "paddle" in kind.formats:
            yield TuneCandidate(
                backend=name, precision=kind.precisions[0], variant=PLAIN, threads=1
            )
            continue
        for variant in variants:
            if variant.name == PLAIN:
                for precision in kind.precisions:
                    if precision != "int8":
                        yield TuneCandidate(
                            backend=name, precision=precision, variant=PLAIN, threads=1
                        )
            elif variant.serves(name):
                yield TuneCandidate(
                    backend=name, precision=variant.precision, variant=variant.name, threads=1
                )


def _powers(most: int) -> list[int]:
    """1, 2, 4, ... and ``most``."""
    counts = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return counts if counts[-1] == most else [*counts, most]
