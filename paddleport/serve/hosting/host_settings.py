"""How a model is hosted: processes, batches, queue, times."""

from dataclasses import dataclass

from paddleport.errors import UsageError
from paddleport.runners.picture_pipeline import default_workers

MOST_PICTURES = 64


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """What ``serve`` is asked for, model by model.

    Attributes:
        workers: processes, each with the model.
        max_batch: examples that are computed together at most; 1 is no batching.
        max_delay_s: how long a request waits for others to be computed with.
        max_queue: requests that wait at most; beyond them there is an error at once.
        timeout_s: of one inference, or of one picture's reading; then its worker is ended.
        start_timeout_s: to open the model.
        tries: starts in a row that may fail before it is given up.
        backoff_s: before the second start in a row; each further one waits twice as long.
        readers: threads that decode pictures, in each worker; ``None`` is by the CPUs.
        most_pictures: in one request.
    """

    workers: int = 1
    max_batch: int = 1
    max_delay_s: float = 0.002
    max_queue: int = 256
    timeout_s: float = 60.0
    start_timeout_s: float = 1800.0
    tries: int = 5
    backoff_s: float = 0.2
    readers: int | None = None
    most_pictures: int = MOST_PICTURES

    def __post_init__(self) -> None:
        """Raises UsageError: what can't be, by its option."""
        for option, value in {
            "workers": self.workers,
            "max-batch": self.max_batch,
            "max-queue": self.max_queue,
        }.items():
            if value < 1:
                raise UsageError(f"--{option} {value} is not possible: 1 or more")
        if not self.timeout_s > 0:
            raise UsageError(f"--timeout-s {self.timeout_s:g} is not possible: more than 0")
        if not self.max_delay_s >= 0:
            raise UsageError(
                f"--max-delay-ms {self.max_delay_s * 1e3:g} is not possible: 0 or more"
            )

    @property
    def readers_each(self) -> int:
        """Threads that decode pictures, in each worker."""
        return self.readers or max(1, default_workers() // self.workers)

    def pause_s(self, failures: int) -> float:
        """Before the next start, after so many in a row have failed: at most half a minute."""
        return 0.0 if failures == 0 else min(30.0, self.backoff_s * 2.0 ** (failures - 1))
