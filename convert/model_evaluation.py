"""From a model and labelled pictures to a report of how accurate each backend is."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from paddleport.arguments import check_option
from paddleport.convert.evaluation_rows import REFERENCE, evaluation_rows
from paddleport.convert.model_to_evaluate import model_to_evaluate
from paddleport.convert.rows_asked import RowsAsked, check_rows
from paddleport.errors import OutputError, UsageError
from paddleport.files import check_writable
from paddleport.progress import Progress, no_progress
from paddleport.runners import installed_version, runner_class
from paddleport.runners.picture_pipeline import default_workers
from paddleport.runners.runner_options import MOST_IN_A_BATCH, MOST_THREADS
from paddleport.validate.evaluate.chunk_engine import ChunkEngine
from paddleport.validate.evaluate.evaluation_pass import CompletedPass, PassPlan, run_pass
from paddleport.validate.evaluate.evaluation_state import remove_state
from paddleport.validate.evaluate.report.evaluation_report import (
    MAX_DROP,
    EvaluationFacts,
    EvaluationReport,
    RowFacts,
    evaluation_report,
)
from paddleport.validate.evaluate.rows.row_request import EvaluatedModel, RowRequest
from paddleport.validate.labelled.labelled_data import LabelledData, open_labelled
from paddleport.validate.parity.describe import describe_environment
from paddleport.validate.reports.told_together import told_together


@dataclass(frozen=True, kw_only=True)
class LabelledFiles:
    """Where the labelled pictures are, as ``open_labelled`` takes it."""

    data: Path | None = None
    list_file: Path | None = None
    root: Path | None = None
    class_map: Path | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """What is to be evaluated on what.

    Attributes:
        model: as ``resolve`` takes it, or an .onnx file of ours; ``None`` with ``program``.
        pictures: where they are.
        rows: which backends, in which precisions.
        weights, program, params: as ``resolve`` takes them.
        limit: at most so many pictures, spread over all; ``None`` for all.
        workers: threads that decode.
        resume: go on with an interrupted pass, if there is one.
        engine: computes on other machines; ``None`` is this process.
        out: the folder of the state and the reports; by default ``out/NAME``.
        max_drop: how much lower than native Paddle's an accuracy may be, a share.
        command: what was typed.
    """

    model: str | None
    pictures: LabelledFiles
    rows: RowsAsked = field(default_factory=RowsAsked)
    weights: str = "auto"
    program: Path | None = None
    params: Path | None = None
    limit: int | None = None
    workers: int = field(default_factory=default_workers)
    resume: bool = False
    engine: ChunkEngine | None = None
    out: Path | None = None
    max_drop: float = MAX_DROP
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model, its pictures and its rows: all that is settled before anything runs.

    Attributes:
        request: what was asked.
        model: whose answers are counted.
        data: the pictures, their labels checked.
        data_source: what they are of, without the limit.
        rows: native Paddle's first.
        folder: of the state and the reports.
        warning: what a user must not miss; may be empty.
    """

    request: EvaluationRequest
    model: EvaluatedModel
    data: LabelledData
    data_source: str
    rows: tuple[RowRequest, ...]
    folder: Path
    warning: str = ""

    def run(self, progress: Progress = no_progress) -> EvaluationReport:
        """The pass and its report; raises as ``run_pass`` does."""
        return self._run(progress, keep_state=False)

    def run_and_write(
        self, progress: Progress = no_progress
    ) -> tuple[EvaluationReport, list[Path]]:
        """``run``, with the report's files written before the state goes.

        Raises:
            OutputError: the folder takes no files, which is tried before the pass; or it is full
                afterwards, and ``resume`` then writes the report alone.
            PortError: as ``run_pass`` does.
        """
        check_writable(self.folder)
        report = self._run(progress, keep_state=True)
        progress("write the report", None)
        try:
            files = report.write(self.folder)
        except OutputError as error:
            raise OutputError(
                f"{error}; or make room: what was counted is kept, and the same command with "
                "--resume writes the report alone"
            ) from None
        remove_state(self.folder)
        return report, files

    def _run(self, progress: Progress, *, keep_state: bool) -> EvaluationReport:
        asked = self.request
        plan = PassPlan(
            folder=self.folder,
            reference=REFERENCE if asked.rows.reference else None,
            batch_size=asked.rows.batch_size,
            workers=asked.workers,
            resume=asked.resume,
            engine=asked.engine,
            keep_state=keep_state,
        )
        done = run_pass(self.model, self.rows, self.data, plan, progress=progress)
        return evaluation_report(done.tally, self._facts(done))

    def _facts(self, done: CompletedPass) -> EvaluationFacts:
        asked, model = self.request, self.model
        trained = model.weights != "seeded"  # else the published figures are of other weights
        published = model.published if trained else {}
        pictures = done.tally.pictures + done.tally.unreadable_count
        return EvaluationFacts(
            title=model.title,
            name=model.name,
            weights=model.weights,
            data=self.data_source,
            data_sha256=self.data.sha256,
            count=self.data.listed,
            limit=asked.limit,
            labels=model.labels,
            rows=tuple(self._row_facts(row, done) for row in self.rows if row.name in done.rows),
            published_top1=published.get("top1"),
            published_top5=published.get("top5"),
            published_source=str(published.get("source", "")),
            max_drop=asked.max_drop,
            seconds=done.seconds,
            pictures_per_second=pictures / done.seconds if done.seconds else None,
            command=asked.command,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            environment=describe_environment(),
            model={"sha256": model.sha256, "preprocessing": model.preprocess.to_dict()},
            notes=(*self.data.notes, *_notes(done, self.warning)),
        )

    def _row_facts(self, row: RowRequest, done: CompletedPass) -> RowFacts:
        progress = done.rows[row.name]
        return RowFacts(
            name=row.name,
            backend=row.backend,
            precision=progress.precision or row.precision,
            version=installed_version(runner_class(row.backend)) or "",
            pictures_per_second=progress.pictures / progress.seconds if progress.seconds else None,
            notes=(progress.note,) if progress.note else (),
        )


def prepare_evaluation(request: EvaluationRequest, progress: Progress = no_progress) -> Evaluation:
    """Find the model, its pictures and its rows; what can't be is refused before anything runs.

    Raises:
        UsageError: the model is no image classifier, or the labels can't be its own.
        BackendUnavailableError: a backend that was named is not to be had.
        PortError: as ``resolve`` and the conversion do.
    """
    _check_numbers(request)
    check_rows(request.rows)
    model, source, warning = model_to_evaluate(
        request.model,
        reference=request.rows.reference,
        weights=request.weights,
        program=request.program,
        params=request.params,
        progress=progress,
    )
    data = _data_of(request, model)
    rows_asked = request.rows
    if source is None:  # then the model is a file itself
        files = (Path(str(request.model)), *rows_asked.files)
        rows_asked = replace(rows_asked, files=files)
    rows = evaluation_rows(rows_asked, model.preprocess, source, progress=progress)
    return Evaluation(
        request=request,
        model=model,
        data=data if request.limit is None else data.limited(request.limit),
        data_source=data.source,
        rows=tuple(rows),
        folder=request.out or Path("out") / model.name,
        warning=warning,
    )


def _check_numbers(request: EvaluationRequest) -> None:
    check_option("batch-size", request.rows.batch_size, MOST_IN_A_BATCH)
    check_option("workers", request.workers, MOST_THREADS)
    if request.limit is not None and request.limit < 1:
        raise UsageError(f"--limit {request.limit} is not possible: 1 or more")
    if not 0 < request.max_drop < 1:
        raise UsageError(
            f"--max-drop {100 * request.max_drop:g} is not possible: points above 0 and below 100"
        )


def _data_of(request: EvaluationRequest, model: EvaluatedModel) -> LabelledData:
    where = request.pictures
    data = where.data or where.root or (where.list_file and where.list_file.parent)
    if data is None:
        raise UsageError(
            "no labelled pictures are named: paddleport evaluate MODEL DATA, where DATA has a "
            "folder for each class, or --list FILE with --root DIR"
        )
    return open_labelled(
        data,
        labels=model.labels,
        classes=model.classes,
        list_file=where.list_file,
        root=where.root,
        class_map=where.class_map,
    )


def _notes(done: CompletedPass, warning: str) -> list[str]:
    skipped = told_together(done.skipped.items())
    found = [f"{', '.join(names)} skipped: {reason}" for names, reason in skipped]
    if done.resumed_at:
        found.append(f"interrupted, and gone on with after {done.resumed_at:,} pictures")
    return [*found, *([warning] if warning else [])]
