"""A device's answers held against native Paddle's: a report, as of any backend."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from paddleport.errors import PortError, UsageError
from paddleport.models.recognize import read_artifact
from paddleport.runners.runner_options import Precision
from paddleport.validate.compare.comparison import Outputs
from paddleport.validate.compare.tolerance import TOLERANCES, UNIT_ROUNDOFF
from paddleport.validate.device.answer_mistakes import find_mistake
from paddleport.validate.device.folder import DeviceFolder
from paddleport.validate.device.folder_reference import NO_MODEL, FolderReference
from paddleport.validate.device.native_answers import NativeAnswers
from paddleport.validate.device.returned_answers import ReturnedAnswers
from paddleport.validate.diagnose.causes import NEXT_LOCATE
from paddleport.validate.diagnose.output_patterns import find_narrow_precision
from paddleport.validate.diagnose.validation_outputs import CandidateOutputs
from paddleport.validate.parity.compared_row import RowComparison
from paddleport.validate.parity.describe import describe_environment
from paddleport.validate.parity.parity_report import BackendRow, FeedRow, ParityReport
from paddleport.validate.reports.brought_in import BroughtInLatency

OpenModel = Callable[[], AbstractContextManager[NativeAnswers]]
"""Gets the Paddle model that a folder was made of; raises ``PortError`` where it can't."""

_NEXT = (
    "Next: see that every option that lowers precision is off on the device, or say so with "
    "--precision, and run the program of README.md as it stands."
)
_COPIED = "it is native Paddle's bit for bit in every value: were the expected answers copied?"


@dataclass(frozen=True, kw_only=True)
class AnswerCheck:
    """What is held against what.

    Attributes:
        folder: what the device was given.
        answers: what came back.
        precision: that the device was asked to compute in; by default the file's.
        row: what to call the device's row.
        open_model: gets the Paddle model, for the cause of a difference; ``None`` does without.
        insists: whether it is an error that the model can't be had.
        latencies: measured there.
        command: what was typed.
    """

    folder: DeviceFolder
    answers: ReturnedAnswers
    precision: Precision | None = None
    row: str = ""
    open_model: OpenModel | None = None
    insists: bool = False
    latencies: tuple[BroughtInLatency, ...] = ()
    command: str = ""

    def report(self) -> ParityReport:
        """The verdict, with a cause where it differs.

        Raises:
            UsageError: a precision finer than the file's own.
            PortError: the model can't be had, where that is insisted on.
        """
        manifest = self.folder.manifest
        row = self._row(self._computes_in())
        reference = BackendRow(name="paddle plain", verdict="reference", computes_in="fp32")
        return ParityReport(
            model=manifest.model,
            reference=manifest.reference,
            reference_reason="stored in the folder",
            speed_reference="nothing: no speed was measured here",
            float64_reference=manifest.float64_reference,
            feeds=tuple(
                FeedRow(name=feed.name, kind=feed.kind, batch=feed.batch)
                for feed in self.folder.feeds
            ),
            threads=1,
            rows=(reference, row),
            published=manifest.published,
            peak_gflops={},
            environment=describe_environment(),
            command=self.command,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            brought_in=self.latencies,
        )

    def _computes_in(self) -> Precision:
        own = self.folder.manifest.precision
        asked = self.precision or own
        if UNIT_ROUNDOFF[asked] < UNIT_ROUNDOFF[own]:
            raise UsageError(
                f"--precision {asked} can't be: the file of {self.folder.path} is in {own}, and "
                f"no answer of it is finer. Leave --precision out, or write a folder in {asked}"
            )
        return asked

    def _row(self, precision: Precision) -> BackendRow:
        manifest = self.folder.manifest
        name = self.row or f"{manifest.format} on the device"
        given = CandidateOutputs(
            backend=name,
            format=manifest.format,
            computes_in=precision,
            outputs=self.answers.outputs,
        )
        stored = FolderReference(self.folder)
        try:
            comparison = RowComparison(stored.outputs, self.folder.float64, manifest.classes)
            row = BackendRow(
                name=name, verdict="failed", computes_in=precision, notes=self.answers.notes
            )
            row, given = comparison.compared(row, given)
            if _is_copied(self.folder.expected, self.answers.outputs):
                row = replace(row, notes=(*row.notes, _COPIED))
            if row.verdict != "differs":
                return row
            return self._explained(row, given, comparison)
        finally:
            stored.close()

    def _explained(
        self, row: BackendRow, given: CandidateOutputs, comparison: RowComparison
    ) -> BackendRow:
        """The cause: what the answers show by themselves, then what the model can be asked."""
        mistake = find_mistake(
            self.folder.expected,
            given.outputs,
            comparison.reference.feed_names,
            TOLERANCES[given.computes_in].limit,
        )
        if mistake is not None:
            return replace(row, cause=mistake.cause, explanation=mistake.explanation)
        if any(item.worst_error is None for item in row.comparisons):
            return replace(row, cause="runtime", explanation=f"{row.reason}. {_NEXT}")
        missing = NO_MODEL
        if self.open_model is not None:
            try:
                with self.open_model() as native:
                    made = read_artifact(self.folder.model_path)
                    row = self._on_the_device(native.explained(row, given, made), given)
            except PortError as error:
                if self.insists:
                    raise
                missing = str(error)
            else:
                return row if row.cause != "undetermined" else self._by_the_same_file(row, given)
        row = comparison.explained(row, given, None)
        row = replace(row, notes=(*row.notes, f"looked into without float64: {missing}"))
        return row if row.cause != "undetermined" else self._by_the_same_file(row, given)

    def _on_the_device(self, row: BackendRow, given: CandidateOutputs) -> BackendRow:
        """An explanation with what can be done about a runtime that is not here."""
        if row.cause != "runtime":
            return replace(row, explanation=row.explanation.replace(NEXT_LOCATE, _NEXT))
        narrow = "" if "fits into" in row.explanation else self._narrow(row, given)
        explanation = row.explanation.replace(f" {NEXT_LOCATE}", "")
        return replace(row, explanation=f"{explanation}{narrow} {_NEXT}")

    def _by_the_same_file(self, row: BackendRow, given: CandidateOutputs) -> BackendRow:
        """The cause, where the same file is known to agree on these feeds on another machine."""
        agreeing = [item for item in self.folder.manifest.here if item.verdict == "agrees"]
        if not agreeing:
            return row
        here = agreeing[0]
        narrow = self._narrow(row, given)
        explanation = (
            f"The file is right: on these feeds {here.backend} {here.version} agreed with native "
            "Paddle when the folder was written. So it is the runtime on the device, its options, "
            f"or the program around it.{narrow} {_NEXT}"
        )
        return replace(row, cause="runtime", explanation=explanation)

    def _narrow(self, row: BackendRow, given: CandidateOutputs) -> str:
        """That the answers look like those of a precision that was not asked for."""
        for name in self.folder.expected[0]:
            tensors = [item[name] for item in given.outputs]
            expected = [item[name] for item in self.folder.expected]
            fits = find_narrow_precision(tensors, expected)
            if fits:
                return f" Every value of {name} fits into {fits}, and native Paddle's do not."
        errors = [item.worst_error for item in row.comparisons]
        worst = max((error for error in errors if error is not None), default=None)
        if worst is None or None in errors:
            return ""
        for precision in ("fp16", "bf16"):
            coarser = UNIT_ROUNDOFF[precision] > UNIT_ROUNDOFF[given.computes_in]
            if coarser and worst <= TOLERANCES[precision].limit:
                return (
                    f" An error of {worst:.1e} is what {precision} makes, which some runtimes "
                    "compute in unless they are told not to."
                )
        return ""


def _is_copied(expected: Outputs, found: Outputs) -> bool:
    return all(
        one[name].tobytes() == other[name].tobytes()
        for one, other in zip(expected, found, strict=True)
        for name in one
    )
