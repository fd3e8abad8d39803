"""Whether many pictures cost more each than a few: time and memory along one long run."""

import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import cv2

from paddleport.models.card import OnnxModel, Preprocess
from paddleport.models.samples import draw_picture
from paddleport.process import resident_bytes
from paddleport.runners import open_runner
from paddleport.runners.base import RunnerOptions
from paddleport.runners.classify import classify

WINDOW = 100  # pictures
WARM_UP = 1  # windows
SIZES = ((512, 512), (384, 512), (480, 640), (256, 256), (600, 400), (333, 500))


@dataclass(frozen=True)
class Course:
    """One long run, window by window.

    Attributes:
        ms: a picture.
        bytes: the most that the process had held by then, as seen at the windows' ends.
    """

    ms: tuple[float, ...]
    bytes: tuple[int, ...]

    @property
    def drift(self) -> float:
        """The last fifth's median time by the first fifth's, after the warm-up; 1 is flat."""
        counted = self.ms[WARM_UP:]
        share = max(1, len(counted) // 5)
        return statistics.median(counted[-share:]) / statistics.median(counted[:share])

    @property
    def slope(self) -> float:
        """What the whole run adds to the time, by all pairs of windows (Theil and Sen); 0 is flat.

        In shares of the median.
        """
        counted = self.ms[WARM_UP:]
        slopes = [
            (later - earlier) / (right - left)
            for left, earlier in enumerate(counted)
            for right, later in enumerate(counted)
            if right > left
        ]
        return statistics.median(slopes) * (len(counted) - 1) / statistics.median(counted)

    @property
    def growth(self) -> float:
        """Peak memory at the end by that after the first tenth; 1 is flat."""
        return self.bytes[-1] / self.bytes[max(0, round(len(self.bytes) / 10) - 1)]


def draw_files(folder: Path) -> list[Path]:
    """JPEG files of different pictures and sizes."""
    files = []
    for index, size in enumerate(SIZES):
        files.append(folder / f"growth-{index}.jpg")
        cv2.imwrite(str(files[-1]), draw_picture(index, size))
    return files


def course(
    backend: str, onnx: OnnxModel, preprocess: Preprocess, files: list[Path], pictures: int
) -> Course:
    """``classify`` over ``pictures``, the files again and again; in a process of its own."""
    ms, held = [], []
    options = RunnerOptions(precision="fp32")
    names = (files[index % len(files)] for index in range(pictures))
    with open_runner(backend, onnx, options) as runner:
        started, peak = time.perf_counter(), 0
        for index, answer in enumerate(classify(runner, names, preprocess=preprocess), 1):
            if answer.error:
                raise RuntimeError(f"{answer.picture}: {answer.error}")
            if index % WINDOW == 0:
                ended = time.perf_counter()
                ms.append((ended - started) / WINDOW * 1e3)
                peak = max(peak, resident_bytes(os.getpid()) or 0)
                held.append(peak)
                started = time.perf_counter()
    return Course(tuple(ms), tuple(held))
