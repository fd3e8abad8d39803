"""The voice that the verdict is against: native Paddle at its plainest, or what was named."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from paddleport import runners
from paddleport.errors import PortError, WorkerCrashed
from paddleport.runners.base import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.compare.comparison import Outputs, compare_outputs
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.case import Case
from paddleport.validate.feeds.make_feeds import NamedFeed
from paddleport.validate.parity.float64_reference import Arbiter
from paddleport.validate.parity.lineup import Lineup
from paddleport.validate.parity.report import BackendRow, Load


class ReferenceVoice:
    """What the reference answers.

    Attributes:
        feeds: what everyone is fed, without what the reference refused.
        outputs: its answers, one mapping a feed.
        title: what it is, in words.
    """

    def __init__(self, lineup: Lineup) -> None:
        """Nothing is started yet."""
        self._lineup = lineup
        self._notes: list[str] = []
        self.feeds: list[NamedFeed] = []
        self.outputs: list[Mapping[str, Array]] = []
        self.title = lineup.reference

    def answer(self, feeds: Sequence[NamedFeed]) -> BackendRow:
        """Run every feed; a batch that is refused is left out, and noted.

        Raises:
            PortError: a single feed is refused, or the backend is not there.
        """
        lineup, row = self._lineup, self._lineup.reference
        session = lineup.start(row)
        singles = [feed for feed in feeds if not feed.parts]
        self.outputs += session.answers(lineup.tensors(row, singles)).outputs
        self.feeds += singles
        for feed in feeds[len(singles) :]:
            try:
                self.outputs += session.answers(lineup.tensors(row, [feed])).outputs
                self.feeds.append(feed)
            except PortError as error:
                self._notes.append(f"{feed.name} was not fed, the reference refuses it: {error}")
                session.close()
                session = lineup.start(row)
        name, facts = lineup.reference_backend, session.facts
        version = runners.installed_version(runners.runner_class(name))
        switches = ", no oneDNN, no graph optimisation" if name == "paddle" else ""
        self.title = f"{name} {version} {facts.computes_in}{switches}"
        return BackendRow(
            row,
            "reference",
            computes_in=facts.computes_in,
            load=Load(facts.load_ms, session.first_ms),
            notes=(*facts.notes, *self._notes),
        )

    def case(self, arbiter: Arbiter) -> Case:
        """Its side of every comparison."""
        lineup, row = self._lineup, self._lineup.reference
        again = lineup.sessions[row].run_all(lineup.tensors(row, self.feeds[:1]))[0]
        preprocess = lineup.source.preprocess
        other_kernels = cache(self.by_other_kernels)
        return Case(self.feeds, self.outputs, again, arbiter, preprocess, self.ask, other_kernels)

    def ask(self, feed: Feed) -> Mapping[str, Array]:
        """Its answer to a feed under Paddle's names.

        Raises:
            PortError: it refuses the feed, or has crashed on it and is started again.
        """
        lineup, row = self._lineup, self._lineup.reference
        tensors = feed if lineup.reads_paddle(row) else lineup.onnx_feeds.of_tensors(feed)
        try:
            return lineup.sessions[row].run_all([tensors])[0]
        except WorkerCrashed:  # it is still to be asked and measured
            lineup.sessions[row].close()
            lineup.start(row)
            raise

    def by_other_kernels(self) -> Outputs | None:
        """Its program as Paddle runs it by default, with oneDNN and fused; ``None`` if it can't."""
        lineup = self._lineup
        if lineup.reference_backend != "paddle":
            return None
        try:
            session = lineup.open("paddle", RunnerOptions(threads=lineup.plan.threads))
        except PortError:
            return None
        try:
            return session.run_all(lineup.tensors("paddle", self.feeds))
        except PortError:  # it is known to crash on some graphs, and then tells nothing
            return None
        finally:
            session.close()


def with_distance(row: BackendRow, case: Case) -> BackendRow:
    """The reference's row with its own distance from float64."""
    if case.arbiter.exact is None:
        return row
    found = compare_outputs(
        case.outputs,
        case.outputs,
        TOLERANCES["fp32"],
        feeds=case.feed_names,
        exact=case.arbiter.exact,
    )
    return replace(row, comparisons=tuple(found))
