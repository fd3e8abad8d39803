"""An opened model that takes pictures or tensors and gives answers: what every caller holds."""

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from paddleport.arguments import check_option
from paddleport.errors import FeedError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners import open_runner
from paddleport.runners.base import Runner
from paddleport.runners.in_order import Pending
from paddleport.runners.picture_pipeline import (
    FedPicture,
    PictureInput,
    Source,
    Work,
    default_workers,
    run_pictures,
)
from paddleport.runners.runner_options import MOST_IN_A_BATCH, RunnerOptions
from paddleport.runners.tasks import task_named
from paddleport.runners.tasks.base import rows
from paddleport.runners.tasks.classification import Classification
from paddleport.runners.tasks.raw_tensors import feed_tensors
from paddleport.tensors import Array, Feed, TensorSpec, format_shape

MOST_STREAMS = 8  # by default; each holds the model's intermediate results once more


@dataclass(frozen=True, kw_only=True)
class PredictorSpec:
    """All that opens a predictor: small, and pickled to where the model is to be held.

    Attributes:
        model: in a format that the backend loads.
        backend: a runner's name.
        options: what the runner is opened with.
        preprocess: how pictures are fed; ``None`` for a model that is fed with tensors.
        labels: class names by index.
        task: what its answers mean, one of ``paddleport.runners.tasks.TASKS``.
        task_options: the task's own, such as ``topk``.
        batch_size: pictures in one inference of ``predict_many``.
        workers: its threads that decode and preprocess; ``None`` is ``default_workers()``.
        fast_decode: decode JPEGs at a reduced size, which is no longer bit-identical.
    """

    model: Artifact
    backend: str
    options: RunnerOptions = field(default_factory=RunnerOptions)
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = field(default=None, repr=False)
    task: str = Classification.name
    task_options: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 1
    workers: int | None = None
    fast_decode: bool = False

    def open(self) -> "Predictor":
        """A predictor whose model is loaded; raises what the runner does."""
        predictor = Predictor(self)
        _ = predictor.runner
        return predictor


@dataclass(frozen=True, kw_only=True)
class PictureAnswer:
    """One picture's answer, or why there is none.

    Attributes:
        picture: its file, or what it was called.
        answer: the task's; ``None`` if the picture could not be read.
        error: why it could not be read; empty if it could.
    """

    picture: str
    answer: Any
    error: str = ""


class Predictor:
    """A model in a runtime, opened when it is first used, and what its answers mean.

    It may be called by several threads at a time. Pictures are decoded and preprocessed in the
    threads that call, or in those of ``predict_many``, all at the same time. Inferences take
    turns: one is begun after the other, and as many are computed at a time as the runner has
    ``streams``. The answers are those that each call has alone. A generator of ``predict_many``
    is used by one thread at a time; several generators may run beside each other, but each
    ``Work`` then counts the whole process's CPU time.

    ``close`` waits for the inferences that are being computed. Every call after it, and every
    generator that is not at its end, raises UsageError.

    Pickling gives the description: what arrives is not open, and opens the model there. A child
    that is forked must not use its parent's.

    Attributes:
        spec: what it was made from.
        task: what its answers mean.
    """

    def __init__(self, spec: PredictorSpec, *, runner: Runner | None = None) -> None:
        """Nothing is loaded yet, unless ``runner`` is one to be used, which is then its own.

        Raises:
            UsageError: no such task, or an option that the task has not.
        """
        self.spec = spec
        self.task = task_named(spec.task, labels=spec.labels, options=spec.task_options)
        self._runner, self._closed, self._users = runner, False, 0
        self._state = threading.Condition()  # of what stands in the line above
        self._turn = threading.Lock()  # held while an inference is begun

    def __reduce__(self) -> tuple[type["Predictor"], tuple[PredictorSpec]]:
        return Predictor, (self.spec,)

    @property
    def runner(self) -> Runner:
        """The runner, opened now if it was not; raises what it does, or UsageError once closed."""
        with self._used() as runner:
            return runner

    def run(self, feed: Feed) -> dict[str, Array]:
        """The outputs for one feed by name, in arrays of their own.

        Raises:
            FeedError: the feed is not what the model takes.
            UsageError: it is closed.
        """
        if not isinstance(feed, Mapping):
            raise FeedError(f"a feed is a mapping of input names to arrays, not {type(feed)}")
        with self._used() as runner:
            with self._turn:
                if runner.streams == 1:
                    return runner.run(feed)
                started = runner.start_checked(feed)
            return started.result()

    def predict(self, picture: Source) -> Any:
        """The task's answer to one picture, all of it in the thread that calls.

        Raises:
            ImageError: it can't be read.
            UsageError: the model takes no pictures, or it is closed.
        """
        feed = self.feed_of([picture])
        (tensor,) = feed.values()
        return self.task.answers(self.run(feed), len(tensor))[0]

    def feed_of(self, pictures: Sequence[Source]) -> Feed:
        """Pictures decoded, preprocessed and put into one batch; a fixed batch is filled.

        Raises:
            ImageError: one of them can't be read.
            UsageError: the model takes no pictures, or it is closed.
        """
        with self._used() as runner:
            taken = self._picture_input(runner)
        return taken.feed(pictures)

    def read_picture(self, picture: Source) -> FedPicture:
        """One picture decoded and preprocessed, or why that can't be; in the thread that calls.

        Raises:
            UsageError: the model takes no pictures, or it is closed.
        """
        with self._used() as runner:
            taken = self._picture_input(runner)
        return taken.read(picture)

    def predict_many(
        self, pictures: Iterable[Source], *, work: Work | None = None
    ) -> Generator[PictureAnswer, None, None]:
        """Answers in order, ``batch_size`` at a time, while the next pictures are decoded.

        A picture that can't be read is answered with its error, and the rest go on. Pictures are
        read a few batches ahead, never more. Close the iterator if it is left before its end.

        Args:
            pictures: paths, files' bytes, arrays [height, width, 3] uint8 BGR, or names with them.
            work: filled, when it is over, with what it cost.

        Raises:
            UsageError: a batch size that the model does not take, or a model that takes no
                pictures, or it is closed.
        """
        spec = self.spec
        check_option("batch-size", spec.batch_size, MOST_IN_A_BATCH)
        with self._used() as runner:
            taken = self._picture_input(runner)
            in_flight, on_cpu = runner.in_flight, runner.device == "cpu"
        _check_batch(taken.spec, spec.batch_size)
        batches = run_pictures(
            self._start,
            pictures,
            taken,
            batch_size=spec.batch_size,
            workers=default_workers() if spec.workers is None else spec.workers,
            in_flight=in_flight,
            on_cpu=on_cpu,
            work=Work() if work is None else work,
        )
        with closing(batches):
            for batch, outputs in batches:
                answers = iter(() if outputs is None else self.task.answers(outputs, batch.fed))
                for item in batch.pictures:
                    answer = None if item.error else next(answers)
                    yield PictureAnswer(picture=item.name, answer=answer, error=item.error)

    def same_answer(self, picture: Source, other: Source) -> bool:
        """Whether the task finds the same in two pictures."""
        found = []
        for each in (picture, other):
            feed = self.feed_of([each])
            (tensor,) = feed.values()
            found.append(rows(self.run(feed), 0, len(tensor)))
        return bool(self.task.compare(found[:1], found[1:]).same[0])

    def close(self) -> None:
        """Wait for what is being computed, and release the runtime; a second call does nothing."""
        with self._state:
            self._closed = True
            self._state.wait_for(lambda: not self._users)
            runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()

    def __enter__(self) -> "Predictor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _used(self) -> Iterator[Runner]:
        """The open runner, which is not closed meanwhile."""
        with self._state:
            if self._closed:
                raise UsageError("this predictor is closed")
            if self._runner is None:
                spec = self.spec
                self._runner = open_runner(spec.backend, spec.model, spec.options)
            runner = self._runner
            self._users += 1
        try:
            yield runner
        finally:
            with self._state:
                self._users -= 1
                self._state.notify_all()

    def _start(self, feed: Feed) -> Pending[dict[str, Array]]:
        with self._used() as runner, self._turn:
            return _Inference(self, runner.start_checked(feed))

    def _picture_input(self, runner: Runner) -> PictureInput:
        spec = self.task.picture_input(runner.inputs, runner.outputs)
        if self.spec.preprocess is None:
            raise UsageError(
                f"it is not known how this model is fed with pictures. {feed_tensors([spec])}"
            )
        return PictureInput(
            spec=spec, preprocess=self.spec.preprocess, fast_decode=self.spec.fast_decode
        )


class _Inference(Pending[dict[str, Array]]):
    """What was begun; closing waits while somebody waits for it, and then nobody can have it."""

    def __init__(self, predictor: Predictor, started: Pending[dict[str, Array]]) -> None:
        self._predictor, self._started = predictor, started

    def result(self) -> dict[str, Array]:
        with self._predictor._used():
            return self._started.result()

    def cancel(self) -> object:
        return self._started.cancel()


def extras_for_pictures(
    runner_type: type[Runner], asked: RunnerOptions, streams: int
) -> dict[str, str]:
    """The extras, and what is good for pictures where the backend takes it and nothing was asked.

    Args:
        runner_type: the backend.
        asked: what was typed.
        streams: inferences at a time.
    """
    wanted = {"cache": "true", **({"streams": str(streams)} if streams > 1 else {})}
    for key, text in wanted.items():
        asked = runner_type.with_extra(asked, key, text)
    return dict(asked.extras)


def _check_batch(spec: TensorSpec, batch_size: int) -> None:
    if spec.shape[0] not in (None, batch_size):
        raise UsageError(
            f"the model takes batches of {spec.shape[0]} ({spec.name} "
            f"[{format_shape(spec.shape)}]): --batch-size {spec.shape[0]}"
        )
