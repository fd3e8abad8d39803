"""Ways of resampling a picture: OpenCV's, Pillow's, and what frameworks do on floats."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from paddleport.models.preprocess import Interpolation, Preprocess
from paddleport.runners.preprocessing.prepare_image import preprocess_image
from paddleport.tensors import Array

Size = tuple[int, int]
"""(height, width), or (top, left) of an offset, in pixels."""

Library = Literal["OpenCV", "Pillow", "floats"]


@dataclass(frozen=True)
class Kernel:
    """One way of resampling.

    Attributes:
        library: who does it. ``floats`` is any framework that resizes floats, not bytes.
        name: its name there.
    """

    library: Library
    name: str

    @property
    def title(self) -> str:
        """In words: ``cubic (OpenCV)``."""
        if self.library == "floats":
            return f"{self.name} (on floats)"
        antialiased = self.library == "Pillow" and self.name != "nearest"
        return f"{self.name} ({self.library}{', antialiased' if antialiased else ''})"


def own_kernel(preprocess: Preprocess) -> Kernel:
    """The model's."""
    library: Library = "Pillow" if preprocess.resize_backend == "pil" else "OpenCV"
    return Kernel(library, preprocess.interpolation)


# The likeliest first.
OPENCV = tuple(
    Kernel("OpenCV", name) for name in ("linear", "cubic", "area", "nearest", "lanczos4")
)
PILLOW = tuple(
    Kernel("Pillow", name)
    for name in ("bilinear", "bicubic", "lanczos", "nearest", "box", "hamming")
)
FLOATS = tuple(
    Kernel("floats", name)
    for name in (
        "linear",
        "cubic",
        "antialiased bilinear",
        "antialiased bicubic",
        "cubic with a = -0.5",
        "area",
        "lanczos4",
        "linear with aligned corners",
        "linear without half-pixel centres",
    )
)


def resample(picture: Array, size: Size, kernel: Kernel) -> Array:
    """Resize a picture.

    Args:
        picture: [H, W, 3] uint8.
        size: (height, width) to make.
        kernel: how.

    Returns:
        [height, width, 3] uint8; float32 in pixel levels for the kernels on floats.
    """
    if size == picture.shape[:2]:
        return picture
    if kernel.library == "OpenCV":
        return _by_opencv(picture, size, kernel.name)
    if kernel.library == "Pillow":
        return _by_pillow(picture, size, kernel.name)
    enlarging = size[0] > picture.shape[0] or size[1] > picture.shape[1]
    name = "enlarging area" if kernel.name == "area" and enlarging else kernel.name
    down = _along(picture, size[0], name)
    return _along(down.transpose(1, 0, 2), size[1], name).transpose(1, 0, 2)


def _by_opencv(picture: Array, size: Size, name: str) -> Array:
    rules = Preprocess(
        resize_short=None,
        resize=size,
        crop=None,
        interpolation=cast(Interpolation, name),
        scale=1.0,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        channels="BGR",
    )
    made: Array = preprocess_image(picture, rules).transpose(1, 2, 0).astype(np.uint8)
    return made


def _by_pillow(picture: Array, size: Size, name: str) -> Array:
    from PIL import Image

    # Pillow resizes every channel by itself, so that BGR may pass as RGB.
    image = Image.fromarray(np.ascontiguousarray(picture))
    made = image.resize((size[1], size[0]), Image.Resampling[name.upper()])
    return np.asarray(made, np.uint8)


def _along(values: Array, count: int, name: str) -> Array:
    """Resample the first axis of [n, m, 3] to ``count`` in float32, tap by tap."""
    places, weights = _taps(values.shape[0], count, name)
    made = np.zeros((count, *values.shape[1:]), np.float32)
    for tap in range(places.shape[1]):
        made += weights[:, tap, None, None] * values[places[:, tap]]
    return made


def _taps(have: int, count: int, name: str) -> tuple[Array, Array]:
    """Which inputs every output is made of: int [count, taps], and float32 weights."""
    step = have / count
    outputs = np.arange(count)
    if name == "area":
        return _area_taps(have, outputs, step)
    if name == "enlarging area":
        return _enlarging_taps(have, outputs, step)
    centres = (outputs + 0.5) * step - 0.5
    if name == "linear with aligned corners":
        centres = outputs * ((have - 1) / max(count - 1, 1))
    elif name == "linear without half-pixel centres":
        centres = outputs * step
    antialiased = name.startswith("antialiased")
    function, support = _FUNCTIONS[name]
    stretch = max(step, 1.0) if antialiased else 1.0
    reach = math.ceil(support * stretch) + 1
    places = np.floor(centres).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    weights = function((places - centres[:, None]) / stretch)
    if antialiased:  # Pillow and torch leave out what is past the edge; the others repeat it
        weights = np.where((places >= 0) & (places < have), weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return np.clip(places[:, used], 0, have - 1), weights[:, used].astype(np.float32)


def _area_taps(have: int, outputs: Array, step: float) -> tuple[Array, Array]:
    starts = outputs * step
    places = np.floor(starts).astype(np.int64)[:, None] + np.arange(math.ceil(step) + 1)
    ends = np.minimum(places + 1, (starts + step)[:, None])
    weights = np.maximum(ends - np.maximum(places, starts[:, None]), 0.0) / step
    return np.clip(places, 0, have - 1), weights.astype(np.float32)


def _enlarging_taps(have: int, outputs: Array, step: float) -> tuple[Array, Array]:
    """What OpenCV's area does where it enlarges along either axis.

    Source: OpenCV ``modules/imgproc/src/resize.cpp``.
    """
    starts = np.floor(outputs * step).astype(np.int64)
    shares = np.maximum((outputs + 1) - (starts + 1) / step, 0.0)
    shares -= np.floor(shares)
    places = np.clip(np.stack([starts, starts + 1], axis=1), 0, have - 1)
    return places, np.stack([1 - shares, shares], axis=1).astype(np.float32)


def _triangle(x: Array) -> Array:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _cubic(sharpness: float) -> Callable[[Array], Array]:
    """Keys's cubic convolution; OpenCV and torch take -0.75, Pillow -0.5."""

    def weigh(x: Array) -> Array:
        x, a = np.abs(x), sharpness
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((x - 5) * x + 8) * x * a - 4 * a
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))

    return weigh


def _lanczos4(x: Array) -> Array:
    return np.where(np.abs(x) < 4, np.sinc(x) * np.sinc(x / 4), 0.0)


_FUNCTIONS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "linear": (_triangle, 1.0),
    "linear with aligned corners": (_triangle, 1.0),
    "linear without half-pixel centres": (_triangle, 1.0),
    "antialiased bilinear": (_triangle, 1.0),
    "cubic": (_cubic(-0.75), 2.0),
    "antialiased bicubic": (_cubic(-0.5), 2.0),
    "cubic with a = -0.5": (_cubic(-0.5), 2.0),  # TensorFlow's
    "lanczos4": (_lanczos4, 4.0),
}
