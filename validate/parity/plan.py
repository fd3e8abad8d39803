"""What a validation is asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from paddleport.runners.base import Precision, available_threads
from paddleport.tensors import ShapeRange


@dataclass(frozen=True)
class Plan:
    """What to compare with what, and how long to measure.

    Attributes:
        backends: names, each of which must then be available; ``None`` for all there are.
        reference: the backend the numbers are judged against, at its plainest; ``None`` is
            Paddle with TensorRT where that can run, else Paddle.
        device, precision, threads, extras: as ``RunnerOptions`` has them, for every candidate;
            extras go to the backends that take them, as ``extras.deal`` has it.
        shapes: the Paddle model's input name to the shapes that backends compile for; by
            default those that are fed.
        seconds_each: most seconds to measure each backend's main configuration; 0 measures
            nothing.
        quick: fewer feeds, and of the latencies only the main ones.
        locate: look for the node where a backend parts from the reference, if it does.
        locate_seconds: most seconds for each of these searches.
        strict: a skipped backend is a failure.
        timeout_s: for one inference; a backend that takes longer has failed.
        memory_limit_bytes: for one backend's process; ``None`` is 80 % of what is available.
    """

    backends: tuple[str, ...] | None = None
    reference: str | None = None
    device: str | None = None
    precision: Precision | None = None
    threads: int = field(default_factory=available_threads)
    extras: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, ShapeRange] = field(default_factory=dict)
    seconds_each: float = 3.0
    quick: bool = False
    locate: bool = False
    locate_seconds: float = 60.0
    strict: bool = False
    timeout_s: float = 300.0
    memory_limit_bytes: int | None = None

    @property
    def samples(self) -> int:
        """How many drawn pictures to feed."""
        return 3 if self.quick else 6

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Of the batches that are fed; odd, as whole vectors of pictures may come out right."""
        return tuple(size for size in ((3,) if self.quick else (3, 8)) if self.takes_batch(size))

    def takes_batch(self, size: int) -> bool:
        """Whether a batch is within the shapes that backends compile for."""
        return all(
            shapes.min[0] <= size <= shapes.max[0] for shapes in self.shapes.values() if shapes.max
        )
