"""One pass over labelled pictures through several backends; interrupted, it goes on."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from paddleport.arguments import check_option
from paddleport.errors import UsageError, WorkerCrashed
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import external_files
from paddleport.progress import Progress, no_progress
from paddleport.runners import installed_version, runner_class
from paddleport.runners.in_order import in_order
from paddleport.runners.picture_pipeline import default_workers
from paddleport.runners.runner_options import MOST_IN_A_BATCH, MOST_THREADS
from paddleport.validate.evaluate.chunk_engine import ChunkEngine, ChunkSetup
from paddleport.validate.evaluate.counts.picture_thumbnail import picture_thumbnail
from paddleport.validate.evaluate.counts.tally import Tally
from paddleport.validate.evaluate.evaluation_state import (
    RowProgress,
    SavedPass,
    check_same,
    remove_state,
)
from paddleport.validate.evaluate.pass_progress import PassProgress
from paddleport.validate.evaluate.picture_chunks import (
    SLOTS,
    PictureChunk,
    PictureReader,
    picture_chunks,
)
from paddleport.validate.evaluate.rows.open_rows import ChunkAnswers, OpenRows
from paddleport.validate.evaluate.rows.row_process import RowProcess
from paddleport.validate.evaluate.rows.row_request import EvaluatedModel, RowRequest
from paddleport.validate.labelled.labelled_data import LabelledData

_SAVE_EVERY_S = 10.0
_SAVING_SHARE = 0.02  # of the time, where writing the state takes long


@dataclass(frozen=True, kw_only=True)
class PassPlan:
    """How a pass is made.

    Attributes:
        folder: where its state is kept while it runs.
        reference: the row that the others are held against; ``None`` without one.
        batch_size: pictures per inference.
        workers: threads that decode.
        resume: go on with the state in ``folder``, if there is one.
        engine: computes the chunks elsewhere; ``None`` is this process.
        keep_state: leave the state of the complete pass, to remove it once its report is written:
            a disk that is full by then must not cost the pass.
    """

    folder: Path
    reference: str | None
    batch_size: int = 1
    workers: int = field(default_factory=default_workers)
    resume: bool = False
    engine: ChunkEngine | None = None
    keep_state: bool = False


@dataclass(frozen=True, kw_only=True)
class CompletedPass:
    """What came of a pass.

    Attributes:
        tally: the counts.
        rows: how far each row came, by name.
        skipped: why a row was not run, by name.
        seconds: the pass itself, without what starts the backends.
        resumed_at: how many pictures an interrupted pass had counted; 0 for one from the start.
    """

    tally: Tally
    rows: Mapping[str, RowProgress]
    skipped: Mapping[str, str]
    seconds: float
    resumed_at: int = 0


def run_pass(
    model: EvaluatedModel,
    rows: Sequence[RowRequest],
    data: LabelledData,
    plan: PassPlan,
    *,
    progress: Progress = no_progress,
) -> CompletedPass:
    """Give every picture to every row, and count the answers.

    Each row's backend lives in a process of its own; one that crashes ends its row alone. The
    state is written every few seconds, when the pass is interrupted, and at its end where
    ``plan.keep_state`` asks for it; else it goes when the pass is complete.

    Raises:
        BackendUnavailableError: a row that was named is not to be had.
        UsageError: what is gone on with is not what was begun.
        WorkerCrashed: no row is left.
        KeyboardInterrupt: after the state was written.
    """
    check_option("batch-size", plan.batch_size, MOST_IN_A_BATCH)
    check_option("workers", plan.workers, MOST_THREADS)
    return _Pass(model, rows, data, plan, progress).run()


class _Pass:
    def __init__(
        self,
        model: EvaluatedModel,
        rows: Sequence[RowRequest],
        data: LabelledData,
        plan: PassPlan,
        progress: Progress,
    ) -> None:
        self._model, self._rows, self._data, self._plan = model, rows, data, plan
        self._progress = progress
        self._begun = SavedPass.load(plan.folder) if plan.resume else None
        self._resumed_at = self._begun.position if self._begun else 0

    def run(self) -> CompletedPass:
        before = self._begun.rows if self._begun else {}
        ended = {name for name, row in before.items() if row.failed}
        skipped = {row.name: row.skipped for row in self._rows if row.skipped}
        wanted = [row for row in self._rows if row.name not in skipped and row.name not in ended]
        rows = OpenRows(wanted, lambda name: self._progress(f"start {name}", None))
        try:
            skipped |= rows.skipped
            self._open(rows, ended)
            self._count(rows)
        finally:
            rows.close()
        if self._plan.keep_state:
            self._save()
        else:
            remove_state(self._plan.folder)
        return CompletedPass(
            tally=self._tally,
            rows=self._saved.rows,
            skipped=skipped,
            seconds=self._saved.seconds,
            resumed_at=self._resumed_at,
        )

    def _open(self, rows: OpenRows, ended: set[str]) -> None:
        """Settle what is counted: anew, or where the interrupted pass stands."""
        if not rows.processes:
            reasons = {**rows.failed, **rows.skipped, **{name: "" for name in ended}}
            told = "; ".join(f"{name}: {why}" if why else name for name, why in reasons.items())
            raise WorkerCrashed(f"no backend is left to evaluate: {told}", reason=told, log="")
        self._reader = PictureReader(self._model.preprocess, rows.inputs)
        size = self._reader.chunk_size(self._plan.batch_size)
        asked = self._asked(rows, size)
        if self._begun is None:
            names = [row.name for row in self._rows if row.name in rows.processes | rows.failed]
            reference = self._plan.reference
            self._tally = Tally(
                names, reference if reference in names else None, self._model.classes
            )
            progress = {name: RowProgress() for name in names}
            self._saved = SavedPass(asked=asked, rows=progress)
            for name, reason in rows.failed.items():
                self._end_row(name, reason)
        else:
            if rows.failed:
                (name, reason), *_ = rows.failed.items()
                raise UsageError(f"--resume can't go on: {name} no longer starts: {reason}")
            for name in ended:
                asked["rows"][name] = self._begun.asked["rows"].get(name)
            check_same(self._begun, asked, self._plan.folder)
            self._saved, self._tally = self._begun, Tally.from_state(self._begun.tally)
        for name, process in rows.processes.items():
            self._saved.rows[name].describe(process.facts, process.source.note)
        if self._plan.engine is None:
            rows.share(self._reader, size)
        self._setup = ChunkSetup(
            rows=[process.settled for process in rows.processes.values()],
            preprocess=self._model.preprocess,
            classes=self._model.classes,
            chunk=size,
            batch=self._plan.batch_size,
            workers=self._plan.workers,
        )

    def _asked(self, rows: OpenRows, size: int) -> dict[str, Any]:
        """All that the counts depend on, under names that a user reads."""
        return {
            "model": self._model.sha256,
            "preprocessing": self._model.preprocess.to_dict(),
            "pictures": self._data.sha256,
            "batch size": self._plan.batch_size,
            "pictures at a time": size,
            "reference": self._plan.reference,
            "rows": {name: _described(process) for name, process in rows.processes.items()},
        }

    def _count(self, rows: OpenRows) -> None:
        """The pass: pictures are decoded ahead, one thread runs the rows, this one counts."""
        shown = PassProgress(self._progress, self._saved.position, self._data.count)
        self._started, self._before_s = time.perf_counter(), self._saved.seconds
        whole, next_save = True, time.monotonic() + _SAVE_EVERY_S
        try:
            with closing(self._answers(rows)) as answers:
                for found in answers:
                    whole = False
                    self._add(found)
                    self._raise_if_all_ended()
                    whole = True
                    shown.report(self._saved.position)
                    if time.monotonic() >= next_save:
                        next_save = self._save() + _SAVE_EVERY_S
        except BaseException:
            # Half a chunk is no state to go on from, nor is a pass without rows; then the one of
            # some seconds ago stays.
            if whole:
                self._save()
            raise

    def _answers(self, rows: OpenRows) -> Generator[ChunkAnswers, None, None]:
        plan, position = self._plan, self._saved.position
        if plan.engine is not None:
            rows.close()  # they have said what they are; the engine opens its own
            listed = self._data.pictures(position)
            with closing(plan.engine.answers(self._setup, listed, position)) as answers:
                yield from answers
            return
        runs = ThreadPoolExecutor(1, thread_name_prefix="paddleport-rows")

        def begin(chunk: PictureChunk) -> Future[ChunkAnswers]:
            return runs.submit(rows.compute, chunk, plan.batch_size, self._model.classes)

        pictures: Iterator[Any] = self._data.pictures(position)
        chunks = picture_chunks(
            pictures, self._reader, rows.slots, start=position, workers=plan.workers
        )
        try:
            with closing(chunks), closing(in_order(begin, chunks, SLOTS)) as answers:
                yield from answers
        finally:
            rows.close()  # what is being computed ends, so that nobody waits for it
            runs.shutdown(cancel_futures=True)

    def _add(self, found: ChunkAnswers) -> None:
        chunk, rows = found.chunk, self._saved.rows
        for name, reason in found.failed.items():
            if not rows[name].failed:
                self._end_row(name, reason)
        for name, reason in chunk.unreadable:
            self._tally.unreadable(name, reason)
        # of a row that has ended on one of an engine's machines, others may still send answers
        outputs = {name: item for name, item in found.outputs.items() if not rows[name].failed}
        if outputs:
            self._tally.add(chunk.names, chunk.labels, outputs, _thumbnails(chunk.sources))
        for name in outputs:
            seconds = found.seconds[name]
            rows[name].pictures += len(chunk.names)
            rows[name].seconds += seconds
        self._saved.position = chunk.end
        self._saved.seconds = self._before_s + time.perf_counter() - self._started

    def _end_row(self, name: str, reason: str) -> None:
        self._saved.rows[name].failed = reason
        self._tally.stop(name, reason)

    def _raise_if_all_ended(self) -> None:
        if not all(row.failed for row in self._saved.rows.values()):
            return
        told = "; ".join(f"{name}: {row.failed}" for name, row in self._saved.rows.items())
        raise WorkerCrashed(f"no backend is left to evaluate: {told}", reason=told, log="")

    def _save(self) -> float:
        """Write the state; returns the time until which it should do."""
        started = time.monotonic()
        self._saved.tally = self._tally.state()
        self._saved.save(self._plan.folder)
        ended = time.monotonic()
        return ended + (ended - started) / _SAVING_SHARE


def _described(process: RowProcess) -> dict[str, Any]:
    """What a row's numbers depend on."""
    backend = process.row.backend
    return {
        "file": _digest(process.model),
        "options": asdict(process.source.options),
        "version": installed_version(runner_class(backend)),
        "computes in": process.facts.computes_in,
    }


def _digest(model: Artifact) -> str:
    external = external_files(model.path) if model.format == "onnx" else ()
    return sha256([*model.files, *external])


def _thumbnails(sources: Sequence[Path | bytes]) -> Callable[[int], bytes | None]:
    return lambda place: picture_thumbnail(sources[place])
