"""One validation's voices: what everyone was fed, and what each has answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from paddleport.models.card import Preprocess
from paddleport.tensors import Array, Feed
from paddleport.validate.compare.comparison import (
    FeedName,
    Outputs,
    aligned,
    output_pairs,
    typical_feeds,
)
from paddleport.validate.compare.yardstick import Yardstick, yardstick
from paddleport.validate.diagnose.asked import Asked, digest
from paddleport.validate.feeds.make_feeds import NamedFeed
from paddleport.validate.parity.float64_reference import Arbiter


@dataclass(frozen=True)
class Case:
    """The reference's side of a validation.

    Attributes:
        feeds: what everyone was fed.
        outputs: the reference's, one mapping a feed.
        again: the reference's second answer to the first feed.
        arbiter: the third voice.
        preprocess: how pictures are fed, if known.
        ask: the reference's answer to another feed.
        other_kernels: the outputs of the reference's program by other kernels of its runtime,
            one mapping a feed; ``None`` where there are none to be had.
        asked: what it has answered to changed feeds so far.
    """

    feeds: Sequence[NamedFeed]
    outputs: Outputs
    again: Mapping[str, Array]
    arbiter: Arbiter
    preprocess: Preprocess | None
    ask: Callable[[Feed], Mapping[str, Array]]
    other_kernels: Callable[[], Outputs | None] = lambda: None
    asked: Asked = field(default_factory=Asked, repr=False, compare=False)

    @property
    def feed_names(self) -> list[FeedName]:
        """Name and kind of every feed."""
        return [FeedName(feed.name, feed.kind) for feed in self.feeds]

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
        return self.asked.answer(digest(str(index).encode(), tensor), lambda: self.ask(feed))


@dataclass(frozen=True)
class Answers:
    """What one candidate has said.

    Attributes:
        backend: its name.
        format: of the artifact that it loads.
        computes_in: the precision that it reports.
        outputs: one mapping a feed.
        again: the same from a second run; empty where there was none.
        overwritten: an answer that was held changed when the next feed was run.
    """

    backend: str
    format: str
    computes_in: str
    outputs: Outputs
    again: Outputs = ()
    overwritten: bool = False


class OutputView:
    """One output of the reference, the candidate and the arbiter, with its errors.

    Attributes:
        name: the reference's name of it.
        position: among the reference's outputs.
        wanted, given: the reference's and the candidate's tensors, one a feed.
        again: the candidate's second run; may be empty.
        exact: the arbiter's; ``None`` where there is none.
        found: the unit of error.
        errors: candidate against reference, one a feed.
        failing: indices of the feeds above ``limit``, the worst first; all if none is.
    """

    def __init__(self, case: Case, answers: Answers, position: int, limit: float) -> None:
        """Raises nothing; the outputs' counts must be equal."""
        ours, theirs = output_pairs(case.outputs[0], answers.outputs[0])[position]
        self.name, self.position, self.limit = ours, position, limit
        self.wanted = [outputs[ours] for outputs in case.outputs]
        self.given = [outputs[theirs] for outputs in answers.outputs]
        self.again = [outputs[theirs] for outputs in answers.again]
        arbiter = case.arbiter.exact
        self.exact = None if arbiter is None else aligned(case.outputs, arbiter, ours)
        self.found: Yardstick = yardstick(self.wanted, self.given, typical_feeds(case.feed_names))
        self.errors = [
            self.found.error(one, other) for one, other in zip(self.given, self.wanted, strict=True)
        ]
        failing = [index for index, error in enumerate(self.errors) if error > limit]
        self.failing = sorted(failing or range(len(self.errors)), key=lambda i: -self.errors[i])

    def worst(self, one: Sequence[Array], other: Sequence[Array]) -> float:
        """The largest error between two voices over the failing feeds."""
        return max(self.found.error(one[index], other[index]) for index in self.failing)
