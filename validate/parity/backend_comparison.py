"""Run every backend on the same feeds, compare, and name the cause of every difference."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from paddleport import runners
from paddleport.errors import BackendUnavailableError, PortError
from paddleport.progress import Progress, part_of
from paddleport.runners.runner_options import RunnerOptions
from paddleport.validate.compare.comparison import (
    OutputComparison,
    Outputs,
    compare_outputs,
    overall,
    remarks,
)
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.diagnose.causes import Cause, faulty_step, name_cause
from paddleport.validate.diagnose.conversions import ConversionEvidence
from paddleport.validate.diagnose.evidence import gather_evidence
from paddleport.validate.diagnose.validation_outputs import CandidateOutputs
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.parity.backend_sessions import BackendSessions
from paddleport.validate.parity.float64_reference import Float64Reference
from paddleport.validate.parity.parity_report import BackendRow, Load
from paddleport.validate.parity.reference_backend import ReferenceBackend, with_distance
from paddleport.validate.session import Session

_logger = logging.getLogger(__name__)


class BackendComparison:
    """The numbers' side of a validation; the backends' sessions stay open.

    Attributes:
        reference: what the verdict is against.
        float64: the ONNX graph in float64.
        first_outputs: by row, what was compared of its answers to the first feed.
    """

    def __init__(self, backends: BackendSessions, progress: Progress) -> None:
        """Nothing is started yet."""
        self._backends, self._progress = backends, progress
        self.reference = ReferenceBackend(backends)
        self.float64 = Float64Reference(backends.onnx)
        self.first_outputs: dict[str, Outputs] = {}

    def rows(self, feeds: Sequence[NamedFeed]) -> list[BackendRow]:
        """A row for the reference and one for every backend.

        Raises:
            BackendUnavailableError: the reference, or a backend that was named, is not there.
            WorkerCrashed: the reference crashed; a candidate that does is a row.
        """
        names = self._backends.plan.backends or runners.names()
        steps = len(names) + 2
        self._progress("reference", 0.0)
        reference = self.reference.answer(feeds)
        self.float64.compute(
            self._backends.onnx_feeds.of(self.reference.feeds),
            self._backends.plan.float64_seconds,
            part_of(self._progress, 1 / steps, 2 / steps),
        )
        self._reference_outputs = self.reference.outputs_with(self.float64)
        rows = [with_distance(reference, self._reference_outputs)]
        for index, name in enumerate(names):
            self._progress(name, (index + 2) / steps)
            row = self._candidate_row(name)
            rows.append(replace(row, notes=row.notes + self._backends.extras_notes(name)))
        return rows

    def _candidate_row(self, name: str) -> BackendRow:
        try:
            session = self._start(name)
        except BackendUnavailableError as error:
            if self._backends.plan.backends is not None:
                raise
            return BackendRow(name=name, verdict="skipped", reason=str(error))
        except PortError as error:
            return _failed(BackendRow(name=name, verdict="failed"), error)
        facts = session.facts
        on_onnx = not self._backends.reads_paddle(name)
        row = BackendRow(
            name=name,
            verdict="failed",
            computes_in=facts.computes_in,
            load=Load(load_ms=facts.load_ms),
            notes=facts.notes + self._backends.onnx_feeds.notes * on_onnx,
        )
        try:
            answers = self._answers(name, session)
        except PortError as error:
            self._backends.sessions.pop(name).close()
            return _failed(row, error)
        self.first_outputs[name] = (*answers.outputs[:1], *answers.again[:1])
        return self._compared_row(
            replace(row, load=Load(load_ms=facts.load_ms, first_ms=session.first_ms)), answers
        )

    def _start(self, name: str) -> Session:
        if reason := runners.why_not(name):  # asked without a process
            raise BackendUnavailableError(f"{name} can't be used here: {reason}")
        options = self._backends.options_for(name)
        if name == self.float64.runner and options == RunnerOptions(threads=options.threads):
            if self.float64.error is not None:
                raise self.float64.error
            if not self.float64.is_complete:
                raise BackendUnavailableError(
                    f"{self.float64.description}. Next: -b {name} computes them all"
                )
            if self.float64.session is not None:
                return self.float64.session
        return self._backends.start(name)

    def _answers(self, name: str, session: Session) -> CandidateOutputs:
        loaded = self._backends.artifact(name).format
        computes_in = session.facts.computes_in
        if session is self.float64.session and self.float64.outputs is not None:
            return CandidateOutputs(
                backend=name, format=loaded, computes_in=computes_in, outputs=self.float64.outputs
            )
        feeds = self._backends.tensors(name, self.reference.feeds)
        found = session.answers(feeds)
        again = session.run_all(feeds)
        return CandidateOutputs(
            backend=name,
            format=loaded,
            computes_in=computes_in,
            outputs=found.outputs,
            again=again,
            overwritten=found.overwritten,
        )

    def _compared_row(self, row: BackendRow, answers: CandidateOutputs) -> BackendRow:
        comparisons = self._compared(answers)
        verdict = overall(comparisons)
        if verdict != "differs" and answers.again:
            swapped = replace(answers, outputs=answers.again, again=answers.outputs)
            second = self._compared(swapped)
            if overall(second) == "differs":
                answers, comparisons, verdict = swapped, second, "differs"
        _logger.info("%s: %s in %s", row.name, verdict, answers.computes_in)
        said = remarks(comparisons)
        row = replace(row, verdict=verdict, comparisons=tuple(comparisons))
        if verdict == "agrees":
            row = replace(row, notes=row.notes + said)
        else:
            row = replace(row, reason="; ".join(said))
        if verdict == "differs" or answers.overwritten:
            return self._with_cause(row, answers)
        return row

    def _compared(self, answers: CandidateOutputs) -> list[OutputComparison]:
        return compare_outputs(
            self._reference_outputs.outputs,
            answers.outputs,
            TOLERANCES[answers.computes_in],
            feeds=self._reference_outputs.feed_names,
            float64=self.float64.computed,
            classes=self._backends.source.classes,
        )

    def _with_cause(self, row: BackendRow, answers: CandidateOutputs) -> BackendRow:
        """A row that differs, with whoever made it so."""
        self._progress(f"{row.name}: why it differs", 1.0)
        if len(answers.outputs[0]) != len(self._reference_outputs.outputs[0]):
            cause, explanation = _count_cause(answers, self.float64)
            return replace(row, verdict="differs", cause=cause, explanation=explanation)
        position = _worst_position(row.comparisons)
        worst = row.comparisons[position]
        evidence = gather_evidence(
            self._reference_outputs,
            answers,
            position,
            worst.limit,
            worst.ranking,
            ConversionEvidence(self._backends.conversions, self._backends.artifact(row.name)),
        )
        cause, explanation = name_cause(evidence)
        step = faulty_step(evidence) if cause == "converter" else ""
        kinds = {feed.name: feed.kind for feed in self._reference_outputs.feeds}
        at_extremes = {kinds[name] for name in evidence.feeds} == {"extreme"}
        if cause == "ill-conditioned" and at_extremes:
            return self._without_extremes(row, answers, explanation)
        return replace(row, verdict="differs", cause=cause, step=step, explanation=explanation)

    def _without_extremes(
        self, row: BackendRow, answers: CandidateOutputs, explanation: str
    ) -> BackendRow:
        """The verdict of the other feeds, where the model itself amplifies rounding at extremes."""
        kept = [
            index
            for index, feed in enumerate(self._reference_outputs.feeds)
            if feed.kind != "extreme"
        ]
        others = compare_outputs(
            [self._reference_outputs.outputs[index] for index in kept],
            [answers.outputs[index] for index in kept],
            TOLERANCES[answers.computes_in],
            feeds=[self._reference_outputs.feed_names[index] for index in kept],
            classes=self._backends.source.classes,
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


def _count_cause(answers: CandidateOutputs, float64: Float64Reference) -> tuple[Cause, str]:
    """Who has another number of outputs than the reference."""
    in_file = float64.outputs is not None and len(float64.outputs[0]) == len(answers.outputs[0])
    whose = "the ONNX file" if in_file else answers.backend
    return "converter" if in_file else "runtime", f"{whose} gives another number of outputs."
