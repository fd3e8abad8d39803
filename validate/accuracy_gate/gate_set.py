"""The examples that a model's answers are judged on, and their labels where somebody knows them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from paddleport.errors import FeedError
from paddleport.runners.tasks.base import Outputs, rows
from paddleport.tensors import Array, Feed, TensorSpec, check_feed
from paddleport.validate.accuracy_gate.stored_examples import ListedOnDemand, StoredExamples

MAX_BYTES = 2 << 30  # where all of them are held at a time


@dataclass(frozen=True, kw_only=True)
class GateSet:
    """Examples as a model takes them: pictures, or feeds of any kind.

    Attributes:
        names: of each example.
        examples: the tensors of each, in the order of the model's inputs, with a batch of one
            and no preprocessing left to do; each is read when it is asked for.
        labels: the true class of each, by index; ``None`` where nobody knows.
        sha256: over names, tensors and labels.
        source: ``labelled DIR``, ``images DIR``, ``N drawn pictures``, ``N made feeds`` or
            ``N given feeds``.
    """

    names: tuple[str, ...]
    examples: Sequence[tuple[Array, ...]] = field(repr=False)
    labels: tuple[int, ...] | None
    sha256: str
    source: str

    @property
    def kind(self) -> str:
        """``pictures`` or ``feeds``."""
        return "feeds" if self.source.endswith("feeds") else "pictures"

    def feeds(self, *inputs: TensorSpec) -> Sequence[Feed]:
        """One feed for each example; a fixed batch is filled with the same picture.

        None is held: each is made when it is asked for, and then held against the inputs.

        Raises:
            FeedError: the model does not take them.
        """

        def feed(index: int) -> Feed:
            made = {
                spec.name: np.repeat(tensor, self._times(spec, len(tensor)), axis=0)
                if tensor.ndim
                else tensor
                for spec, tensor in zip(inputs, self.examples[index], strict=True)
            }
            check_feed(inputs, made)
            return made

        if self.examples:
            feed(0)  # what fits none is refused before anything is loaded
        return ListedOnDemand(len(self.examples), feed)

    def held_feeds(self, *inputs: TensorSpec) -> list[Feed]:
        """All feeds in memory, for a library that wants them so.

        Raises:
            FeedError: the model does not take them, or they are more than ``MAX_BYTES``.
        """
        feeds = self.feeds(*inputs)
        size = sum(tensor.nbytes for tensor in feeds[0].values()) if feeds else 0
        if size * len(feeds) > MAX_BYTES:
            raise FeedError(
                f"{len(feeds)} {self.kind} of {size} bytes are more than the {MAX_BYTES >> 20} MB "
                f"that are held: give at most {MAX_BYTES // size}"
            )
        return list(feeds)

    def batch(self, size: int, *inputs: TensorSpec) -> Feed:
        """The first examples in one feed; of feeds that a fixed batch takes as they are, one."""
        if self.kind == "feeds" and any(spec.shape[:1] != (None,) for spec in inputs):
            return self.feeds(*inputs)[0]
        picked = [self.examples[index % len(self.examples)] for index in range(size)]
        return {
            spec.name: np.concatenate([example[place] for example in picked])
            for place, spec in enumerate(inputs)
        }

    def own(self, outputs: Outputs, *inputs: TensorSpec) -> dict[str, Array]:
        """Of the outputs for one of ``feeds``, those for the example alone."""
        if not inputs:
            return rows(outputs, 0, 1)
        return rows(outputs, 0, self._times(inputs[0], self._first_length))

    @cached_property
    def _first_length(self) -> int:
        """Of the first example's first tensor."""
        return next(iter(self.examples[0][0].shape), 0)

    def _times(self, spec: TensorSpec, length: int) -> int:
        """How often a picture is in the model's batch."""
        return batch_of(spec) if self.kind == "pictures" and length == 1 else 1


def collected(
    names: Sequence[str],
    examples: Iterable[Sequence[Array]],
    labels: tuple[int, ...] | None,
    source: str,
) -> GateSet:
    """Examples as they come, kept on disk.

    Raises:
        FeedError: they are more than there is room for.
    """
    kept, digest = StoredExamples(), hashlib.sha256()
    for name, tensors in zip(names, examples, strict=True):
        kept.add(tensors, len(names))
        for tensor in tensors:
            digest.update(f"{name}\0{tensor.dtype}{tensor.shape}".encode())
            digest.update(np.ascontiguousarray(tensor).data)
    digest.update(repr(labels).encode())
    return GateSet(
        names=tuple(names),
        examples=kept.examples(),
        labels=labels,
        sha256=digest.hexdigest(),
        source=source,
    )


def batch_of(spec: TensorSpec) -> int:
    """The size of a fixed batch; 1 for a free one."""
    return (spec.shape[0] if spec.shape else None) or 1
