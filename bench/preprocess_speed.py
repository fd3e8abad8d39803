"""Speed of preprocessing after decoding, against PaddleClas's deployment code."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.preprocessing.prepare_image import preprocess_image

RUNS = 40
WARM_UP = 5


@dataclass(frozen=True, kw_only=True)
class PreprocessCase:
    """A picture's size and its preprocessing; ``limit`` is the most of PaddleClas's time."""

    what: str
    size: tuple[int, int]
    rules: Preprocess
    limit: float = 1.0


CASES = (
    PreprocessCase(what="512x512", size=(512, 512), rules=Preprocess(), limit=1 / 2.5),
    PreprocessCase(what="4000x3000", size=(3000, 4000), rules=Preprocess(), limit=1 / 2.5),
    PreprocessCase(what="1920x1080", size=(1080, 1920), rules=Preprocess()),
    PreprocessCase(what="224x224, no resize", size=(224, 224), rules=Preprocess(resize_short=None)),
    PreprocessCase(
        what="640x480 to 224x224, no crop",
        size=(480, 640),
        rules=Preprocess(resize_short=None, resize=(224, 224), crop=None),
    ),
    PreprocessCase(what="640x480, cubic", size=(480, 640), rules=Preprocess(interpolation="cubic")),
    PreprocessCase(
        what="640x480, bicubic by Pillow",
        size=(480, 640),
        rules=Preprocess(resize_backend="pil", interpolation="bicubic"),
    ),
)


def paddleclas_preprocess(picture: Any, rules: Preprocess, *, from_bgr: bool) -> Any:
    """PaddleClas's ``deploy/python``: whole resize, crop, normalise in HWC, to CHW, batch of one.

    ``from_bgr``: from BGR, as ``cv2.imread`` gives it, by ``img[:, :, ::-1]`` as PaddleClas does.
    """
    image = picture[:, :, ::-1] if from_bgr else picture
    size = rules.resize
    if rules.resize_short is not None:
        height, width = image.shape[:2]
        percent = float(rules.resize_short) / min(height, width)
        size = round(height * percent), round(width * percent)
    if size is not None and rules.resize_backend == "pil":
        filtering = Image.Resampling[rules.interpolation.upper()]
        image = np.asarray(Image.fromarray(image).resize(size[::-1], filtering))
    elif size is not None:
        flag = getattr(cv2, f"INTER_{rules.interpolation.upper()}")
        image = cv2.resize(image, (size[1], size[0]), interpolation=flag)
    if rules.crop is not None:
        top, left = (image.shape[0] - rules.crop[0]) // 2, (image.shape[1] - rules.crop[1]) // 2
        image = image[top : top + rules.crop[0], left : left + rules.crop[1]]
    scale = np.float32(rules.scale)
    mean, std = (np.array(v).reshape(1, 1, 3).astype("float32") for v in (rules.mean, rules.std))
    image = (image.astype("float32") * scale - mean) / std
    return np.array([image.transpose((2, 0, 1))])


def preprocess_times(case: PreprocessCase) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of ours into a batch buffer, theirs, and theirs given RGB, in turn.

    One thread. The last need not turn BGR into RGB.

    Raises:
        SystemExit: theirs and ours have different bits.
    """
    cv2.setNumThreads(1)
    picture = draw_picture(0, case.size)
    rgb = np.ascontiguousarray(picture[:, :, ::-1])
    first = paddleclas_preprocess(picture, case.rules, from_bgr=True)
    batch = np.empty(first.shape, np.float32)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: preprocess_image(picture, case.rules, out=batch[0]),
        lambda: paddleclas_preprocess(picture, case.rules, from_bgr=True),
        lambda: paddleclas_preprocess(rgb, case.rules, from_bgr=False),
    )
    for call in calls:
        if np.asarray(call()).tobytes() != first.tobytes():
            raise SystemExit(f"{case.what}: not the bits of PaddleClas's")
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
