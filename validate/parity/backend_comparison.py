"""Run every backend on the same feeds, compare, and name the cause of every difference."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paddleport import runners
from paddleport.errors import BackendUnavailableError, PortError
from paddleport.progress import Progress, part_of
from paddleport.runners.runner_options import RunnerOptions
from paddleport.validate.compare.comparison import Outputs
from paddleport.validate.diagnose.conversions import ConversionEvidence
from paddleport.validate.diagnose.validation_outputs import CandidateOutputs
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.own_preprocessing.picture_check import check_pictures, picture_input
from paddleport.validate.own_preprocessing.picture_findings import PictureFindings
from paddleport.validate.parity.backend_sessions import BackendSessions
from paddleport.validate.parity.compared_row import RowComparison
from paddleport.validate.parity.float64_reference import Float64Reference
from paddleport.validate.parity.parity_report import BackendRow, Load
from paddleport.validate.parity.reference_backend import ReferenceBackend, with_distance
from paddleport.validate.session import Session


class BackendComparison:
    """The numbers' side of a validation; the backends' sessions stay open.

    Attributes:
        reference: what the verdict is against.
        float64: the ONNX graph in float64.
        first_outputs: by row, what was compared of its answers to the first feed.
    """

    def __init__(
        self, backends: BackendSessions, progress: Progress, pictures: Sequence[Path] = ()
    ) -> None:
        """Nothing is started yet; ``pictures`` are files for those that read them themselves."""
        self._backends, self._progress, self._pictures = backends, progress, pictures
        self.reference = ReferenceBackend(backends)
        self.float64 = Float64Reference(backends.onnx)
        self.first_outputs: dict[str, Outputs] = {}

    def rows(self, feeds: Sequence[NamedFeed]) -> list[BackendRow]:
        """A row for the reference and one for every backend.

        Raises:
            BackendUnavailableError: the reference, or a backend that was named, is not there.
            WorkerCrashed: the reference crashed; a candidate that does is a row.
        """
        names = self._backends.plan.backends or runners.default_names()
        steps = len(names) + 2
        self._progress("reference", 0.0)
        reference = self.reference.answer(feeds)
        self.float64.compute(
            self._backends.onnx_feeds.of(self.reference.feeds),
            self._backends.plan.float64_seconds,
            part_of(self._progress, 1 / steps, 2 / steps),
        )
        self._reference_outputs = self.reference.outputs_with(self.float64)
        rows = [with_distance(reference, self._reference_outputs, self.float64)]
        for index, name in enumerate(names):
            self._progress(self._step(name), (index + 2) / steps)
            row = self._candidate_row(name)
            rows.append(replace(row, notes=row.notes + self._backends.extras_notes(name)))
        return rows

    def _step(self, name: str) -> str:
        """What a progress bar says: a file that is made for a backend alone may take a while."""
        makes = not runners.why_not(name) and self._backends.needs_making(name)
        return f"{name}: make its file" if makes else name

    def _candidate_row(self, name: str) -> BackendRow:
        reason = runners.why_not(name)  # asked without a process
        if reason and self._backends.plan.backends is None:
            return BackendRow(name=name, verdict="skipped", reason=reason)
        try:
            if reason:
                raise BackendUnavailableError(f"{name} can't be used here: {reason}")
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
        row = self._compared_row(
            replace(row, load=Load(load_ms=facts.load_ms, first_ms=session.first_ms)), answers
        )
        try:
            return self._with_pictures(row, session)
        except PortError as error:
            self._backends.sessions.pop(name).close()
            return _failed(row, error)

    def _with_pictures(self, row: BackendRow, session: Session) -> BackendRow:
        """The row of a backend that reads pictures itself, with what came of that."""
        rules = self._backends.source.preprocess
        given = picture_input(row.name, self._backends.artifact(row.name))
        if rules is None or given is None:
            return row
        self._progress(f"{row.name}: pictures by path", 1.0)
        found = check_pictures(
            row.name,
            session,
            given,
            rules,
            self._pictures,
            quick=self._backends.plan.quick,
        )
        return with_findings(row, found)

    def _start(self, name: str) -> Session:
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
        comparison = RowComparison(
            self._reference_outputs, self.float64.computed, self._backends.source.classes
        )
        row, answers = comparison.compared(row, answers)
        if row.verdict != "differs" and not answers.overwritten:
            return row
        self._progress(f"{row.name}: why it differs", 1.0)
        made = ConversionEvidence(self._backends.conversions, self._backends.artifact(row.name))
        return comparison.explained(row, answers, made)


def with_findings(row: BackendRow, found: PictureFindings) -> BackendRow:
    """A row with what came of pictures by path; a difference in its outputs stays its cause."""
    if found.agree:
        return replace(row, notes=(*row.notes, found.note))
    if row.verdict == "differs":
        return replace(row, notes=(*row.notes, found.reason))
    return replace(
        row,
        verdict="differs",
        cause=found.cause,
        reason=found.reason,
        explanation=found.explanation,
    )


def _failed(row: BackendRow, error: PortError) -> BackendRow:
    return replace(row, verdict="failed", reason=str(error), log=getattr(error, "log", ""))
