"""What the backends of one validation were fed, and what each has answered."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from paddleport.errors import PortError, WorkerCrashed
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array, Feed
from paddleport.validate.compare.comparison import (
    FeedName,
    Outputs,
    output_pairs,
    typical_feeds,
)
from paddleport.validate.compare.error_scale import ErrorScale, choose_error_scale
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.parity.float64_reference import Float64Reference
from paddleport.validate.parity.on_demand import OnDemand

_MOST_BYTES = 1 << 28  # of answers that are kept
_MOST_CRASHES = 3  # each may cost the loading of the model


class AnswerCache:
    """What was answered, by question; refusals too."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._answers: dict[bytes, Mapping[str, Array] | None] = {}
        self._bytes = self._crashes = 0

    def answer(
        self, key: bytes, ask: Callable[[], Mapping[str, Array]]
    ) -> Mapping[str, Array] | None:
        """The answer to a question, or ``None`` where it was refused.

        Args:
            key: tells questions apart.
            ask: puts it, where it was not put yet. After a few crashes nothing is asked.
        """
        if key in self._answers:
            return self._answers[key]
        if self._crashes >= _MOST_CRASHES:
            return None
        found: Mapping[str, Array] | None = None
        try:
            found = ask()
        except WorkerCrashed:
            self._crashes += 1
        except PortError:
            pass
        self._keep(key, found)
        return found

    def _keep(self, key: bytes, found: Mapping[str, Array] | None) -> None:
        size = sum(tensor.nbytes for tensor in (found or {}).values())
        if self._bytes + size <= _MOST_BYTES:
            self._answers[key] = found
            self._bytes += size


def digest(text: bytes, tensor: Array) -> bytes:
    """Of a text and a tensor's bytes; the tensor's shape and type are taken to be known."""
    made = hashlib.sha1(text, usedforsecurity=False)
    made.update(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)
    return made.digest()


@dataclass(frozen=True, kw_only=True)
class ReferenceOutputs:
    """The reference's side of a validation.

    Attributes:
        feeds: what everyone was fed.
        outputs: the reference's, one mapping per feed.
        again: the reference's second answer to the first feed.
        float64: the outputs of the ONNX graph in float64.
        preprocess: how pictures are fed, if known.
        ask: the reference's answer to another feed.
        other_kernels: the outputs of the reference's program by other kernels of its runtime,
            one mapping per feed; ``None`` where there are none to be had.
        cache: its answers to changed feeds so far.
    """

    feeds: Sequence[NamedFeed]
    outputs: Outputs
    again: Mapping[str, Array]
    float64: Float64Reference
    preprocess: Preprocess | None
    ask: Callable[[Feed], Mapping[str, Array]]
    other_kernels: Callable[[], Outputs | None] = lambda: None
    cache: AnswerCache = field(default_factory=AnswerCache, repr=False, compare=False)

    @property
    def feed_names(self) -> list[FeedName]:
        """Name, kind and batch of every feed."""
        return [FeedName(feed.name, feed.kind, feed.batch) for feed in self.feeds]

    def name_in_float64(self, name: str) -> str | None:
        """The ONNX file's name of the reference's output ``name``; ``None`` without float64."""
        outputs = self.float64.outputs
        if outputs is None or len(outputs[0]) != len(self.outputs[0]):
            return None
        return dict(output_pairs(self.outputs[0], outputs[0]))[name]

    def exact(self, name: str) -> Sequence[Array] | None:
        """The float64 tensors for the reference's output ``name``, computed when asked for."""
        outputs, theirs = self.float64.outputs, self.name_in_float64(name)
        if outputs is None or theirs is None:
            return None
        return OnDemand(len(outputs), lambda index: outputs[index][theirs])

    def with_exact_answers(self, indices: Sequence[int]) -> list[int]:
        """Those feeds that there are float64 answers for, or time to compute them.

        Args:
            indices: of the feeds, the most wanted first; one of each kind is computed anyway.
        """
        firsts = {self.feeds[index].kind: index for index in reversed(indices)}
        needed = sorted(firsts.values(), key=list(indices).index)
        others = [index for index in indices if index not in needed]
        known = self.float64.affordable([*needed, *others], at_least=len(needed))
        return [index for index in indices if index in known]

    def answer_to(self, index: int, name: str, tensor: Array) -> Mapping[str, Array] | None:
        """The reference's answer to a feed with another tensor, asked for only once.

        Args:
            index: of the feed.
            name: of the input that is replaced.
            tensor: what it is replaced by.

        Returns:
            ``None`` where the reference refuses it or ends, which is no fault of a candidate's
            and not to end a validation; after a few crashes it is not asked again.
        """
        feed = {**self.feeds[index].tensors, name: tensor}
        return self.cache.answer(digest(str(index).encode(), tensor), lambda: self.ask(feed))


@dataclass(frozen=True, kw_only=True)
class CandidateOutputs:
    """What one candidate has said.

    Attributes:
        backend: its name.
        format: of the artifact that it loads.
        computes_in: the precision that it reports.
        outputs: one mapping per feed.
        again: the same from a second run; empty where there was none.
        overwritten: an answer that was held changed when the next feed was run.
    """

    backend: str
    format: str
    computes_in: str
    outputs: Outputs
    again: Outputs = ()
    overwritten: bool = False


class ComparedOutput:
    """One output of the reference, the candidate and float64, with its errors.

    Attributes:
        name: the reference's name of it.
        position: among the reference's outputs.
        reference, candidate: their tensors, one per feed.
        again: the candidate's second run; may be empty.
        float64: the ONNX graph's in float64, computed when asked for; ``None`` where there is
            none.
        scale: the scale of the error.
        errors: candidate against reference, one per feed.
        failing: indices of the feeds above ``limit``, the worst first; all if none is. Where
            float64 takes too long, those that it was computed on, one of each kind at least.
    """

    def __init__(
        self,
        reference: ReferenceOutputs,
        answers: CandidateOutputs,
        position: int,
        limit: float,
        only: Collection[int] | None = None,
    ) -> None:
        """Raises nothing; the outputs' counts must be equal. ``only`` these feeds can fail."""
        ours, theirs = output_pairs(reference.outputs[0], answers.outputs[0])[position]
        self.name, self.position, self.limit = ours, position, limit
        self.reference = [outputs[ours] for outputs in reference.outputs]
        self.candidate = [outputs[theirs] for outputs in answers.outputs]
        self.again = [outputs[theirs] for outputs in answers.again]
        self.float64 = reference.exact(ours)
        self.scale: ErrorScale = choose_error_scale(
            self.reference, self.candidate, typical_feeds(reference.feed_names)
        )
        self.errors = [
            self.scale.error(one, other)
            for one, other in zip(self.candidate, self.reference, strict=True)
        ]
        looked_at = range(len(self.errors)) if only is None else sorted(only)
        failing = [index for index in looked_at if self.errors[index] > limit]
        ordered = sorted(failing or looked_at, key=lambda i: -self.errors[i])
        known = reference.with_exact_answers(ordered) if self.float64 is not None else ()
        self.failing = list(known) or ordered
        if not known:
            self.float64 = None

    def worst(self, one: Sequence[Array], other: Sequence[Array]) -> float:
        """The largest error of one's tensors against another's over the failing feeds."""
        return max(self.scale.error(one[index], other[index]) for index in self.failing)
