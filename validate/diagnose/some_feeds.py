"""Some of a validation's feeds, as a validation of their own."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from paddleport.tensors import Array, Feed
from paddleport.validate.diagnose.validation_outputs import (
    CandidateOutputs,
    ExactAnswers,
    ReferenceOutputs,
)
from paddleport.validate.feeds.named_feed import FeedKind, NamedFeed
from paddleport.validate.parity.on_demand import OnDemand


def without_kind(feeds: Sequence[NamedFeed], kind: FeedKind) -> list[int]:
    """Indices of the feeds that are not of one kind, nor batches in which such a feed stands."""
    left_out = {index for index, feed in enumerate(feeds) if feed.kind == kind}
    return [
        index
        for index, feed in enumerate(feeds)
        if index not in left_out and not left_out.intersection(feed.parts)
    ]


def of_feeds(
    reference: ReferenceOutputs, answers: CandidateOutputs, indices: Sequence[int]
) -> tuple[ReferenceOutputs, CandidateOutputs]:
    """Both sides of a validation on some of its feeds.

    Args:
        reference: what the reference answered; that it repeats itself is known by now.
        answers: what the candidate answered.
        indices: of the feeds, the parts of every batch among them.
    """
    places = {index: place for place, index in enumerate(indices)}
    feeds = [
        replace(feed, parts=tuple(places[part] for part in feed.parts))
        for feed in (reference.feeds[index] for index in indices)
    ]
    outputs = [reference.outputs[index] for index in indices]

    def other_kernels() -> Sequence[Mapping[str, Array]] | None:
        others = reference.other_kernels()
        return None if others is None else [others[index] for index in indices]

    ours = ReferenceOutputs(
        feeds=feeds,
        outputs=outputs,
        again=outputs[0],
        float64=_SomeExactAnswers(reference.float64, indices),
        preprocess=reference.preprocess,
        ask=reference.ask,
        other_kernels=other_kernels,
    )
    theirs = replace(
        answers,
        outputs=[answers.outputs[index] for index in indices],
        again=[answers.again[index] for index in indices] if answers.again else (),
    )
    return ours, theirs


class _SomeExactAnswers:
    """Float64's answers under the numbers that the feeds have among some of them."""

    def __init__(self, whole: ExactAnswers, indices: Sequence[int]) -> None:
        self._whole, self._indices = whole, list(indices)

    @property
    def unavailable(self) -> str:
        return self._whole.unavailable

    @property
    def outputs(self) -> Sequence[Mapping[str, Array]] | None:
        outputs = self._whole.outputs
        if outputs is None:
            return None
        return OnDemand(len(self._indices), lambda place: outputs[self._indices[place]])

    def feed(self, index: int) -> Feed:
        return self._whole.feed(self._indices[index])

    def affordable(self, indices: Sequence[int], at_least: int = 1) -> Collection[int]:
        wanted = [self._indices[place] for place in indices]
        return list(map(self._indices.index, self._whole.affordable(wanted, at_least)))

    def rounded(
        self, unit_roundoff: float, indices: Sequence[int]
    ) -> Iterator[tuple[int, Mapping[str, Array]]]:
        wanted = [self._indices[place] for place in indices]
        for index, outputs in self._whole.rounded(unit_roundoff, wanted):
            yield self._indices.index(index), outputs
