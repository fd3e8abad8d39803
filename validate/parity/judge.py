"""Run everyone on the same feeds, compare, and name the cause of every difference."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from paddleport import runners
from paddleport.errors import BackendUnavailableError, PortError
from paddleport.progress import Progress
from paddleport.runners.base import RunnerOptions
from paddleport.validate.compare.comparison import (
    OutputComparison,
    Outputs,
    compare_outputs,
    overall,
)
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.case import Answers
from paddleport.validate.diagnose.causes import Cause, name_cause
from paddleport.validate.diagnose.evidence import gather
from paddleport.validate.feeds.make_feeds import NamedFeed
from paddleport.validate.parity.float64_reference import Arbiter
from paddleport.validate.parity.lineup import Lineup
from paddleport.validate.parity.reference_voice import ReferenceVoice, with_distance
from paddleport.validate.parity.report import BackendRow, Load
from paddleport.validate.parity.session import Session

_logger = logging.getLogger(__name__)


class Judge:
    """The numbers' side of a validation; the sessions stay open in the line-up.

    Attributes:
        reference: the voice that the verdict is against.
        arbiter: the third voice.
        first_answers: by row, what was judged of its answers to the first feed.
    """

    def __init__(self, lineup: Lineup, progress: Progress) -> None:
        """Nothing is started yet."""
        self._lineup, self._progress = lineup, progress
        self.reference = ReferenceVoice(lineup)
        self.arbiter = Arbiter(lineup.onnx)
        self.first_answers: dict[str, Outputs] = {}

    def rows(self, feeds: Sequence[NamedFeed]) -> list[BackendRow]:
        """A row for the reference and one for every backend.

        Raises:
            BackendUnavailableError: the reference, or a backend that was named, is not there.
            WorkerCrashed: the reference crashed; a candidate that does is a row.
        """
        names = self._lineup.plan.backends or runners.names()
        steps = len(names) + 2
        self._progress("reference", 0.0)
        reference = self.reference.answer(feeds)
        self._progress("float64", 1 / steps)
        self.arbiter.answer(self._lineup.onnx_feeds.of(self.reference.feeds))
        self._case = self.reference.case(self.arbiter)
        rows = [with_distance(reference, self._case)]
        for index, name in enumerate(names):
            self._progress(name, (index + 2) / steps)
            row = self._candidate_row(name)
            rows.append(replace(row, notes=row.notes + self._lineup.extras_notes(name)))
        return rows

    def _candidate_row(self, name: str) -> BackendRow:
        try:
            session = self._start(name)
        except BackendUnavailableError as error:
            if self._lineup.plan.backends is not None:
                raise
            return BackendRow(name, "skipped", reason=str(error))
        except PortError as error:
            return _failed(BackendRow(name, "failed"), error)
        facts = session.facts
        on_onnx = not self._lineup.reads_paddle(name)
        row = BackendRow(
            name,
            "failed",
            computes_in=facts.computes_in,
            load=Load(facts.load_ms),
            notes=facts.notes + self._lineup.onnx_feeds.notes * on_onnx,
        )
        try:
            answers = self._answers(name, session)
        except PortError as error:
            self._lineup.sessions.pop(name).close()
            return _failed(row, error)
        self.first_answers[name] = (*answers.outputs[:1], *answers.again[:1])
        return self._judged(replace(row, load=Load(facts.load_ms, session.first_ms)), answers)

    def _start(self, name: str) -> Session:
        if reason := runners.why_not(name):  # asked without a process
            raise BackendUnavailableError(f"{name} can't be used here: {reason}")
        options = self._lineup.options_for(name)
        if name == self.arbiter.runner and options == RunnerOptions(threads=options.threads):
            if self.arbiter.error is not None:
                raise self.arbiter.error
            if self.arbiter.session is not None:
                return self.arbiter.session
        return self._lineup.start(name)

    def _answers(self, name: str, session: Session) -> Answers:
        loaded = self._lineup.artifact(name).format
        computes_in = session.facts.computes_in
        if session is self.arbiter.session and self.arbiter.exact is not None:
            return Answers(name, loaded, computes_in, self.arbiter.exact)
        feeds = self._lineup.tensors(name, self.reference.feeds)
        found = session.answers(feeds)
        again = session.run_all(feeds)
        return Answers(name, loaded, computes_in, found.outputs, again, found.overwritten)

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
            self._case.outputs,
            answers.outputs,
            TOLERANCES[answers.computes_in],
            feeds=self._case.feed_names,
            exact=self.arbiter.exact,
        )

    def _with_cause(self, row: BackendRow, answers: Answers) -> BackendRow:
        """A row that differs, with whoever made it so."""
        self._progress(f"{row.name}: why it differs", 1.0)
        if len(answers.outputs[0]) != len(self._case.outputs[0]):
            cause, explanation = _count_cause(answers, self.arbiter)
            return replace(row, verdict="differs", cause=cause, explanation=explanation)
        position = _worst_position(row.comparisons)
        worst = row.comparisons[position]
        evidence = gather(self._case, answers, position, worst.limit, worst.ranking)
        cause, explanation = name_cause(evidence)
        kinds = {feed.name: feed.kind for feed in self._case.feeds}
        at_extremes = {kinds[name] for name in evidence.feeds} == {"extreme"}
        if cause == "ill-conditioned" and at_extremes:
            return self._without_extremes(row, answers, explanation)
        return replace(row, verdict="differs", cause=cause, explanation=explanation)

    def _without_extremes(self, row: BackendRow, answers: Answers, explanation: str) -> BackendRow:
        """The verdict of the other feeds, where the model itself amplifies rounding at extremes."""
        kept = [index for index, feed in enumerate(self._case.feeds) if feed.kind != "extreme"]
        others = compare_outputs(
            [self._case.outputs[index] for index in kept],
            [answers.outputs[index] for index in kept],
            TOLERANCES[answers.computes_in],
            feeds=[self._case.feed_names[index] for index in kept],
        )
        reason = "; ".join(f"{item.output}: {item.reason}" for item in others if item.reason)
        notes = (*row.notes, f"on extremes alone: {explanation}")
        return replace(row, verdict=overall(others), reason=reason, notes=notes)


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
