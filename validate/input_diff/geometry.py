"""Where the pixels of a tensor come from: sizes that a picture is resized to, and crops."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.kernels import Size

Box = tuple[int, int, int, int]
"""(top, left, height, width) in pixels."""

SHORT_SIDES = (256, 224, 232, 236, 248, 288, 292, 320)
"""Lengths that published recipes resize the short side to."""

_MOST_PIXELS = 1 << 24  # of a resized picture that is tried: thin pictures grow very long
_FRACTION = 0.875  # 224 of 256, which TensorFlow's recipes crop before they resize
_ROUNDINGS: dict[str, Callable[[float], int]] = {
    "round": round,
    "down": math.floor,
    "up": math.ceil,
}


@dataclass(frozen=True)
class Resize:
    """One rule for the size that a picture is resized to.

    Attributes:
        kind: ``short``: the short side to ``value``, keeping the ratio. ``exact``: straight to
            ``size``. ``fit``: as large as fits into the tensor, the rest filled. ``first``: a
            centre crop of ``value`` of the picture, then straight to ``size``. ``box``: any part
            of the picture, then straight to ``size``. ``padded``: the picture padded to a
            square, then straight to ``size``. ``none``: the picture as it is.
        value: of the kind; its length in pixels, or a share.
        rounding: of the long side, if that makes a difference.
        size: (height, width) in pixels that come out.
        box: (top, left, height, width) of the picture that is resized; ``None``: all of it.
    """

    kind: Literal["short", "exact", "fit", "first", "box", "padded", "none"]
    value: float
    rounding: Literal["round", "down", "up"]
    size: Size
    box: Box | None = None

    @property
    def text(self) -> str:
        """The size in words."""
        rounded = "" if self.rounding == "round" else f", long side rounded {self.rounding}"
        part = "the centre square" if self.value == 1 else f"the central {self.value:g}"
        top, left, height, width = self.box or (0, 0, *self.size)
        box = f"rows {top} to {top + height - 1} and columns {left} to {left + width - 1}"
        how = {
            "short": f" (short side to {self.value:g}{rounded})",
            "exact": " (not keeping the ratio)",
            "fit": " (as large as fits)",
            "first": f" (after a crop to {part})",
            "box": f" (after a crop to {box})",
            "padded": " (after padding to a square)",
            "none": "",
        }[self.kind]
        return f"{self.size[0]}x{self.size[1]}{how}"

    @property
    def group(self) -> tuple[str, float]:
        """What rules that differ in a rounding have in common."""
        return self.kind, self.value

    def of(self, picture: Array) -> Array:
        """The part of a picture that is resized, its edge repeated where the part is larger."""
        if self.box is None:
            return picture
        (top, left, height, width), (rows, columns) = self.box, picture.shape[:2]
        if self.kind != "padded":
            return picture[top : top + height, left : left + width]
        around = ((-top, height + top - rows), (-left, width + left - columns), (0, 0))
        return np.pad(picture, around, mode="edge")


def our_resize(have: Size, preprocess: Preprocess) -> Resize:
    """The rule of a ``Preprocess`` for a picture of (height, width)."""
    if preprocess.resize_short is not None:
        return _short(have, preprocess.resize_short, "round")
    if preprocess.resize is not None:
        return Resize("exact", 0, "round", preprocess.resize)
    return Resize("none", 0, "round", have)


def known_resizes(have: Size, want: Size, preprocess: Preprocess) -> list[Resize]:
    """Rules by which a picture of ``have`` may have become a tensor of ``want``, ours first.

    Rules that come to the same pixels are named once, by the likelier.
    """
    made = [our_resize(have, preprocess)]
    for side in _sides(want, preprocess):
        made.extend(short_resizes(have, side))
    made.append(Resize("exact", 0, "round", want))
    made.extend(_crop_first(have, want))
    sides = [side for side in _sides(want, preprocess) if side > max(want)]
    made += [Resize("exact", 0, "round", (side, side)) for side in sides]
    made.append(Resize("none", 0, "round", have))
    return distinct(made, want)


def distinct(resizes: list[Resize], want: Size) -> list[Resize]:
    """Those that can hold a tensor of ``want`` and are not the same as one before."""
    kept: dict[tuple[Size, object], Resize] = {}
    for resize in resizes:
        height, width = resize.size
        if height >= want[0] and width >= want[1] and height * width <= _MOST_PIXELS:
            kept.setdefault((resize.size, resize.box), resize)
    return list(kept.values())


def filled_resizes(have: Size, want: Size) -> list[Resize]:
    """Rules that leave a frame around the picture in a tensor of ``want``."""
    ratio = min(want[0] / have[0], want[1] / have[1])
    sizes = [have] if have[0] <= want[0] and have[1] <= want[1] else []
    for rounding in _ROUNDINGS.values():
        height, width = (max(rounding(side * ratio), 1) for side in have)
        sizes.append((min(height, want[0]), min(width, want[1])))
    made = [Resize("fit", 0, "round", size) for size in dict.fromkeys(sizes) if size != want]
    side = max(have)
    down, right = (side - have[0]) // 2, (side - have[1]) // 2
    for top, left in dict.fromkeys([(down, right), (0, 0)]):
        if have[0] != have[1]:
            made.append(Resize("padded", 0, "round", want, (-top, -left, side, side)))
    return made


def short_resizes(have: Size, side: int) -> list[Resize]:
    """The short side to ``side``, with the three roundings of the long one."""
    return [_short(have, side, "round"), _short(have, side, "down"), _short(have, side, "up")]


def _sides(want: Size, preprocess: Preprocess) -> list[int]:
    """Lengths of the short side, also those in proportion to another crop than 224."""
    smallest = min(want)
    scaled = [round(side * smallest / 224) for side in SHORT_SIDES]
    ours = [preprocess.resize_short] if preprocess.resize_short else []
    return list(dict.fromkeys([*ours, smallest, max(want), *SHORT_SIDES, *scaled]))


def _short(have: Size, side: int, rounding: Literal["round", "down", "up"]) -> Resize:
    height, width = have
    # As runners/preprocessing/prepare_image.py computes it; torchvision: int(side * long / short).
    percent = float(side) / min(have)
    turn = _ROUNDINGS[rounding]
    if rounding == "round":
        size = (round(height * percent), round(width * percent))
    elif height <= width:
        size = (side, turn(side * width / height))
    else:
        size = (turn(side * height / width), side)
    return Resize("short", side, rounding, (max(size[0], 1), max(size[1], 1)))


def _crop_first(have: Size, want: Size) -> Iterator[Resize]:
    height, width = have
    for share, square in ((1.0, True), (_FRACTION, True), (_FRACTION, False)):
        if square:
            part = (int(min(have) * share), int(min(have) * share))
        else:
            part = (int(height * share), int(width * share))
        if min(part) > 0 and part != have:
            box = ((height - part[0]) // 2, (width - part[1]) // 2, *part)
            yield Resize("first", share, "round", want, box)


def crop_offsets(have: Size, want: Size) -> dict[str, Size]:
    """(top, left) of the known rules for cropping, the usual one first."""
    down, right = have[0] - want[0], have[1] - want[1]
    return {
        "centre": (down // 2, right // 2),
        "centre, rounded up": (-(-down // 2), -(-right // 2)),
        "centre, rounded to even": (round(down / 2), round(right / 2)),
        "top left": (0, 0),
        "bottom right": (down, right),
    }
