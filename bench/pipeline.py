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
from lines import NO_LIMIT, Line, spread
from ways import THREADS, Way

from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.picture_pipeline import Work
from paddleport.validate.benchmark.machine import settle
from paddleport.worker import Worker

FILES = 24  # different pictures
SIDE = 512
PICTURES = 96  # a turn; each file several times
TURNS = 11
TIMEOUT_S = 300.0


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
    """A predictor as ``paddleport run`` opens it."""

    def __init__(self, way: Way, preprocess: Preprocess) -> None:
        self._predictor = way.predictor(preprocess)

    def turn(self, files: list[Path]) -> Turn:
        """Every picture once."""
        work = Work()
        started, cpu = time.perf_counter(), time.process_time()
        answers = self._predictor.predict_many(files, work=work)
        if any(answer.error for answer in answers):
            raise RuntimeError("a picture was not read")
        return _turn(len(files), started, cpu, **work.shares())


def _turn(pictures: int, started: float, cpu: float, **shares: float) -> Turn:
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    return Turn(pictures / wall_s, cpu_s / pictures * 1e3, **shares)


def pipeline_turns(
    model: Artifact, ways: Mapping[str, Way], preprocess: Preprocess, folder: Path
) -> dict[str, list[tuple[Turn, Turn]]]:
    """Turns of ours and of the plain loop beside it, each side in a process of its own."""
    files = _files(folder)
    found: dict[str, list[tuple[Turn, Turn]]] = {name: [] for name in ways}
    with ExitStack() as stack:
        theirs = stack.enter_context(Worker())
        loop = theirs.hold(PlainLoop, TIMEOUT_S, model, preprocess)
        workers = {name: stack.enter_context(Worker()) for name in ways}
        sides = {
            name: worker.hold(Ours, TIMEOUT_S, ways[name], preprocess)
            for name, worker in workers.items()
        }
        pids = [theirs.pid, *(worker.pid for worker in workers.values())]
        for index in range(TURNS + 1):
            for name, worker in workers.items():
                settle(pids)
                ours = worker.call(Ours.turn, TIMEOUT_S, sides[name], files)
                settle(pids)
                plain = theirs.call(PlainLoop.turn, TIMEOUT_S, loop, files)
                if index:  # the first is not counted
                    found[name].append((ours, plain))
    return found


def pipeline_line(
    what: str, pairs: Sequence[tuple[Turn, Turn]], at_least: float = NO_LIMIT
) -> Line:
    """Pictures a second, ours by the plain loop's, and where the time of ours went."""
    ratios = [ours.pictures_per_s / theirs.pictures_per_s for ours, theirs in pairs]
    sides = [[turns[side] for turns in pairs] for side in (0, 1)]
    rates = " against ".join(spread([turn.pictures_per_s for turn in side]) for side in sides)
    cpu = " against ".join(
        f"{statistics.median(turn.cpu_ms for turn in side):.2f}" for side in sides
    )
    shares = ", ".join(
        f"{name} {statistics.median(getattr(turn, name) for turn in sides[0]):.0%}"
        for name in ("decode", "preprocess", "inference")
    )
    detail = f"ratio {spread(ratios)}; {rates} pictures/s; CPU {cpu} ms a picture; {shares}"
    line = Line(what, statistics.median(ratios), at_least, "x", detail, at_least=True)
    return replace(line, reason=_budget(pairs, at_least)) if line.missed else line


def _budget(pairs: Sequence[tuple[Turn, Turn]], at_least: float) -> str:
    """What the limit leaves each picture of the CPUs' time, and what ours takes."""
    plain = statistics.median(theirs.pictures_per_s for _, theirs in pairs)
    taken = statistics.median(ours.cpu_ms for ours, _ in pairs)
    parts = {
        name: taken * statistics.median(getattr(ours, name) for ours, _ in pairs)
        for name in ("inference", "decode", "preprocess")
    }
    told = ", ".join(f"{name} {ms:.1f}" for name, ms in parts.items())
    left = THREADS * 1e3 / (at_least * plain)
    return f"{at_least:g} x leaves a picture {left:.1f} ms of the {THREADS} CPUs; it takes {told}"


def _files(folder: Path) -> list[Path]:
    """Different pictures, each of them several times."""
    files = []
    for index in range(FILES):
        files.append(folder / f"{index:02}.jpg")
        cv2.imwrite(str(files[-1]), draw_picture(index, (SIDE, SIDE)))
    return files * (PICTURES // FILES)
