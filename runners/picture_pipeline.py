"""Pictures on their way to a model: found, decoded and preprocessed by threads, fed in batches."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from paddleport.arguments import check_option
from paddleport.errors import ImageError, UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.in_order import Done, Pending, in_order
from paddleport.runners.preprocessing.prepare_image import decode_image, fed_picture, stack_pictures
from paddleport.runners.runner_options import MOST_THREADS, available_threads
from paddleport.tensors import Array, Feed, TensorSpec

MOST_WORKERS = 16  # beyond that they wait for Python's lock

Picture = str | Path | bytes | Array
"""A file by its path, a file's bytes, or an array [height, width, 3] uint8 in BGR."""
Source = Picture | tuple[str, Picture]
"""A picture, or its name with it."""
Start = Callable[[Feed], Pending[dict[str, Array]]]
"""Begins one inference."""


@dataclass(kw_only=True)
class Work:
    """What a pipeline has done and what it cost; complete when the pipeline has ended.

    Seconds are CPU time of the threads that did it, so waiting is not counted. What neither
    decoded nor preprocessed, nor consumed the answers, is inference; on a GPU, where the CPU's
    time says nothing, it is the time that was waited for it.

    Attributes:
        pictures: how many, with those that could not be read.
        unreadable: how many those are.
        wall_s: from the first picture to the last answer.
    """

    pictures: int = 0
    unreadable: int = 0
    wall_s: float = 0.0
    decode_s: float = 0.0
    preprocess_s: float = 0.0
    inference_s: float = 0.0

    @property
    def pictures_per_s(self) -> float:
        """How many pictures were answered in a second."""
        return self.answered / self.wall_s if self.wall_s else 0.0

    @property
    def answered(self) -> int:
        """How many pictures could be read."""
        return self.pictures - self.unreadable

    def shares(self) -> dict[str, float]:
        """Of decode, preprocess and inference in what the three took together, 0 to 1."""
        parts = {
            "decode": self.decode_s,
            "preprocess": self.preprocess_s,
            "inference": self.inference_s,
        }
        total = sum(parts.values())
        return {name: part / total if total else 0.0 for name, part in parts.items()}


@dataclass(frozen=True, kw_only=True)
class FedPicture:
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
class PictureBatch:
    """Pictures in their order, those that could not be read among them; at least one.

    Attributes:
        pictures: they.
        fixed: how many a model of a fixed batch takes; ``None`` for any other.
        fed: how many the model was fed, filled up to what is fixed.
    """

    pictures: tuple[FedPicture, ...]
    fixed: int | None
    fed: int = field(init=False)

    def __post_init__(self) -> None:
        """Count."""
        readable = sum(item.tensor is not None for item in self.pictures)
        object.__setattr__(self, "fed", max(readable, self.fixed or 0) if readable else 0)

    def tensor(self) -> Array | None:
        """Those that could be read, the last one repeated up to a batch that is fixed."""
        found = [item.tensor for item in self.pictures if item.tensor is not None]
        if not found:
            return None
        return stack_pictures(found + found[-1:] * (self.fed - len(found)))


@dataclass(frozen=True, kw_only=True)
class PictureInput:
    """How a picture becomes what a model's input takes.

    Attributes:
        spec: the input.
        preprocess: what is done to a decoded picture.
        fast_decode: whether JPEGs are decoded at a reduced size.
    """

    spec: TensorSpec
    preprocess: Preprocess
    fast_decode: bool = False

    def read(self, source: Source) -> FedPicture:
        """Decode and preprocess one picture, or say why that can't be; in any thread."""
        name, picture = named_picture(source)
        started = decoded = time.thread_time()
        tensor, error = None, ""
        try:
            image = picture
            if isinstance(image, Path | bytes):
                fast_for = self.preprocess if self.fast_decode else None
                image = decode_image(image, name=name, fast_for=fast_for)
            decoded = time.thread_time()
            tensor = fed_picture(image, self.preprocess, self.spec, name=name)
        except ImageError as failure:
            error = str(failure)
        preprocess_s = time.thread_time() - decoded
        return FedPicture(
            name=name,
            tensor=tensor,
            error=error,
            decode_s=decoded - started,
            preprocess_s=preprocess_s,
        )

    def feed(self, pictures: Sequence[Source]) -> Feed:
        """Some pictures as one feed, made in the thread that calls.

        Raises:
            ImageError: one of them can't be read.
        """
        read = tuple(self.read(picture) for picture in pictures)
        for item in read:
            if item.error:
                raise ImageError(item.error)
        tensor = PictureBatch(read, self.spec.shape[0]).tensor()
        if tensor is None:
            raise UsageError("there is no picture to predict")
        return {self.spec.name: tensor}


def named_picture(source: Source) -> tuple[str, Path | bytes | Array]:
    """A picture and what to call it."""
    named = isinstance(source, tuple)
    name, picture = source if isinstance(source, tuple) else ("the picture", source)
    if isinstance(picture, str | Path):
        return (name if named else str(picture)), Path(picture)
    return name, picture


def default_workers() -> int:
    """Threads that decode: one per CPU, since an idle one costs nothing."""
    return min(available_threads(), MOST_WORKERS)


def run_pictures(
    start: Start,
    pictures: Iterable[Source],
    taken: PictureInput,
    *,
    batch_size: int,
    workers: int,
    in_flight: int,
    on_cpu: bool,
    work: Work,
) -> Generator[tuple[PictureBatch, dict[str, Array] | None], None, None]:
    """Every batch with the model's outputs for it; ``None`` where nothing could be read.

    Each stage is a bounded amount ahead of the next: at most ``2 * workers + batch_size``
    pictures are read and not yet in a batch, and ``in_flight`` batches are computed.

    Raises:
        UsageError: fewer workers than one, or more than 1024.
        PortError: what ``start`` or ``pictures`` raises, in its place.
    """
    check_option("workers", workers, MOST_THREADS)
    clock = _Clock(work, on_cpu=on_cpu)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="paddleport-picture")
    name, fixed = taken.spec.name, taken.spec.shape[0]

    def read(picture: Source) -> Pending[FedPicture]:
        return pool.submit(taken.read, picture)

    def begin(batch: PictureBatch) -> Pending[tuple[PictureBatch, dict[str, Array] | None]]:
        tensor = batch.tensor()
        if tensor is None:
            return Done((batch, None))
        with clock.waiting():
            return _Inferred(batch, start({name: tensor}), clock)

    try:
        with (
            closing(in_order(read, pictures, 2 * workers + batch_size)) as fed,
            closing(_batches(fed, batch_size, fixed, clock)) as batches,
            closing(in_order(begin, batches, in_flight)) as inferred,
        ):
            for item in inferred:
                left = time.thread_time()
                yield item
                clock.elsewhere_s += time.thread_time() - left
    finally:
        pool.shutdown(cancel_futures=True)
        clock.stop()


def _batches(
    pictures: Iterator[FedPicture], batch_size: int, fixed: int | None, clock: "_Clock"
) -> Generator[PictureBatch, None, None]:
    """Batches of ``batch_size`` readable pictures; unreadable ones wait for no batch."""
    waiting: list[FedPicture] = []
    readable = 0
    for picture in pictures:
        clock.count(picture)
        waiting.append(picture)
        readable += picture.tensor is not None
        if readable in (0, batch_size):
            yield PictureBatch(tuple(waiting), fixed)
            waiting, readable = [], 0
    if waiting:
        yield PictureBatch(tuple(waiting), fixed)


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

    def count(self, picture: FedPicture) -> None:
        self._work.pictures += 1
        self._work.unreadable += picture.tensor is None
        self._work.decode_s += picture.decode_s
        self._work.preprocess_s += picture.preprocess_s

    def stop(self) -> None:
        work = self._work
        work.wall_s += time.perf_counter() - self._wall
        rest = time.process_time() - self._cpu - self.elsewhere_s
        rest -= work.decode_s + work.preprocess_s
        work.inference_s += max(0.0, rest) if self._on_cpu else self._waited_s


class _Inferred:
    """A batch whose inference was started."""

    def __init__(
        self, batch: PictureBatch, started: Pending[dict[str, Array]], clock: _Clock
    ) -> None:
        self._batch, self._started, self._clock = batch, started, clock

    def result(self) -> tuple[PictureBatch, dict[str, Array]]:
        with self._clock.waiting():
            return self._batch, self._started.result()

    def cancel(self) -> None:
        self._started.cancel()
