"""Pictures per second of ``evaluate``, against ``run`` and an evaluation in PaddleClas's way."""

import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from claims import Claim, spread
from picture_throughput import (
    SIDE,
    PipelinePass,
    PlainLoop,
    PredictorPipeline,
    measured_pass,
)
from run_configuration import THREADS, RunConfiguration

from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.resolve import SourceModel
from paddleport.models.synthetic.samples import draw_picture
from paddleport.validate.benchmark.machine import settle
from paddleport.validate.evaluate.evaluation_pass import PassPlan, run_pass
from paddleport.validate.evaluate.rows.row_request import EvaluatedModel, RowRequest, RowSource
from paddleport.validate.labelled.labelled_data import open_labelled
from paddleport.worker import Worker

DIFFERENT = 24  # pictures; the others are copies
PICTURES = 960  # of a pass: filling and draining the pipeline must not count
PASSES = 5
PADDLECLAS_BATCH = 64  # of its evaluation
TIMEOUT_S = 600.0
CLASSES = 1000
_AS_RUN, _AS_PADDLECLAS = 0.95, 2.5


@dataclass(frozen=True)
class EvaluationPasses:
    """A pass of ``evaluate`` with one backend, its processes started anew for each."""

    model: EvaluatedModel
    row: RowRequest
    folder: Path
    batch: int

    def run_pass(self, files: Sequence[Path]) -> PipelinePass:
        """Every picture once; what starts the backend is not counted, as it isn't in ``run``."""
        data = open_labelled(self.folder / "val_list.txt", labels=None, classes=CLASSES)
        plan = PassPlan(
            folder=self.folder / "state",
            reference=None,
            batch_size=self.batch,
            workers=THREADS,
        )
        cpu = time.process_time()
        done = run_pass(self.model, [self.row], data, plan)
        if done.tally.pictures != len(files):
            raise RuntimeError(f"{done.tally.pictures} of {len(files)} pictures were counted")
        own = time.process_time() - cpu  # the backend's process has its own
        return PipelinePass(pictures_per_s=len(files) / done.seconds, cpu_ms=own / len(files) * 1e3)


class PaddleClasEvaluation(PlainLoop):
    """Decode and prepare a batch, predict it, count top-1 and top-5: one process, in turn."""

    def run_pass(self, files: Sequence[Path]) -> PipelinePass:
        """Every picture once."""
        started, cpu = time.perf_counter(), time.process_time()
        right = np.zeros(2, np.int64)
        for first in range(0, len(files), PADDLECLAS_BATCH):
            batch = files[first : first + PADDLECLAS_BATCH]
            labels = np.arange(first, first + len(batch)) % CLASSES
            pictures = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in batch]
            scores = self.scores(np.stack([self.prepared(picture) for picture in pictures]))
            best = np.argsort(-scores, axis=1)[:, :5]
            right += [int((best[:, :k] == labels[:, None]).sum()) for k in (1, 5)]
        return measured_pass(len(files), started, cpu)


def evaluate_claims(source: SourceModel, onnx: Artifact, folder: Path) -> list[Claim]:
    """Both ratios for each runtime, all sides in turn and each in a process of its own."""
    assert source.preprocess is not None
    place = folder / "evaluate"
    files = _pictures(place)
    claims = []
    for backend in ("openvino", "onnxruntime"):
        configuration = RunConfiguration.as_run(
            backend, onnx, (1, 3, 224, 224), extras={"streams": str(THREADS)}
        )
        ours, run, paddleclas = _passes(configuration, source, source.preprocess, place, files)
        name = f"evaluate: {configuration.name}"
        claims.append(_claim(f"{name} / run", ours, run, _AS_RUN))
        theirs = f"PaddleClas's way on native Paddle, batch {PADDLECLAS_BATCH}"
        claim = _claim(f"{name} / {theirs}", ours, paddleclas, _AS_PADDLECLAS)
        if claim.missed:
            most = spread([one / other for one, other in _rates(run, paddleclas)])
            claim = replace(claim, reason=f"run itself, without labels, gets {most} x")
        claims.append(claim)
    return claims


def _passes(
    configuration: RunConfiguration,
    source: SourceModel,
    preprocess: Preprocess,
    place: Path,
    files: Sequence[Path],
) -> tuple[list[PipelinePass], list[PipelinePass], list[PipelinePass]]:
    model = EvaluatedModel(
        name=source.name,
        title=source.name,
        weights=source.weights,
        sha256=source.sha256,
        preprocess=preprocess,
        classes=CLASSES,
    )
    opened = RowSource(make=_Made(configuration.model), options=configuration.options)
    row = RowRequest(
        name="row", backend=configuration.backend, precision="fp32", sources=(opened,), named=True
    )
    evaluation = EvaluationPasses(model, row, place, configuration.shape[0])
    with Worker() as ours, Worker() as run, Worker() as theirs:
        pipeline = run.hold(PredictorPipeline, TIMEOUT_S, configuration, preprocess)
        loop = theirs.hold(PaddleClasEvaluation, TIMEOUT_S, source.model, preprocess)
        found: list[tuple[PipelinePass, PipelinePass, PipelinePass]] = []
        for _ in range(PASSES + 1):
            passes = []
            for worker, method, side in (
                (ours, EvaluationPasses.run_pass, evaluation),
                (run, PredictorPipeline.run_pass, pipeline),
                (theirs, PaddleClasEvaluation.run_pass, loop),
            ):
                settle([item.pid for item in (ours, run, theirs)])
                passes.append(worker.call(method, TIMEOUT_S, side, files))
            found.append((passes[0], passes[1], passes[2]))
    first, second, third = zip(*found[1:], strict=True)  # the first round is not counted
    return list(first), list(second), list(third)


@dataclass(frozen=True)
class _Made:
    """A file that is there already, as a row's source gives it; it is pickled."""

    model: Artifact

    def __call__(self) -> Artifact:
        return self.model


def _claim(
    what: str, ours: Sequence[PipelinePass], theirs: Sequence[PipelinePass], at_least: float
) -> Claim:
    rates = " against ".join(
        spread([one.pictures_per_s for one in side]) for side in (ours, theirs)
    )
    ratios = [one / other for one, other in _rates(ours, theirs)]
    return Claim(
        what=what,
        value=statistics.median(ratios),
        limit=at_least,
        unit="x",
        detail=f"ratio {spread(ratios)}; {rates} pictures/s, {len(ratios)} passes of {PICTURES}",
        at_least=True,
    )


def _rates(
    ours: Sequence[PipelinePass], theirs: Sequence[PipelinePass]
) -> list[tuple[float, float]]:
    pairs = zip(ours, theirs, strict=True)
    return [(one.pictures_per_s, other.pictures_per_s) for one, other in pairs]


def _pictures(place: Path) -> list[Path]:
    """Files of different pictures, copied, and the list with their labels."""
    place.mkdir(parents=True, exist_ok=True)
    files, lines = [], []
    for index in range(PICTURES):
        files.append(place / f"{index:04}.jpg")
        if index < DIFFERENT:
            cv2.imwrite(str(files[-1]), draw_picture(index, (SIDE, SIDE)))
        else:
            shutil.copyfile(files[index % DIFFERENT], files[-1])
        lines.append(f"{files[-1].name} {index % CLASSES}\n")
    (place / "val_list.txt").write_text("".join(lines))
    return files
