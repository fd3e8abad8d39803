"""A folder of JPEG files through ``classify``, and by a plain loop on native Paddle."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.models.card import OnnxModel, PaddleModel, Preprocess
from paddleport.models.samples import draw_picture
from paddleport.runners import open_runner, runner_class
from paddleport.runners.base import RunnerOptions
from paddleport.runners.classify import classify
from paddleport.runners.pipeline import Work
from paddleport.tensors import ShapeRange
from paddleport.validate.rig.settle import settle
from paddleport.worker import Worker

THREADS = 2
FILES = 24  # different pictures
SIDE = 512
PICTURES = 96  # a turn; each file several times
TURNS = 11
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Way:
    """One configuration of ours, and how many times the plain loop's pictures a second it owes."""

    backend: str
    precision: Any
    batch_size: int
    at_least: float

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"{self.backend} {self.precision}, batch {self.batch_size}"


WAYS = (
    Way("openvino", "fp32", 1, 2.5),
    Way("onnxruntime", "fp32", 1, 0.0),
    Way("openvino", "bf16", 1, 4.0),
)


@dataclass(frozen=True)
class Turn:
    """What a turn over all pictures took: wall clock and CPU, and the shares of ``Work``."""

    pictures_per_s: float
    cpu_ms: float
    decode: float = 0.0
    preprocess: float = 0.0
    inference: float = 0.0


class PlainLoop:
    """Decode, preprocess and predict one picture after the other, as PaddleClas's predictor."""

    def __init__(self, model: PaddleModel, preprocess: Preprocess) -> None:
        from paddle import inference

        config = inference.Config(str(model.program), str(model.params))
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

    def turn(self, files: list[Path]) -> Turn:
        """Every picture once."""
        started, cpu = time.perf_counter(), time.process_time()
        for file in files:
            picture = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
            self._given.copy_from_cpu(self._prepared(picture)[None])
            self._predictor.run()
            scores = self._taken.copy_to_cpu()[0]
            best = scores.argsort()[-5:][::-1]
            [(int(index), float(scores[index])) for index in best]
        return _turn(len(files), started, cpu)

    def _prepared(self, picture: Any) -> Any:
        height, width = picture.shape[:2]
        percent = self._short / min(height, width)
        picture = cv2.resize(picture, (round(width * percent), round(height * percent)))
        height, width = picture.shape[:2]
        top, left = (height - self._crop[0]) // 2, (width - self._crop[1]) // 2
        picture = picture[top : top + self._crop[0], left : left + self._crop[1]]
        picture = (picture.astype(np.float32) * self._scale - self._mean) / self._std
        return np.ascontiguousarray(picture.transpose(2, 0, 1))


class Ours:
    """``classify`` with as many streams as threads, as ``paddleport run`` opens it."""

    def __init__(self, way: Way, model: OnnxModel, preprocess: Preprocess) -> None:
        extras = {"streams": str(THREADS)}
        shapes = {}
        if preprocess.size and runner_class(way.backend).gains_from_shapes:
            shapes = {"x": ShapeRange.only((way.batch_size, 3, *preprocess.size))}
        options = RunnerOptions(None, way.precision, THREADS, extras, shapes)
        self._runner = open_runner(way.backend, model, options)
        self._batch_size, self._preprocess = way.batch_size, preprocess

    def turn(self, files: list[Path]) -> Turn:
        """Every picture once."""
        work = Work()
        started, cpu = time.perf_counter(), time.process_time()
        answers = classify(
            self._runner,
            files,
            preprocess=self._preprocess,
            batch_size=self._batch_size,
            workers=THREADS,
            work=work,
        )
        if any(answer.error for answer in answers):
            raise RuntimeError("a picture was not read")
        return _turn(len(files), started, cpu, **work.shares())


def _turn(pictures: int, started: float, cpu: float, **shares: float) -> Turn:
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    return Turn(pictures / wall_s, cpu_s / pictures * 1e3, **shares)


def pipeline_turns(
    model: PaddleModel, onnx: OnnxModel, preprocess: Preprocess, folder: Path
) -> dict[Way, list[tuple[Turn, Turn]]]:
    """Turns of ours and of the plain loop beside it, each side in a process of its own.

    A way that this machine does not have, such as bf16, is left out.
    """
    files = _files(folder)
    found: dict[Way, list[tuple[Turn, Turn]]] = {}
    with ExitStack() as stack:
        theirs = stack.enter_context(Worker())
        loop = theirs.hold(PlainLoop, TIMEOUT_S, model, preprocess)
        workers, sides = {}, {}
        for way in WAYS:
            worker = stack.enter_context(Worker())
            try:
                sides[way] = worker.hold(Ours, TIMEOUT_S, way, onnx, preprocess)
            except BackendUnavailableError:
                continue
            workers[way], found[way] = worker, []
        pids = [theirs.pid, *(worker.pid for worker in workers.values())]
        for index in range(TURNS + 1):
            for way, worker in workers.items():
                settle(pids)
                ours = worker.call(Ours.turn, TIMEOUT_S, sides[way], files)
                settle(pids)
                plain = theirs.call(PlainLoop.turn, TIMEOUT_S, loop, files)
                if index:  # the first is not counted
                    found[way].append((ours, plain))
    return found


def _files(folder: Path) -> list[Path]:
    """Different pictures, each of them several times."""
    files = []
    for index in range(FILES):
        files.append(folder / f"{index:02}.jpg")
        cv2.imwrite(str(files[-1]), draw_picture(index, (SIDE, SIDE)))
    return files * (PICTURES // FILES)
