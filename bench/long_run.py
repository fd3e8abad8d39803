"""Whether time per picture and memory stay flat along one run over many pictures."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import cv2
from claims import Claim, Results, ratio_detail
from plots import Series, plot

from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.resolve import SourceModel
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
BACKENDS = ("openvino", "onnxruntime")
LEAST_PICTURES = 1000  # below, the first tenth is hardly a window


@dataclass(frozen=True)
class Window:
    """What ``WINDOW`` pictures in a row took.

    Attributes:
        ms: per picture.
        bytes: resident memory of the process after them.
    """

    ms: float
    bytes: int


@dataclass(frozen=True)
class LongRun:
    """One long run, and a fresh process beside it at its end.

    Attributes:
        windows: of the long run.
        pairs: ms per picture of the process that has done them all, and of one that has done
            ``WINDOW``, measured in turn, so that both meet the same load of the machine.
    """

    windows: tuple[Window, ...]
    pairs: tuple[tuple[float, float], ...]

    @property
    def drift(self) -> float:
        """Time per picture of the long run divided by the fresh process's; 1 is flat."""
        return statistics.median(old / young for old, young in self.pairs)

    @property
    def growth(self) -> float:
        """Peak memory at the end divided by that after the first tenth; 1 is flat."""
        peaks = self.peaks
        return peaks[-1] / peaks[max(1, round(len(peaks) / 10)) - 1]

    @property
    def peaks(self) -> list[int]:
        """The most bytes held by the end of each window."""
        return [
            max(window.bytes for window in self.windows[: index + 1])
            for index in range(len(self.windows))
        ]


class EndlessPredictor:
    """A predictor over the same files without end; in a process of its own."""

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
        """Measure the next ``WINDOW`` pictures."""
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


def run_long(
    backend: str, onnx: Artifact, preprocess: Preprocess, files: list[Path], pictures: int
) -> LongRun:
    """``pictures`` in one process, then some more in turn with a fresh process."""
    with Worker() as old, Worker() as young:
        runs = [
            worker.hold(EndlessPredictor, TIMEOUT_S, backend, onnx, preprocess, files)
            for worker in (old, young)
        ]

        def window(side: int) -> Window:
            settle([old.pid, young.pid])
            return (old, young)[side].call(EndlessPredictor.window, TIMEOUT_S, runs[side])

        windows = [
            old.call(EndlessPredictor.window, TIMEOUT_S, runs[0]) for _ in range(pictures // WINDOW)
        ]
        window(1)  # warms up
        pairs = []
        for index in range(PAIRS):
            found = {side: window(side).ms for side in ((0, 1) if index % 2 else (1, 0))}
            pairs.append((found[0], found[1]))
    return LongRun(tuple(windows), tuple(pairs))


def long_run_results(source: SourceModel, onnx: Artifact, folder: Path, pictures: int) -> Results:
    """One long run on each backend."""
    if source.preprocess is None or pictures < LEAST_PICTURES:
        raise SystemExit(f"growth needs at least {LEAST_PICTURES} pictures, not {pictures}")
    files = draw_files(folder)
    runs_by_backend = {
        backend: run_long(backend, onnx, source.preprocess, files, pictures) for backend in BACKENDS
    }
    claims = [
        claim
        for backend, found in runs_by_backend.items()
        for claim in long_run_claims(backend, found)
    ]
    series = {
        name: {"ms": [window.ms for window in one.windows], "bytes": one.peaks, "pairs": one.pairs}
        for name, one in runs_by_backend.items()
    }
    return Results(
        claims, _long_run_plots(runs_by_backend), {"growth": {"window": WINDOW, **series}}
    )


def long_run_claims(backend: str, found: LongRun) -> list[Claim]:
    """Drift of the time per picture, and growth of peak memory."""
    pictures = len(found.windows) * WINDOW
    away = abs(found.drift - 1) * 100
    old, young = zip(*found.pairs, strict=True)
    detail = f"a process that has done them all / one that has done {WINDOW}: "
    detail += ratio_detail(old, young, "ms")
    megabytes = f"{found.peaks[-1] / 1e6:.1f} MB at the end / after the first tenth"
    return [
        Claim(
            what=f"{backend}: time a picture after {pictures}",
            value=away,
            limit=5,
            unit="%",
            detail=detail,
        ),
        Claim(
            what=f"{backend}: peak memory after {pictures}",
            value=found.growth,
            limit=1.05,
            unit="x",
            detail=megabytes,
        ),
    ]


def _long_run_plots(runs_by_backend: Mapping[str, LongRun]) -> dict[str, str]:
    def over(values: Callable[[LongRun], Sequence[float]]) -> Series:
        return {
            name: ([(index + 1) * WINDOW for index in range(len(found.windows))], values(found))
            for name, found in runs_by_backend.items()
        }

    ms = over(lambda found: [window.ms for window in found.windows])
    megabytes = over(lambda found: [held / 1e6 for held in found.peaks])
    return {
        "time": plot("Time a picture", "pictures", "ms", ms),
        "memory": plot("Peak memory", "pictures", "MB", megabytes),
    }
