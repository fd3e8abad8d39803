"""The Paddle model itself, where it is at hand: native answers, float64, and the file on them."""

from collections.abc import Mapping, Sequence
from types import TracebackType

from paddleport import runners
from paddleport.errors import PortError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress, no_progress
from paddleport.tensors import Array
from paddleport.validate.device.manifest import AnswerHere
from paddleport.validate.diagnose.conversions import ConversionEvidence, Conversions
from paddleport.validate.diagnose.validation_outputs import CandidateOutputs, ReferenceOutputs
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.parity.backend_sessions import BackendSessions
from paddleport.validate.parity.compared_row import RowComparison
from paddleport.validate.parity.float64_reference import Float64Reference
from paddleport.validate.parity.parity_report import BackendRow
from paddleport.validate.parity.reference_backend import ReferenceBackend
from paddleport.validate.parity.validation_plan import PLAIN, Plan


class NativeAnswers:
    """Native Paddle and the ONNX graph in float64 on some feeds; ``close`` ends their processes.

    Attributes:
        outputs: native Paddle's side of a comparison.
        title: what gave it, with its version.
        description: the float64 reference in words, or why there is none.
    """

    def __init__(
        self,
        source: SourceModel,
        onnx: Artifact,
        feeds: Sequence[NamedFeed],
        *,
        conversions: Conversions | None = None,
        progress: Progress = no_progress,
    ) -> None:
        """Compute them.

        Raises:
            PortError: native Paddle can't run here, or refuses a feed.
        """
        plan = Plan(reference=PLAIN, seconds_each=0)
        self._conversions = conversions
        self._backends = BackendSessions(source, onnx, plan, OnnxFeeds(source, onnx), conversions)
        self._float64 = Float64Reference(onnx)
        reference = ReferenceBackend(self._backends)
        try:
            self._backends.will_feed(feeds)
            progress("native Paddle", None)
            reference.answer(feeds)
            tensors = self._backends.onnx_feeds.of(feeds)
            self._float64.compute(tensors, plan.float64_seconds, progress)
            self.outputs: ReferenceOutputs = reference.outputs_with(self._float64)
        except BaseException:
            self.close()
            raise
        self.title, self.description = reference.title, self._float64.description
        self._classes = source.classes

    @property
    def float64(self) -> Mapping[int, Mapping[str, Array]] | None:
        """The answers of the ONNX graph in float64 by the feed's number."""
        return self._float64.computed

    def explained(self, row: BackendRow, answers: CandidateOutputs, made: Artifact) -> BackendRow:
        """A row that differs with its cause, as a backend's that loads the file ``made``."""
        comparison = RowComparison(self.outputs, self.float64, self._classes)
        return comparison.explained(row, answers, ConversionEvidence(self._conversions, made))

    def answer_here(self, backend: str) -> tuple[AnswerHere, str]:
        """What a backend of this machine makes of its file, and why where it does not agree."""
        version = runners.installed_version(runners.runner_class(backend)) or ""
        made = self._backends.artifact(backend)
        try:
            row = self._row(backend, made)
        except PortError as error:
            found = AnswerHere(
                backend=backend, version=version, computes_in="", verdict="failed", worst_error=None
            )
            return found, str(error)
        errors = [item.worst_error for item in row.comparisons]
        known = [error for error in errors if error is not None]
        verdicts = {"agrees": "agrees", "differs": "differs"}
        found = AnswerHere(
            backend=backend,
            version=version,
            computes_in=row.computes_in,
            verdict=verdicts.get(row.verdict, "unproven"),  # type: ignore[arg-type]
            worst_error=max(known) if len(known) == len(errors) else None,
        )
        return found, "" if row.verdict == "agrees" else row.explanation or row.reason

    def _row(self, backend: str, made: Artifact) -> BackendRow:
        session = self._backends.start(backend)
        try:
            tensors = self._backends.tensors(backend, self.outputs.feeds)
            found = session.answers(tensors)
            again = session.run_all(tensors)
        finally:
            self._backends.sessions.pop(backend).close()
        precision = session.facts.computes_in
        answers = CandidateOutputs(
            backend=backend,
            format=made.format,
            computes_in=precision,
            outputs=found.outputs,
            again=again,
            overwritten=found.overwritten,
        )
        comparison = RowComparison(self.outputs, self.float64, self._classes)
        row = BackendRow(name=backend, verdict="failed", computes_in=precision)
        row, answers = comparison.compared(row, answers)
        if row.verdict == "differs" or answers.overwritten:
            return self.explained(row, answers, made)
        return row

    def close(self) -> None:
        """End every process."""
        self._backends.close()
        self._float64.close()

    def __enter__(self) -> "NativeAnswers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
