"""Whether many pictures cost more each than a few: time and memory along one long run."""

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import cv2

from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.process import resident_bytes
from paddleport.runners.predictor import PictureAnswer, PredictorSpec
from paddleport.runners.runner_options import RunnerOptions
from paddleport.validate.benchmark.machine import settle
from paddleport.worker import Worker

WINDOW = 100  # pictures
PAIRS = 15
SIZES = ((512, 512), (384, 512), (480, 640), (256, 256), (600, 400), (333, 500))
TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Window:
    """``WINDOW`` pictures in a row.

    Attributes:
        ms: a picture.
        bytes: what the process held after them.
    """

    ms: float
    bytes: int


@dataclass(frozen=True)
class Course:
    """One long run, and a young one beside it at its end.

    Attributes:
        windows: of the long run.
        pairs: ms a picture of the process that has done them all, and of one that has done
            ``WINDOW``, in turn: what the machine does meanwhile hits both.
    """

    windows: tuple[Window, ...]
    pairs: tuple[tuple[float, float], ...]

    @property
    def drift(self) -> float:
        """The old one's time by the young one's; 1 is flat."""
        return statistics.median(old / young for old, young in self.pairs)

    @property
    def growth(self) -> float:
        """Peak memory at the end by that after the first tenth; 1 is flat."""
        peaks = self.peaks
        return peaks[-1] / peaks[max(1, round(len(peaks) / 10)) - 1]

    @property
    def peaks(self) -> list[int]:
        """The most bytes held by the end of each window."""
        return [
            max(window.bytes for window in self.windows[: index + 1])
            for index in range(len(self.windows))
        ]


class Run:
    """A predictor over the same files for ever; in a process of its own."""

    def __init__(
        self, backend: str, onnx: Artifact, preprocess: Preprocess, files: list[Path]
    ) -> None:
        spec = PredictorSpec(
            model=onnx,
            backend=backend,
            options=RunnerOptions(precision="fp32"),
            preprocess=preprocess,
        )
        self._answers: Iterator[PictureAnswer] = spec.open().predict_many(cycle(files))

    def window(self) -> Window:
        """The next pictures."""
        started = time.perf_counter()
        for _ in range(WINDOW):
            answer = next(self._answers)
            if answer.error:
                raise RuntimeError(f"{answer.picture}: {answer.error}")
        ms = (time.perf_counter() - started) / WINDOW * 1e3
        return Window(ms, resident_bytes(os.getpid()) or 0)


def draw_files(folder: Path) -> list[Path]:
    """JPEG files of different pictures and sizes."""
    files = []
    for index, size in enumerate(SIZES):
        files.append(folder / f"growth-{index}.jpg")
        cv2.imwrite(str(files[-1]), draw_picture(index, size))
    return files


def course(
    backend: str, onnx: Artifact, preprocess: Preprocess, files: list[Path], pictures: int
) -> Course:
    """``pictures`` in one process, then some more in turn with a young process."""
    with Worker() as old, Worker() as young:
        runs = [
            worker.hold(Run, TIMEOUT_S, backend, onnx, preprocess, files) for worker in (old, young)
        ]

        def window(side: int) -> Window:
            settle([old.pid, young.pid])
            return (old, young)[side].call(Run.window, TIMEOUT_S, runs[side])

        windows = [old.call(Run.window, TIMEOUT_S, runs[0]) for _ in range(pictures // WINDOW)]
        window(1)  # warms up
        pairs = []
        for index in range(PAIRS):
            found = {side: window(side).ms for side in ((0, 1) if index % 2 else (1, 0))}
            pairs.append((found[0], found[1]))
    return Course(tuple(windows), tuple(pairs))
