"""What the verdict is against: native Paddle at its plainest, or the backend that was named."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from paddleport import runners
from paddleport.errors import PortError, WorkerCrashed
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.compare.comparison import Outputs, compare_outputs
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.validation_outputs import ReferenceOutputs
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.parity.backend_sessions import BackendSessions
from paddleport.validate.parity.float64_reference import Float64Reference
from paddleport.validate.parity.parity_report import BackendRow, Load
from paddleport.validate.parity.validation_plan import NATIVE

_OWN_FAILURE = (
    "Paddle fails on its own file here, which concerns neither the conversion nor another backend: "
    "the verdict is theirs; it counts with --backend paddle"
)


class ReferenceBackend:
    """What the reference answers.

    Attributes:
        feeds: what everyone is fed, without what the reference refused.
        outputs: its answers, one mapping per feed.
        title: what it is, in words.
    """

    def __init__(self, backends: BackendSessions) -> None:
        """Nothing is started yet."""
        self._backends = backends
        self._notes: list[str] = []
        self.feeds: list[NamedFeed] = []
        self.outputs: list[Mapping[str, Array]] = []
        self.title = backends.reference

    def answer(self, feeds: Sequence[NamedFeed]) -> BackendRow:
        """Run every feed; a batch that is refused is left out, and noted.

        Raises:
            PortError: a single feed is refused, or the backend is not there.
        """
        backends, row = self._backends, self._backends.reference
        session = backends.start(row)
        singles = [feed for feed in feeds if not feed.parts]
        self.outputs += session.answers(backends.tensors(row, singles)).outputs
        self.feeds += singles
        for feed in feeds[len(singles) :]:
            try:
                self.outputs += session.answers(backends.tensors(row, [feed])).outputs
                self.feeds.append(feed)
            except PortError as error:
                self._notes.append(f"{feed.name} was not fed, the reference refuses it: {error}")
                session.close()
                session = backends.start(row)
        name, facts = backends.reference_backend, session.facts
        version = runners.installed_version(runners.runner_class(name))
        switches = ", no oneDNN, no graph optimisation" if name == "paddle" else ""
        self.title = f"{name} {version} {facts.computes_in}{switches}"
        return BackendRow(
            name=row,
            verdict="reference",
            computes_in=facts.computes_in,
            load=Load(load_ms=facts.load_ms, first_ms=session.first_ms),
            notes=(*facts.notes, *self._notes),
        )

    def outputs_with(self, float64: Float64Reference) -> ReferenceOutputs:
        """Its outputs, with those in float64: its side of every comparison."""
        backends, row = self._backends, self._backends.reference
        again = backends.sessions[row].run_all(backends.tensors(row, self.feeds[:1]))[0]
        preprocess = backends.source.preprocess
        other_kernels = cache(self.run_other_kernels)
        return ReferenceOutputs(
            feeds=self.feeds,
            outputs=self.outputs,
            again=again,
            float64=float64,
            preprocess=preprocess,
            ask=self.ask,
            other_kernels=other_kernels,
        )

    def ask(self, feed: Feed) -> Mapping[str, Array]:
        """Its answer to a feed under Paddle's names.

        Raises:
            PortError: it refuses the feed, or has crashed on it and is started again.
        """
        backends, row = self._backends, self._backends.reference
        tensors = feed if backends.reads_paddle(row) else backends.onnx_feeds.of_tensors(feed)
        try:
            return backends.sessions[row].run_all([tensors])[0]
        except WorkerCrashed:  # it is still to be asked and measured
            backends.sessions[row].close()
            backends.start(row)
            raise

    def run_other_kernels(self) -> Outputs | None:
        """Its program as Paddle runs it by default, with oneDNN and fused; ``None`` if it can't."""
        backends = self._backends
        if backends.reference_backend != "paddle":
            return None
        try:
            session = backends.open("paddle", RunnerOptions(threads=backends.plan.threads))
        except PortError:
            return None
        try:
            return session.run_all(backends.tensors("paddle", self.feeds))
        except PortError:  # it is known to crash on some graphs, and then is no evidence
            return None
        finally:
            session.close()


def without_own_failures(rows: Sequence[BackendRow], backends: BackendSessions) -> list[BackendRow]:
    """The rows, those on which no verdict depends marked: Paddle fails on its own file.

    It crashes on some graphs with oneDNN. Nothing was converted for it, so that the others are
    what the verdict is about, unless it was named or nothing may be missing.
    """
    plan = backends.plan
    if plan.backends is not None or plan.strict or backends.reference_backend not in NATIVE:
        return list(rows)
    return [
        replace(row, counts=False, notes=(*row.notes, _OWN_FAILURE))
        if row.verdict == "failed" and row.name in NATIVE
        else row
        for row in rows
    ]


def with_distance(row: BackendRow, reference: ReferenceOutputs) -> BackendRow:
    """The reference's row with its own distance from float64."""
    if reference.float64.computed is None:
        return row
    found = compare_outputs(
        reference.outputs,
        reference.outputs,
        TOLERANCES["fp32"],
        feeds=reference.feed_names,
        float64=reference.float64.computed,
    )
    return replace(row, comparisons=tuple(found))
