"""Run everyone on the same feeds, compare, and name the cause of every difference."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from paddleport import runners
from paddleport.errors import BackendUnavailableError, PortError, WorkerCrashed
from paddleport.models.card import OnnxModel, PaddleModel
from paddleport.models.resolve import SourceModel
from paddleport.runners.base import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.arbiter import Arbiter
from paddleport.validate.case import Answers, Case
from paddleport.validate.causes import Cause, name_cause
from paddleport.validate.compare import OutputComparison, Outputs, compare_outputs, overall
from paddleport.validate.evidence import gather
from paddleport.validate.feeds import NamedFeed
from paddleport.validate.onnx_feeds import OnnxFeeds
from paddleport.validate.plan import Plan
from paddleport.validate.report import BackendRow, Load
from paddleport.validate.session import PLAIN_PADDLE, Session
from paddleport.validate.tolerance import TOLERANCES

_logger = logging.getLogger(__name__)
Progress = Callable[[str, float], None]


class Judge:
    """The numbers' side of a validation: the open sessions and what they have answered.

    Attributes:
        sessions: by row name, those that can be measured.
        feeds: what everyone was fed, without what the reference refused.
        notes: what was refused.
        reference: what the numbers are judged against, in words.
        arbiter: the third voice.
    """

    def __init__(
        self,
        source: SourceModel,
        onnx: OnnxModel,
        plan: Plan,
        onnx_feeds: OnnxFeeds,
        progress: Progress,
    ) -> None:
        """Nothing is started yet."""
        self.source, self.onnx, self.plan = source, onnx, plan
        self.onnx_feeds, self.progress = onnx_feeds, progress
        self.sessions: dict[str, Session] = {}
        self.feeds: list[NamedFeed] = []
        self.notes: list[str] = []
        self.reference = f"{plan.reference} plain"
        self.arbiter = Arbiter(onnx)

    def rows(self, feeds: Sequence[NamedFeed]) -> list[BackendRow]:
        """A row for the reference and one for every backend.

        Raises:
            BackendUnavailableError: the reference, or a backend that was named, is not there.
            WorkerCrashed: the reference crashed; a candidate that does is a row.
        """
        names = self.plan.backends or runners.names()
        steps = len(names) + 2
        self.progress("reference", 0.0)
        reference = self._reference_row(feeds)
        self.progress("float64", 1 / steps)
        self.arbiter.answer(self.onnx_feeds.of(self.feeds))
        rows = [self._with_distance(reference)]
        for index, name in enumerate(names):
            self.progress(name, (index + 2) / steps)
            rows.append(self._candidate_row(name))
        return rows

    def close(self) -> None:
        """End every process."""
        for session in self.sessions.values():
            session.close()
        self.arbiter.close()

    def open(self, row_name: str, threads: int) -> Session:
        """Another session of a row's backend, for another number of threads; the caller's."""
        name = row_name.split()[0]
        options = (
            self._reference_options()
            if row_name == self._reference_name
            else self.options_for(name)
        )
        return self._session(name, replace(options, threads=threads))

    def feed_for(self, row_name: str, feed: NamedFeed) -> Feed:
        """A feed under the names that a row's backend takes."""
        consumes = runners.runner_class(row_name.split()[0]).consumes
        return feed.tensors if consumes == "paddle" else self.onnx_feeds.of([feed])[0]

    def model_for(self, name: str) -> PaddleModel | OnnxModel:
        """The file that a backend loads."""
        return self.source.model if self._consumes(name) == "paddle" else self.onnx

    def options_for(self, name: str) -> RunnerOptions:
        """The plan's options as far as a backend knows them."""
        known = runners.runner_class(name).option_names()
        extras = {key: text for key, text in self.plan.extras.items() if key in known}
        return RunnerOptions(self.plan.device, self.plan.precision, self.plan.threads, extras)

    @property
    def _reference_name(self) -> str:
        name = self.plan.reference
        return f"{name} plain" if name == "paddle" else f"{name} (reference)"

    def _reference_options(self) -> RunnerOptions:
        plain = PLAIN_PADDLE if self.plan.reference == "paddle" else RunnerOptions()
        return replace(plain, threads=self.plan.threads)

    def _reference_row(self, feeds: Sequence[NamedFeed]) -> BackendRow:
        name = self.plan.reference
        session = self._start_reference()
        singles = [feed for feed in feeds if not feed.parts]
        self.expected = session.answers(self._tensors(name, singles)).outputs
        self.feeds = singles
        for feed in feeds[len(singles) :]:
            try:
                self.expected += session.answers(self._tensors(name, [feed])).outputs
                self.feeds.append(feed)
            except PortError as error:
                self.notes.append(f"{feed.name} was not fed, the reference refuses it: {error}")
                session.close()
                session = self._start_reference()
        again = session.run_all(self._tensors(name, self.feeds[:1]))[0]
        self.case = Case(
            self.feeds,
            self.expected,
            again,
            self.arbiter,
            self.source.preprocess,
            self._ask,
            cache(self._by_other_kernels),
        )
        facts = session.facts
        switches = ", no oneDNN, no graph optimisation" if name == "paddle" else ""
        version = runners.installed_version(runners.runner_class(name))
        self.reference = f"{name} {version} {facts.computes_in}{switches}"
        return BackendRow(
            self._reference_name,
            "reference",
            computes_in=facts.computes_in,
            load=Load(facts.load_ms, session.first_ms),
            notes=(*facts.notes, *self.notes),
        )

    def _start_reference(self) -> Session:
        name = self.plan.reference
        session = self._session(name, self._reference_options())
        self.sessions[self._reference_name] = session
        return session

    def _ask(self, feed: Feed) -> Mapping[str, Array]:
        session = self.sessions[self._reference_name]
        if self._consumes(self.plan.reference) == "onnx":
            feed = self.onnx_feeds.renamed(feed)
        try:
            return session.run_all([feed])[0]
        except WorkerCrashed:  # it is still to be asked and measured
            session.close()
            self._start_reference()
            raise

    def _by_other_kernels(self) -> Outputs | None:
        """The reference's program as Paddle runs it by default, with oneDNN and fused."""
        if self.plan.reference != "paddle":
            return None
        try:
            session = self._session("paddle", RunnerOptions(threads=self.plan.threads))
        except PortError:
            return None
        try:
            return session.run_all([feed.tensors for feed in self.feeds])
        except PortError:  # it is known to crash on some graphs, and then tells nothing
            return None
        finally:
            session.close()

    def _with_distance(self, row: BackendRow) -> BackendRow:
        """The reference's row with its own distance from float64."""
        if self.arbiter.exact is None:
            return row
        names = self.case.feed_names
        found = compare_outputs(
            self.expected, self.expected, TOLERANCES["fp32"], feeds=names, exact=self.arbiter.exact
        )
        return replace(row, comparisons=tuple(found))

    def _candidate_row(self, name: str) -> BackendRow:
        try:
            session = self._start(name)
        except BackendUnavailableError as error:
            if self.plan.backends is not None:
                raise
            return BackendRow(name, "skipped", reason=str(error))
        except PortError as error:
            return _failed(BackendRow(name, "failed"), error)
        facts = session.facts
        on_onnx = self._consumes(name) == "onnx"
        row = BackendRow(
            name,
            "failed",
            computes_in=facts.computes_in,
            load=Load(facts.load_ms),
            notes=facts.notes + self.onnx_feeds.notes * on_onnx,
        )
        try:
            answers = self._answers(name, session)
        except PortError as error:
            self.sessions.pop(name).close()
            return _failed(row, error)
        return self._judged(replace(row, load=Load(facts.load_ms, session.first_ms)), answers)

    def _start(self, name: str) -> Session:
        options = self.options_for(name)
        if name == self.arbiter.runner and options == RunnerOptions(threads=options.threads):
            if self.arbiter.error is not None:
                raise self.arbiter.error
            if self.arbiter.session is not None:
                return self.arbiter.session
        session = self._session(name, options)
        self.sessions[name] = session
        return session

    def _answers(self, name: str, session: Session) -> Answers:
        consumes = runners.runner_class(name).consumes
        computes_in = session.facts.computes_in
        if session is self.arbiter.session and self.arbiter.exact is not None:
            return Answers(name, consumes, computes_in, self.arbiter.exact)
        feeds = self._tensors(name, self.feeds)
        found = session.answers(feeds)
        again = session.run_all(feeds)
        return Answers(name, consumes, computes_in, found.outputs, again, found.overwritten)

    def _judged(self, row: BackendRow, answers: Answers) -> BackendRow:
        comparisons = self._compared(answers)
        verdict = overall(comparisons)
        if verdict != "differs" and answers.again:
            swapped = replace(answers, outputs=answers.again, again=answers.outputs)
            second = self._compared(swapped)
            if overall(second) == "differs":
                answers, comparisons, verdict = swapped, second, "differs"
        _logger.info("%s: %s in %s", row.name, verdict, answers.computes_in)
        reason = "; ".join(f"{item.output}: {item.reason}" for item in comparisons if item.reason)
        row = replace(row, verdict=verdict, reason=reason, comparisons=tuple(comparisons))
        if verdict == "differs" or answers.overwritten:
            return self._with_cause(row, answers)
        return row

    def _compared(self, answers: Answers) -> list[OutputComparison]:
        return compare_outputs(
            self.expected,
            answers.outputs,
            TOLERANCES[answers.computes_in],
            feeds=self.case.feed_names,
            exact=self.arbiter.exact,
        )

    def _with_cause(self, row: BackendRow, answers: Answers) -> BackendRow:
        """A row that differs, with whoever made it so."""
        self.progress(f"{row.name}: why it differs", 1.0)
        if len(answers.outputs[0]) != len(self.expected[0]):
            cause, explanation = _count_cause(answers, self.arbiter)
            return replace(row, verdict="differs", cause=cause, explanation=explanation)
        position = _worst_position(row.comparisons)
        worst = row.comparisons[position]
        evidence = gather(self.case, answers, position, worst.limit, worst.ranking)
        cause, explanation = name_cause(evidence)
        kinds = {feed.name: feed.kind for feed in self.feeds}
        at_extremes = {kinds[name] for name in evidence.feeds} == {"extreme"}
        if cause == "ill-conditioned" and at_extremes:
            return self._without_extremes(row, answers, explanation)
        return replace(row, verdict="differs", cause=cause, explanation=explanation)

    def _without_extremes(self, row: BackendRow, answers: Answers, explanation: str) -> BackendRow:
        """The verdict of the other feeds, where the model itself amplifies rounding at extremes."""
        kept = [index for index, feed in enumerate(self.feeds) if feed.kind != "extreme"]
        others = compare_outputs(
            [self.expected[index] for index in kept],
            [answers.outputs[index] for index in kept],
            TOLERANCES[answers.computes_in],
            feeds=[self.case.feed_names[index] for index in kept],
        )
        reason = "; ".join(f"{item.output}: {item.reason}" for item in others if item.reason)
        notes = (*row.notes, f"on extremes alone: {explanation}")
        return replace(row, verdict=overall(others), reason=reason, notes=notes)

    def _session(self, name: str, options: RunnerOptions) -> Session:
        return Session(
            name,
            self.model_for(name),
            options,
            memory_limit_bytes=self.plan.memory_limit_bytes,
            timeout_s=self.plan.timeout_s,
        )

    def _consumes(self, name: str) -> str:
        return runners.runner_class(name).consumes

    def _tensors(self, name: str, feeds: Sequence[NamedFeed]) -> list[Feed]:
        if self._consumes(name) == "paddle":
            return [feed.tensors for feed in feeds]
        return self.onnx_feeds.of(feeds)


def _failed(row: BackendRow, error: PortError) -> BackendRow:
    return replace(row, verdict="failed", reason=str(error), log=getattr(error, "log", ""))


def _worst_position(comparisons: Sequence[OutputComparison]) -> int:
    """The output with the largest share of its limit."""

    def share(item: OutputComparison) -> float:
        if item.worst_error is None:
            return float("inf")
        return item.worst_error / (item.limit or 1.0)

    return max(range(len(comparisons)), key=lambda index: share(comparisons[index]))


def _count_cause(answers: Answers, arbiter: Arbiter) -> tuple[Cause, str]:
    """Who has another number of outputs than the reference."""
    in_file = arbiter.exact is not None and len(arbiter.exact[0]) == len(answers.outputs[0])
    whose = "the ONNX file" if in_file else answers.backend
    return "converter" if in_file else "runtime", f"{whose} gives another number of outputs."
