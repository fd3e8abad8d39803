"""Encoded pictures to the task's answers: read by workers, computed in batches as feeds are."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from paddleport.errors import FeedError, OutputError
from paddleport.runners.preprocessing.prepare_image import MAX_FILE_BYTES
from paddleport.runners.tasks.base import Task
from paddleport.serve.hosting.dispatcher import Dispatcher
from paddleport.serve.hosting.model_host import Inferred, PictureAnswers
from paddleport.serve.hosting.worker_service import PICTURE
from paddleport.tensors import Array, Feed, TensorSpec

_LEAST_BATCH = 8  # pictures of one request that are computed together, where the batch is free
T = TypeVar("T")
Infer = Callable[[Feed, float | None], Awaitable[Inferred]]


@dataclass(frozen=True, kw_only=True)
class PictureRequests:
    """How a model's pictures are answered.

    Attributes:
        spec: the input that takes them.
        task: what the outputs mean.
        reading: the workers' lines that decode and preprocess.
        infer: computes a feed, by the same queue and batches as any.
        most: pictures in a request.
        max_batch: of the model's settings.
    """

    spec: TensorSpec
    task: Task[object]
    reading: Dispatcher
    infer: Infer
    most: int
    max_batch: int

    async def answer(self, pictures: Sequence[bytes], deadline_s: float | None) -> PictureAnswers:
        """The answers in order; raises FeedError for too many or none, and what ``infer`` does."""
        if not 1 <= len(pictures) <= self.most:
            raise FeedError(f"{len(pictures)} pictures in a request: 1 to {self.most} are taken")
        deadline = None if deadline_s is None else time.monotonic() + deadline_s
        started = time.monotonic()
        read = await _all(self._read(picture, _left(deadline)) for picture in pictures)
        stages = {"decode": time.monotonic() - started}
        tensors = [tensor for tensor, _ in read if tensor is not None]
        inferred = await _all(
            self._infer(chunk, _left(deadline)) for chunk in self._chunks(tensors)
        )
        for one, _ in inferred:
            for stage, seconds in one.stages_s.items():  # chunks run beside each other
                stages[stage] = max(stages.get(stage, 0.0), seconds)
        answers = iter([answer for one, fed in inferred for answer in self._answers(one, fed)])
        return PictureAnswers(
            answers=[None if error else next(answers) for _, error in read],
            errors=[error for _, error in read],
            outputs=_joined([(one.outputs, fed) for one, fed in inferred]),
            stages_s=stages,
        )

    async def _read(self, picture: bytes, deadline_s: float | None) -> tuple[Array | None, str]:
        """A picture's tensor, or why there is none."""
        if not picture:
            return None, "the picture is empty"
        if len(picture) > MAX_FILE_BYTES:
            return None, f"the picture is larger than the {MAX_FILE_BYTES >> 20} MB that are read"
        feed = {PICTURE: np.frombuffer(picture, np.uint8)}
        found = (await self.reading.submit(feed, deadline_s=deadline_s)).outputs
        if PICTURE in found:
            return found[PICTURE], ""
        return None, found["error"].tobytes().decode()

    def _chunks(self, tensors: Sequence[Array]) -> list[list[Array]]:
        """Neighbours of one size, as many as are computed together."""
        most = self.spec.shape[0] or max(self.max_batch, _LEAST_BATCH)
        chunks: list[list[Array]] = []
        for tensor in tensors:
            last = chunks[-1] if chunks else []
            if last and len(last) < most and last[0].shape == tensor.shape:
                last.append(tensor)
            else:
                chunks.append([tensor])
        return chunks

    async def _infer(
        self, chunk: Sequence[Array], deadline_s: float | None
    ) -> tuple[Inferred, int]:
        """The outputs for some pictures, and how many they are; a fixed batch is filled."""
        fill = max(0, (self.spec.shape[0] or 0) - len(chunk))
        feed = {self.spec.name: np.stack([*chunk, *([chunk[-1]] * fill)])}
        return await self.infer(feed, deadline_s), len(chunk)

    def _answers(self, inferred: Inferred, fed: int) -> list[object]:
        filled = max(fed, self.spec.shape[0] or 0)
        answers = self.task.answers(inferred.outputs, filled)[:fed]
        return [self.task.plain(answer) for answer in answers]


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else deadline - time.monotonic()


def _joined(found: Sequence[tuple[dict[str, Array], int]]) -> dict[str, Array]:
    """The outputs of all chunks, without what a fixed batch was filled with."""
    if not found:
        return {}
    if len(found) == 1 and all(len(item) == found[0][1] for item in found[0][0].values()):
        return found[0][0]
    try:
        return {
            name: np.concatenate([outputs[name][:fed] for outputs, fed in found])
            for name in found[0][0]
        }
    except ValueError:
        raise OutputError(
            "the pictures' outputs are of several shapes: ask for one picture at a time"
        ) from None


async def _all(coroutines: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order; the first error cancels the rest, which give their places back."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
