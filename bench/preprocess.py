"""Preprocessing after decoding, beside the straight line that PaddleClas's deployment runs."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.preprocessing.prepare_image import preprocess_image

RUNS = 40
WARM_UP = 5


@dataclass(frozen=True)
class Case:
    """A picture's size and what is done to it; ``limit`` is the most of the other's time."""

    what: str
    size: tuple[int, int]
    rules: Preprocess
    limit: float = 1.0


CASES = (
    Case("512x512", (512, 512), Preprocess(), 1 / 2.5),
    Case("4000x3000", (3000, 4000), Preprocess(), 1 / 2.5),
    Case("1920x1080", (1080, 1920), Preprocess()),
    Case("224x224, no resize", (224, 224), Preprocess(resize_short=None)),
    Case(
        "640x480 to 224x224, no crop",
        (480, 640),
        Preprocess(resize_short=None, resize=(224, 224), crop=None),
    ),
    Case("640x480, cubic", (480, 640), Preprocess(interpolation="cubic")),
)


def straight_line(picture: Any, rules: Preprocess, *, turned: bool) -> Any:
    """PaddleClas's ``deploy/python``: whole resize, crop, normalise in HWC, to CHW, batch of one.

    ``turned``: from BGR, as ``cv2.imread`` gives it, by ``img[:, :, ::-1]`` as PaddleClas does.
    """
    image = picture[:, :, ::-1] if turned else picture
    size = rules.resize
    if rules.resize_short is not None:
        height, width = image.shape[:2]
        percent = float(rules.resize_short) / min(height, width)
        size = round(height * percent), round(width * percent)
    if size is not None:
        flag = getattr(cv2, f"INTER_{rules.interpolation.upper()}")
        image = cv2.resize(image, (size[1], size[0]), interpolation=flag)
    if rules.crop is not None:
        top, left = (image.shape[0] - rules.crop[0]) // 2, (image.shape[1] - rules.crop[1]) // 2
        image = image[top : top + rules.crop[0], left : left + rules.crop[1]]
    scale = np.float32(rules.scale)
    mean, std = (np.array(v).reshape(1, 1, 3).astype("float32") for v in (rules.mean, rules.std))
    image = (image.astype("float32") * scale - mean) / std
    return np.array([image.transpose((2, 0, 1))])


def preprocess_times(case: Case) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of ours into a batch buffer, theirs, and theirs given RGB, in turn.

    One thread. The last is a straight line that need not turn BGR into RGB.

    Raises:
        SystemExit: theirs and ours have different bits.
    """
    cv2.setNumThreads(1)
    picture = draw_picture(0, case.size)
    rgb = np.ascontiguousarray(picture[:, :, ::-1])
    first = straight_line(picture, case.rules, turned=True)
    batch = np.empty(first.shape, np.float32)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: preprocess_image(picture, case.rules, out=batch[0]),
        lambda: straight_line(picture, case.rules, turned=True),
        lambda: straight_line(rgb, case.rules, turned=False),
    )
    for call in calls:
        if np.asarray(call()).tobytes() != first.tobytes():
            raise SystemExit(f"{case.what}: not the bits of the straight line")
    times: tuple[list[float], ...] = ([], [], [])
    for index in range(WARM_UP + RUNS):
        for place in np.roll((0, 1, 2), index):
            started = time.perf_counter()
            calls[place]()
            ended = time.perf_counter()
            if index >= WARM_UP:
                times[place].append((ended - started) * 1e3)
    return times[0], times[1], times[2]


def ratios(ours: list[float], theirs: list[float]) -> tuple[float, str]:
    """How many times as fast ours is: the median of the pairs, and with the middle half."""
    low, middle, high = statistics.quantiles(
        [other / one for one, other in zip(ours, theirs, strict=True)], n=4
    )
    return middle, f"{middle:.2f} ({low:.2f} to {high:.2f})"
