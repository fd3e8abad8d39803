"""What the protocol's side asks of a served model, and the errors that it gets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from paddleport.errors import PortError
from paddleport.runners.predictor import PredictorSpec
from paddleport.tensors import Array, Feed, TensorSpec


class HostError(PortError):
    """A request that a served model does not answer, though the request may be right."""


class NotReadyError(HostError):
    """The model is loading, failed, unloaded, or not proven; the message says which and why."""


class DiffersError(NotReadyError):
    """The model was compared, and answers otherwise than it should."""


class OverloadedError(HostError):
    """The queue is full.

    Attributes:
        retry_after_s: when it is worth to ask again.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineError(HostError):
    """The request's time was over before its answer was there."""


class WorkerLostError(HostError):
    """The worker that computed the request ended, by a crash in a vendor's library most likely."""


@dataclass(frozen=True, kw_only=True)
class HostState:
    """Whether a model answers.

    Attributes:
        ready: it is loaded, and proven if that was asked for.
        reason: why not, in a sentence with what to do; empty if it is ready.
        proof: what was compared before it was ready, and with what result; JSON values.
    """

    ready: bool
    reason: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)


class Inferred(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one feed.

    Attributes:
        outputs: by name, arrays that nobody else changes.
        stages_s: seconds by stage: ``decode``, ``queue``, ``compute``, ``transfer``, those that
            there were.
        batch: examples that were computed together with this one's, its own included.
    """

    outputs: dict[str, Array]
    stages_s: Mapping[str, float]
    batch: int


@dataclass(frozen=True, kw_only=True)
class PictureAnswers:
    """The answers to one request's pictures, in order.

    Attributes:
        answers: of the task, as plain values (``Task.plain``); ``None`` for a picture that can't
            be read.
        errors: why, for each picture; empty where there is an answer.
        outputs: the model's own for the pictures that were read, by name, batch first.
        stages_s: as in ``Inferred``.
    """

    answers: Sequence[Any]
    errors: Sequence[str]
    outputs: dict[str, Array]
    stages_s: Mapping[str, float]


class ModelHost(ABC):
    """One served model. All methods are called in the event loop's thread.

    Attributes:
        name: in addresses.
        spec: what its predictors are opened with.
    """

    name: str
    spec: PredictorSpec

    @property
    @abstractmethod
    def state(self) -> HostState:
        """Whether it answers, now."""

    @property
    @abstractmethod
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What it takes; empty before it is loaded."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What it gives; empty before it is loaded."""

    @property
    def takes_pictures(self) -> bool:
        """Whether it is known how pictures are fed."""
        return self.spec.preprocess is not None

    def check_room(self) -> None:  # noqa: B027  # some take all that comes
        """Refuse a request that is still on its way, where ``infer`` would refuse it now.

        Raises:
            OverloadedError: too many wait already.
        """

    @abstractmethod
    async def infer(self, feed: Feed, *, deadline_s: float | None = None) -> Inferred:
        """The outputs for one feed; cancelling the task gives the place in the queue back.

        Args:
            feed: by input name; arrays are not changed, and may be views of a request's bytes.
            deadline_s: seconds from now.

        Raises:
            FeedError: it is not what the model takes.
            HostError: as above.
        """

    @abstractmethod
    async def predict(
        self, pictures: Sequence[bytes], *, deadline_s: float | None = None
    ) -> PictureAnswers:
        """The task's answers to encoded pictures, decoded and preprocessed as ``run`` does.

        Raises:
            UsageError: the model takes no pictures.
            HostError: as above.
        """
