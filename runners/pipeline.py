"""Pictures through a runner: decoded and preprocessed by threads while it computes."""

import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import ImageError, UsageError
from paddleport.models.card import Preprocess
from paddleport.runners.base import Runner, available_threads
from paddleport.runners.in_order import Done, Pending, in_order
from paddleport.runners.preprocessing.prepare_image import decode_image, fed_picture, stack_pictures
from paddleport.tensors import Array, TensorSpec

MOST_WORKERS = 16  # beyond that they wait for Python's lock

Source = Path | tuple[str, Array]


@dataclass
class Work:
    """What a pipeline has done and what it cost; complete when the pipeline has ended.

    Seconds are CPU time of the threads that did it, so waiting is not counted. What neither
    decoded nor preprocessed, nor consumed the answers, is inference; on a GPU, where the CPU's
    time says nothing, it is the time that was waited for it.

    Attributes:
        pictures: how many, with those that could not be read.
        wall_s: from the first picture to the last answer.
    """

    pictures: int = 0
    wall_s: float = 0.0
    decode_s: float = 0.0
    preprocess_s: float = 0.0
    inference_s: float = 0.0

    @property
    def pictures_per_s(self) -> float:
        """How many pictures were answered in a second."""
        return self.pictures / self.wall_s if self.wall_s else 0.0

    def shares(self) -> dict[str, float]:
        """Of decode, preprocess and inference in what the three took together, 0 to 1."""
        parts = {
            "decode": self.decode_s,
            "preprocess": self.preprocess_s,
            "inference": self.inference_s,
        }
        total = sum(parts.values())
        return {name: part / total if total else 0.0 for name, part in parts.items()}


@dataclass(frozen=True)
class Fed:
    """One picture on its way.

    Attributes:
        name: its file, or what it is called.
        tensor: what the model takes of it, without the batch dimension; ``None`` if unreadable.
        error: why it could not be read; empty if it could.
        decode_s, preprocess_s: CPU seconds.
    """

    name: str
    tensor: Array | None
    error: str = ""
    decode_s: float = 0.0
    preprocess_s: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Pictures in their order, those that could not be read among them; at least one."""

    pictures: tuple[Fed, ...]

    def tensor(self, fixed: int | None) -> Array | None:
        """Those that could be read, the last one repeated up to a batch that is ``fixed``."""
        found = [item.tensor for item in self.pictures if item.tensor is not None]
        if not found:
            return None
        return stack_pictures(found + found[-1:] * ((fixed or 0) - len(found)))


def default_workers() -> int:
    """Threads that decode: one a CPU, since an idle one costs nothing."""
    return min(available_threads(), MOST_WORKERS)


def run_pictures(
    runner: Runner,
    pictures: Iterable[Source],
    *,
    preprocess: Preprocess,
    spec: TensorSpec,
    batch_size: int,
    workers: int,
    work: Work,
    fast_decode: bool = False,
) -> Generator[tuple[Batch, Array | None], None, None]:
    """Every batch with the model's first output for it; ``None`` where nothing could be read.

    Each stage is a bounded amount ahead of the next: at most ``2 * workers + batch_size``
    pictures are read and not yet in a batch, and ``runner.in_flight`` batches are computed.

    Raises:
        UsageError: fewer than one worker.
        PortError: what the runner or ``pictures`` raises, in its place.
    """
    if workers < 1:
        raise UsageError(f"--workers {workers} is not possible: 1 or more")
    clock = _Clock(work, on_cpu=runner.device == "cpu")
    pool = ThreadPoolExecutor(workers, thread_name_prefix="paddleport-picture")

    def read(picture: Source) -> Pending[Fed]:
        return pool.submit(_fed, picture, preprocess, spec, fast_decode)

    def start(batch: Batch) -> Pending[tuple[Batch, Array | None]]:
        tensor = batch.tensor(spec.shape[0])
        if tensor is None:
            return Done((batch, None))
        with clock.waiting():
            return _Scores(batch, runner.start_checked({spec.name: tensor}), clock)

    try:
        with (
            closing(in_order(read, pictures, 2 * workers + batch_size)) as fed,
            closing(_batches(fed, batch_size, clock)) as batches,
            closing(in_order(start, batches, runner.in_flight)) as scored,
        ):
            for item in scored:
                left = time.thread_time()
                yield item
                clock.elsewhere_s += time.thread_time() - left
    finally:
        pool.shutdown(cancel_futures=True)
        clock.stop()


def _fed(picture: Source, preprocess: Preprocess, spec: TensorSpec, fast_decode: bool) -> Fed:
    """Read one picture; in a worker."""
    name = str(picture) if isinstance(picture, Path) else picture[0]
    started = decoded = time.thread_time()
    try:
        fast_for = preprocess if fast_decode else None
        image = (
            decode_image(picture, fast_for=fast_for) if isinstance(picture, Path) else picture[1]
        )
        decoded = time.thread_time()
        tensor, error = fed_picture(image, preprocess, spec, name=name), ""
    except ImageError as failure:
        tensor, error = None, str(failure)
    return Fed(name, tensor, error, decoded - started, time.thread_time() - decoded)


def _batches(
    pictures: Iterator[Fed], batch_size: int, clock: "_Clock"
) -> Generator[Batch, None, None]:
    """Batches of ``batch_size`` readable pictures; unreadable ones wait for no batch."""
    waiting: list[Fed] = []
    readable = 0
    for picture in pictures:
        clock.count(picture)
        waiting.append(picture)
        readable += picture.tensor is not None
        if readable in (0, batch_size):
            yield Batch(tuple(waiting))
            waiting, readable = [], 0
    if waiting:
        yield Batch(tuple(waiting))


class _Clock:
    """Fills in a ``Work``."""

    def __init__(self, work: Work, *, on_cpu: bool) -> None:
        self.elsewhere_s = 0.0  # CPU time of whoever takes the answers
        self._work, self._on_cpu = work, on_cpu
        self._waited_s = 0.0
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around what only an inference can make long."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._waited_s += time.perf_counter() - started

    def count(self, picture: Fed) -> None:
        self._work.pictures += 1
        self._work.decode_s += picture.decode_s
        self._work.preprocess_s += picture.preprocess_s

    def stop(self) -> None:
        work = self._work
        work.wall_s += time.perf_counter() - self._wall
        rest = time.process_time() - self._cpu - self.elsewhere_s
        rest -= work.decode_s + work.preprocess_s
        work.inference_s += max(0.0, rest) if self._on_cpu else self._waited_s


class _Scores:
    """A batch whose inference was started."""

    def __init__(self, batch: Batch, started: Pending[dict[str, Array]], clock: _Clock) -> None:
        self._batch, self._started, self._clock = batch, started, clock

    def result(self) -> tuple[Batch, Array | None]:
        with self._clock.waiting():
            outputs = self._started.result()
        readable = sum(item.tensor is not None for item in self._batch.pictures)
        return self._batch, next(iter(outputs.values()))[:readable]

    def cancel(self) -> None:
        self._started.cancel()
