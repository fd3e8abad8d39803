"""Other people's preprocessing, written with OpenCV, Pillow and NumPy alone: faults to plant."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
from PIL import Image

from paddleport.tensors import Array

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_GREY = np.array([0.114, 0.587, 0.299])

TURNED: dict[str, Callable[[Array], Array]] = {
    "": lambda picture: picture,
    "mirrored": lambda picture: picture[:, ::-1],
    "upside down": lambda picture: picture[::-1],
    "upside down and mirrored": lambda picture: picture[::-1, ::-1],
    "transposed": lambda picture: picture.transpose(1, 0, 2),
    "clockwise": lambda picture: picture[::-1].transpose(1, 0, 2),
    "counter-clockwise": lambda picture: picture[:, ::-1].transpose(1, 0, 2),
}
ORDERS: dict[str, Callable[[Array], Array]] = {
    "RGB": lambda picture: picture[:, :, ::-1],
    "BGR": lambda picture: picture,
    "GBR": lambda picture: picture[:, :, [1, 0, 2]],
    "grey": lambda picture: np.repeat(np.rint(picture @ _GREY)[:, :, None], 3, axis=2),
}
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "NCHW": lambda picture: picture.transpose(2, 0, 1)[None],
    "CHW": lambda picture: picture.transpose(2, 0, 1),
    "NHWC": lambda picture: picture[None],
    "HWC": lambda picture: picture,
    "NCWH": lambda picture: picture.transpose(2, 1, 0)[None],
    "NHCW": lambda picture: picture.transpose(0, 2, 1)[None],
    "HWC reshaped to NCHW": lambda picture: picture.reshape(1, 3, *picture.shape[:2]),
}
ROUNDINGS: dict[str, Callable[[float], int]] = {"round": round, "down": int, "up": ceil}


@dataclass(frozen=True)
class Pipeline:
    """What somebody does to a picture; the defaults are PaddleClas's for MobileNetV2.

    ``resize``: ``short N`` with ``round``, ``down`` or ``up`` for the long side; ``exact H W``;
    ``letterbox H W``; ``square S`` (centre square of share S of the short side, then to the
    crop's size); ``none``.
    """

    turn: str = ""
    resize: tuple[object, ...] = ("short", 256, "round")
    kernel: str = "cv2 linear"
    crop: tuple[int, int] | None = (224, 224)
    corner: str = "floor"
    shift: tuple[int, int] = (0, 0)
    fill: int = 114
    order: str = "RGB"
    turn_after: str = ""
    inverted: bool = False
    scale: float = 0.00392157
    mean: tuple[float, ...] = IMAGENET[0]
    std: tuple[float, ...] = IMAGENET[1]
    twice: bool = False
    layout: str = "CHW"
    dtype: str = "float32"

    def apply(self, picture: Array) -> Array:
        """[H, W, 3] uint8 BGR to their tensor."""
        made = TURNED[self.turn](picture)
        made = self._cropped(self._resized(made))
        made = TURNED[self.turn_after](ORDERS[self.order](made)).astype(np.float32)
        made = 255 - made if self.inverted else made
        for _ in range(1 + self.twice):
            scale = np.float32(1 if _ else self.scale)
            made = (made * scale - _row(self.mean)) / _row(self.std)
        made = np.ascontiguousarray(LAYOUTS[self.layout](made))
        return np.rint(made).astype(self.dtype) if "int" in self.dtype else made.astype(self.dtype)

    def _resized(self, picture: Array) -> Array:
        kind, *values = self.resize
        height, width = picture.shape[:2]
        if kind == "none":
            return picture
        if kind == "exact":
            return resized(picture, (values[0], values[1]), self.kernel)
        if kind == "square":
            side = int(min(height, width) * float(str(values[0])))
            top, left = (height - side) // 2, (width - side) // 2
            assert self.crop is not None
            return resized(picture[top : top + side, left : left + side], self.crop, self.kernel)
        if kind == "letterbox":
            return self._letterboxed(picture, (values[0], values[1]))
        side = int(str(values[0]))
        long = ROUNDINGS[str(values[1])](side * max(height, width) / min(height, width))
        size = (side, long) if height <= width else (long, side)
        return resized(picture, size, self.kernel)

    def _letterboxed(self, picture: Array, size: tuple[object, object]) -> Array:
        height, width = int(str(size[0])), int(str(size[1]))
        ratio = min(height / picture.shape[0], width / picture.shape[1])
        inner = (round(picture.shape[0] * ratio), round(picture.shape[1] * ratio))
        pixels = resized(picture, inner, self.kernel)
        made = np.full((height, width, 3), self.fill, pixels.dtype)
        top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
        if self.corner == "top left":
            top = left = 0
        made[top : top + inner[0], left : left + inner[1]] = pixels
        return made

    def _cropped(self, picture: Array) -> Array:
        if self.crop is None or self.resize[0] == "letterbox":
            return picture
        down, right = picture.shape[0] - self.crop[0], picture.shape[1] - self.crop[1]
        top, left = {
            "floor": (down // 2, right // 2),
            "torchvision": (round(down / 2.0), round(right / 2.0)),
            "ceil": (ceil(down / 2), ceil(right / 2)),
            "top left": (0, 0),
            "bottom right": (down, right),
        }[self.corner]
        top = min(max(top + self.shift[0], 0), down)
        left = min(max(left + self.shift[1], 0), right)
        return picture[top : top + self.crop[0], left : left + self.crop[1]]


def _row(values: tuple[float, ...]) -> Array:
    return np.array(values, np.float32)


def resized(picture: Array, size: tuple[object, object], kernel: str) -> Array:
    """A picture [H, W, 3] in ``size`` (height, width) by ``cv2 NAME``, ``pil NAME``, ..."""
    height, width = int(str(size[0])), int(str(size[1]))
    if (height, width) == picture.shape[:2]:
        return picture
    library, name = kernel.split(" ", 1)
    if library in ("cv2", "cv2-float"):
        flag = getattr(cv2, f"INTER_{name.upper()}")
        source = picture.astype(np.float32) if library == "cv2-float" else picture
        source = np.ascontiguousarray(source)
        return np.asarray(cv2.resize(source, (width, height), interpolation=flag))
    way = Image.Resampling[name.upper()] if library.startswith("pil") else None
    if library == "pil":
        image = Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))
        return np.asarray(image.resize((width, height), way))[:, :, ::-1]
    if library == "pil-float":  # antialiased on floats, as torch and TensorFlow do it
        planes = [Image.fromarray(picture[:, :, i].astype(np.float32)) for i in range(3)]
        made = [np.asarray(plane.resize((width, height), way)) for plane in planes]
        return np.stack(made, axis=2)
    centres: Callable[[int, int], Array] = {  # bilinear, one axis after the other
        "half": lambda n, m: (np.arange(m) + 0.5) * n / m - 0.5,
        "aligned": lambda n, m: np.linspace(0, n - 1, m),
        "legacy": lambda n, m: np.arange(m) * n / m,
    }[name]

    def along(values: Array, count: int) -> Array:
        places = centres(len(values), count)
        flat = values.reshape(len(values), -1)
        made = [np.interp(places, np.arange(len(flat)), flat[:, i]) for i in range(flat.shape[1])]
        return np.stack(made, axis=1).reshape(count, *values.shape[1:])

    down = along(picture.astype(np.float64), height)
    return along(down.transpose(1, 0, 2), width).transpose(1, 0, 2)
