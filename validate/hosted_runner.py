"""A runner inside its own process: what a session asks of it, and the clock beside it."""

import hashlib
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.process import peak_resident_bytes
from paddleport.runners import runner_class
from paddleport.runners.picture_runner import PictureRunner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.feeds.named_feed import renamed

_HELD_BYTES = 1 << 28  # of answers that are watched at a time
LONGEST_WARM_UP = 5  # times the shortest
_CHUNK = 8  # inferences per stream
_NO_FASTER = 0.98  # of the median before: no longer faster than that


class HostedRunner:
    """A loaded runner and the answers that it has given."""

    def __init__(self, backend: str, model: Artifact, options: RunnerOptions) -> None:
        """Import, load and compile; raises what the runner does."""
        started = time.perf_counter()
        self._runner = runner_class(backend)(model, options)
        self._load_ms = (time.perf_counter() - started) * 1e3
        self._backend, self._model, self._options = backend, model, options
        by_place = not model.inputs and model.format not in ("onnx", "paddle")
        self._names = [spec.name for spec in self._runner.inputs] if by_place else []
        self._first_ms: float | None = None
        self._held: list[tuple[Array, bytes]] = []
        self._overwritten = False

    def facts(self) -> tuple[str, float, tuple[str, ...], str, bool]:
        """Precision, milliseconds to load, notes, device, whether tensors can stay on it."""
        runner = self._runner
        notes = tuple(runner.notes)
        return runner.computes_in, self._load_ms, notes, runner.device, runner.keeps_on_device

    def costs(self) -> tuple[float | None, int | None]:
        """Milliseconds of the first inference, and the most memory so far."""
        return self._first_ms, peak_resident_bytes()

    def run(self, feed: Feed) -> dict[str, Array]:
        """Run once; a file that does not say what its inputs are called is fed in order."""
        if self._names:
            feed = renamed(feed, self._names)
        started = time.perf_counter()
        outputs = self._runner.run(feed)
        if self._first_ms is None:
            self._first_ms = (time.perf_counter() - started) * 1e3
        return outputs

    def run_and_hold(self, feed: Feed) -> dict[str, Array]:
        """Run once, and watch what was returned from now on."""
        outputs = self.run(feed)
        self._held += [(array, _digest(array)) for array in outputs.values()]
        while len(self._held) > 2 * len(outputs) and self._held_bytes() > _HELD_BYTES:
            self._let_go(1)
        return outputs

    def overwritten(self) -> bool:
        """Whether anything held has changed since; lets it all go."""
        self._let_go(len(self._held))
        changed, self._overwritten = self._overwritten, False
        return changed

    def picture_library(self) -> str:
        """As ``PictureRunner`` has it; empty for runners that read no pictures."""
        return getattr(self._runner, "picture_library", "")

    def prepared(self, picture: Path) -> Array:
        """As ``PictureRunner`` has it."""
        return self._pictures.prepared(picture)

    def classified(self, picture: Path) -> dict[str, Array]:
        """As ``PictureRunner`` has it."""
        return self._pictures.classified(picture)

    @property
    def _pictures(self) -> PictureRunner:
        if not isinstance(self._runner, PictureRunner):
            raise UsageError(f"{self._backend} reads no pictures itself")
        return self._runner

    def _held_bytes(self) -> int:
        return sum(array.nbytes for array, _ in self._held)

    def _let_go(self, count: int) -> None:
        gone, self._held = self._held[:count], self._held[count:]
        self._overwritten |= any(_digest(array) != digest for array, digest in gone)

    def time_ms(self, feed: Feed, at_most_s: float, warm_up_s: float) -> list[float]:
        """Milliseconds of each run on ``feed``."""
        return _timed(lambda: self.run(feed), at_most_s, warm_up_s)

    def time_on_device_ms(self, feed: Feed, at_most_s: float, warm_up_s: float) -> list[float]:
        """Milliseconds of each run whose tensors are on the device before, and stay there."""
        placed = self._runner.place(feed)
        return _timed(lambda: self._runner.infer_placed(placed), at_most_s, warm_up_s)

    def time_many_ms(self, feed: Feed, at_most_s: float, warm_up_s: float) -> list[float]:
        """Milliseconds per inference, of chunks with as many at a time as the runner has."""
        chunk = _CHUNK * self._runner.in_flight

        def run() -> None:
            for _ in self._runner.run_many(itertools.repeat(feed, chunk)):
                pass

        return [time / chunk for time in _timed(run, at_most_s, warm_up_s)]

    def time_from_jpeg_ms(
        self,
        jpeg: bytes,
        preprocess: Preprocess,
        batch: int,
        at_most_s: float,
        warm_up_s: float,
    ) -> list[float]:
        """Milliseconds from a file's bytes to the outputs, all in one thread."""
        from paddleport.runners.predictor import Predictor, PredictorSpec
        from paddleport.runners.tasks.raw_tensors import Tensors  # much that tensors do without

        spec = PredictorSpec(
            model=self._model,
            backend=self._backend,
            options=self._options,
            preprocess=preprocess,
            task=Tensors.name,
        )
        predictor = Predictor(spec, runner=self._runner)

        def run() -> None:
            predictor.run(predictor.feed_of([jpeg] * batch))

        return _timed(run, at_most_s, warm_up_s)


def _timed(run: Callable[[], object], at_most_s: float, warm_up_s: float) -> list[float]:
    if warm_up_s:
        _warm_up(run, warm_up_s)
    return _times_ms(run, at_most_s)


def _warm_up(run: Callable[[], object], at_least_s: float) -> None:
    """Run until half a warm-up is no faster than the half before it, by their medians."""
    started = time.perf_counter()
    before = _times_ms(run, at_least_s / 2)
    while time.perf_counter() - started < LONGEST_WARM_UP * at_least_s:
        last = _times_ms(run, at_least_s / 2)
        if statistics.median(last) >= _NO_FASTER * statistics.median(before):
            return
        before = last


def _times_ms(run: Callable[[], object], at_most_s: float) -> list[float]:
    times: list[float] = []
    deadline = time.perf_counter() + at_most_s
    while not times or time.perf_counter() < deadline:
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1e3)
    return times


def _digest(array: Array) -> bytes:
    """Of every bit, so that a NaN equals itself; of an array of objects, of their texts."""
    if array.dtype.hasobject:
        content = repr(array.tolist()).encode()
        return hashlib.sha1(content, usedforsecurity=False).digest()
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return hashlib.sha1(flat.data, usedforsecurity=False).digest()
