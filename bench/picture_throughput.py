"""A folder of JPEG files through a predictor, and by a plain loop on native Paddle."""

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from claims import NO_LIMIT, Claim, spread
from run_configuration import THREADS, RunConfiguration

from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.picture_pipeline import Work
from paddleport.validate.benchmark.machine import settle
from paddleport.worker import Worker

FILES = 24  # different pictures
SIDE = 512
PICTURES = 96  # per pass; each file several times
PASSES = 11
TIMEOUT_S = 300.0


@dataclass(frozen=True, kw_only=True)
class PipelinePass:
    """What one pass over all pictures took.

    Attributes:
        pictures_per_s: by the wall clock.
        cpu_ms: CPU time per picture.
        decode: share of the work; so are ``preprocess`` and ``inference``, as in ``Work``.
    """

    pictures_per_s: float
    cpu_ms: float
    decode: float = 0.0
    preprocess: float = 0.0
    inference: float = 0.0


class PlainLoop:
    """Decode, preprocess and predict one picture after the other, as PaddleClas's predictor."""

    def __init__(self, model: Artifact, preprocess: Preprocess) -> None:
        from paddle import inference

        config = inference.Config(str(model.path), str(model.weights_file))
        config.disable_gpu()
        config.disable_glog_info()
        config.enable_mkldnn()
        config.set_cpu_math_library_num_threads(THREADS)
        config.switch_ir_optim(True)
        self._predictor = inference.create_predictor(config)
        self._given = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        self._taken = self._predictor.get_output_handle(self._predictor.get_output_names()[0])
        self._short, self._crop = preprocess.resize_short or 256, preprocess.crop or (224, 224)
        self._scale, self._mean, self._std = (
            np.float32(preprocess.scale),
            np.float32(preprocess.mean),
            np.float32(preprocess.std),
        )

    def run_pass(self, files: list[Path]) -> PipelinePass:
        """Every picture once."""
        started, cpu = time.perf_counter(), time.process_time()
        for file in files:
            picture = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
            scores = self.scores(self.prepared(picture)[None])[0]
            best = scores.argsort()[-5:][::-1]
            [(int(index), float(scores[index])) for index in best]
        return measured_pass(len(files), started, cpu)

    def scores(self, tensor: Any) -> Any:
        """The model's output for a batch."""
        self._given.copy_from_cpu(tensor)
        self._predictor.run()
        return self._taken.copy_to_cpu()

    def prepared(self, picture: Any) -> Any:
        """One picture, RGB, as the model takes it."""
        height, width = picture.shape[:2]
        percent = self._short / min(height, width)
        picture = cv2.resize(picture, (round(width * percent), round(height * percent)))
        height, width = picture.shape[:2]
        top, left = (height - self._crop[0]) // 2, (width - self._crop[1]) // 2
        picture = picture[top : top + self._crop[0], left : left + self._crop[1]]
        picture = (picture.astype(np.float32) * self._scale - self._mean) / self._std
        return np.ascontiguousarray(picture.transpose(2, 0, 1))


class PredictorPipeline:
    """A predictor as ``paddleport run`` opens it."""

    def __init__(self, configuration: RunConfiguration, preprocess: Preprocess) -> None:
        self._predictor = configuration.predictor(preprocess)

    def run_pass(self, files: list[Path]) -> PipelinePass:
        """Every picture once."""
        work = Work()
        started, cpu = time.perf_counter(), time.process_time()
        answers = self._predictor.predict_many(files, work=work)
        if any(answer.error for answer in answers):
            raise RuntimeError("a picture was not read")
        return measured_pass(len(files), started, cpu, **work.shares())


def measured_pass(pictures: int, started: float, cpu: float, **shares: float) -> PipelinePass:
    """What a pass took since it was started, by the wall clock and the process's own."""
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    return PipelinePass(pictures_per_s=pictures / wall_s, cpu_ms=cpu_s / pictures * 1e3, **shares)


def pipeline_passes(
    model: Artifact,
    configurations: Mapping[str, RunConfiguration],
    preprocess: Preprocess,
    folder: Path,
) -> dict[str, list[tuple[PipelinePass, PipelinePass]]]:
    """Passes of each configuration and of the plain loop, in turn, each in its own process."""
    files = _files(folder)
    found: dict[str, list[tuple[PipelinePass, PipelinePass]]] = {
        name: [] for name in configurations
    }
    with ExitStack() as stack:
        theirs = stack.enter_context(Worker())
        loop = theirs.hold(PlainLoop, TIMEOUT_S, model, preprocess)
        workers = {name: stack.enter_context(Worker()) for name in configurations}
        sides = {
            name: worker.hold(PredictorPipeline, TIMEOUT_S, configurations[name], preprocess)
            for name, worker in workers.items()
        }
        pids = [theirs.pid, *(worker.pid for worker in workers.values())]
        for index in range(PASSES + 1):
            for name, worker in workers.items():
                settle(pids)
                ours = worker.call(PredictorPipeline.run_pass, TIMEOUT_S, sides[name], files)
                settle(pids)
                plain = theirs.call(PlainLoop.run_pass, TIMEOUT_S, loop, files)
                if index:  # the first is not counted
                    found[name].append((ours, plain))
    return found


def pipeline_claim(
    what: str, pairs: Sequence[tuple[PipelinePass, PipelinePass]], at_least: float = NO_LIMIT
) -> Claim:
    """Pictures per second divided by the plain loop's, and where our time went."""
    ratios = [ours.pictures_per_s / theirs.pictures_per_s for ours, theirs in pairs]
    sides = [[passes[side] for passes in pairs] for side in (0, 1)]
    rates = " against ".join(spread([one.pictures_per_s for one in side]) for side in sides)
    cpu = " against ".join(f"{statistics.median(one.cpu_ms for one in side):.2f}" for side in sides)
    shares = ", ".join(
        f"{name} {statistics.median(getattr(one, name) for one in sides[0]):.0%}"
        for name in ("decode", "preprocess", "inference")
    )
    detail = f"ratio {spread(ratios)}; {rates} pictures/s; CPU {cpu} ms a picture; {shares}"
    claim = Claim(
        what=what,
        value=statistics.median(ratios),
        limit=at_least,
        unit="x",
        detail=detail,
        at_least=True,
    )
    return replace(claim, reason=_budget(pairs, at_least)) if claim.missed else claim


def _budget(pairs: Sequence[tuple[PipelinePass, PipelinePass]], at_least: float) -> str:
    """The CPU time per picture that the limit leaves, and what ours takes."""
    plain = statistics.median(theirs.pictures_per_s for _, theirs in pairs)
    taken = statistics.median(ours.cpu_ms for ours, _ in pairs)
    parts = {
        name: taken * statistics.median(getattr(ours, name) for ours, _ in pairs)
        for name in ("inference", "decode", "preprocess")
    }
    costs = ", ".join(f"{name} {ms:.1f}" for name, ms in parts.items())
    left = THREADS * 1e3 / (at_least * plain)
    return f"{at_least:g} x leaves a picture {left:.1f} ms of the {THREADS} CPUs; it takes {costs}"


def _files(folder: Path) -> list[Path]:
    """Different pictures, each of them several times."""
    files = []
    for index in range(FILES):
        files.append(folder / f"{index:02}.jpg")
        cv2.imwrite(str(files[-1]), draw_picture(index, (SIDE, SIDE)))
    return files * (PICTURES // FILES)
