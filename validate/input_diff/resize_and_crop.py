"""Rules for resizing, cropping and padding that people use, and which pixels they leave."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.resampling import Size

Box = tuple[int, int, int, int]
"""(top, left, height, width) in pixels."""

SHORT_SIDES = (256, 224, 232, 236, 248, 288, 292, 320)
"""Lengths that published recipes resize the short side to, for a crop of 224."""

CENTRAL_SHARE = 0.875
"""224 of 256, which TensorFlow's recipes crop before they resize."""

MAX_RESIZED_PIXELS = 1 << 24
"""Of a resized picture that is tried: thin pictures grow very long."""

Rounding = Literal["round", "down", "up"]
_ROUNDINGS: dict[Rounding, Callable[[float], int]] = {
    "round": round,
    "down": math.floor,
    "up": math.ceil,
}
_CROP = 224  # that SHORT_SIDES belong to
_BLENDED = 5  # pixels, input or output, that a padding's edge may reach into a resized picture


@dataclass(frozen=True, kw_only=True)
class ResizeRule:
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
    value: float = 0
    rounding: Rounding = "round"
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

    def cut(self, picture: Array) -> Array:
        """The part of a picture that is resized, its edge repeated where the part is larger."""
        if self.box is None:
            return picture
        (top, left, height, width), (rows, columns) = self.box, picture.shape[:2]
        if self.kind != "padded":
            return picture[top : top + height, left : left + width]
        around = ((-top, height + top - rows), (-left, width + left - columns), (0, 0))
        return np.pad(picture, around, mode="edge")


def our_resize(have: Size, preprocess: Preprocess) -> ResizeRule:
    """The rule of a ``Preprocess`` for a picture of (height, width)."""
    if preprocess.resize_short is not None:
        return _short(have, preprocess.resize_short, "round")
    if preprocess.resize is not None:
        return ResizeRule(kind="exact", size=preprocess.resize)
    return ResizeRule(kind="none", size=have)


def known_resizes(have: Size, want: Size, preprocess: Preprocess) -> list[ResizeRule]:
    """Rules by which a picture of ``have`` may have become a tensor of ``want``, ours first.

    Rules that come to the same pixels are named once, by the likelier.
    """
    made = [our_resize(have, preprocess)]
    for side in _sides(want, preprocess):
        made.extend(short_resizes(have, side))
    made.append(ResizeRule(kind="exact", size=want))
    for share, square in ((1.0, True), (CENTRAL_SHARE, True), (CENTRAL_SHARE, False)):
        rule = cropped_first(have, want, share, square=square)
        if int(min(have) * share) > 0 and rule.box != (0, 0, *have):
            made.append(rule)
    sides = [side for side in _sides(want, preprocess) if side > max(want)]
    made += [ResizeRule(kind="exact", size=(side, side)) for side in sides]
    made.append(ResizeRule(kind="none", size=have))
    return distinct(made, want)


def distinct(resizes: list[ResizeRule], want: Size) -> list[ResizeRule]:
    """Those that can hold a tensor of ``want`` and are not the same as one before."""
    kept: dict[tuple[Size, object], ResizeRule] = {}
    for resize in resizes:
        height, width = resize.size
        if height >= want[0] and width >= want[1] and height * width <= MAX_RESIZED_PIXELS:
            kept.setdefault((resize.size, resize.box), resize)
    return list(kept.values())


def filled_resizes(have: Size, want: Size) -> list[ResizeRule]:
    """Rules that leave a frame around the picture in a tensor of ``want``."""
    ratio = min(want[0] / have[0], want[1] / have[1])
    sizes = [have] if have[0] <= want[0] and have[1] <= want[1] else []
    for rounding in _ROUNDINGS.values():
        height, width = (max(rounding(side * ratio), 1) for side in have)
        sizes.append((min(height, want[0]), min(width, want[1])))
    made = [ResizeRule(kind="fit", size=size) for size in dict.fromkeys(sizes) if size != want]
    side = max(have)
    down, right = (side - have[0]) // 2, (side - have[1]) // 2
    for top, left in dict.fromkeys([(down, right), (0, 0)]):
        if have[0] != have[1]:
            box = (-top, -left, side, side)
            made.append(ResizeRule(kind="padded", size=want, box=box))
    return made


def short_resizes(have: Size, side: int) -> list[ResizeRule]:
    """The short side to ``side``, with the three roundings of the long one."""
    return [_short(have, side, "round"), _short(have, side, "down"), _short(have, side, "up")]


def _sides(want: Size, preprocess: Preprocess) -> list[int]:
    """Lengths of the short side, also those in proportion to another crop than 224."""
    ours = [preprocess.resize_short] if preprocess.resize_short else []
    sides = [*ours, min(want), max(want), *SHORT_SIDES, *scaled_short_sides(want)]
    return list(dict.fromkeys(sides))


def scaled_short_sides(want: Size) -> list[int]:
    """``SHORT_SIDES`` in proportion to another crop than 224."""
    return [round(side * min(want) / _CROP) for side in SHORT_SIDES]


def _short(have: Size, side: int, rounding: Rounding) -> ResizeRule:
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
    size = (max(size[0], 1), max(size[1], 1))
    return ResizeRule(kind="short", value=side, rounding=rounding, size=size)


def cropped_first(have: Size, want: Size, share: float, *, square: bool) -> ResizeRule:
    """The central share of a picture, or of its centre square, straight to ``want``."""
    sides = (min(have), min(have)) if square else have
    part = (max(int(sides[0] * share), 1), max(int(sides[1] * share), 1))
    box = ((have[0] - part[0]) // 2, (have[1] - part[1]) // 2, *part)
    return ResizeRule(kind="first", value=share, size=want, box=box)


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


def matching_regions(
    theirs: Array, whole: Array, resize: ResizeRule, offset: Size, frame: Size
) -> tuple[Array, Array]:
    """Their part of the tensor and our pixels that belong to it.

    Args:
        theirs: [h, w, 3], the tensor's picture.
        whole: the resized picture.
        resize: how it was resized.
        offset: of the crop; for ``fit``, of the picture in the tensor.
        frame: (height, width) of the picture before.
    """
    if resize.kind == "fit":
        return _cut(theirs, (*offset, *whole.shape[:2])), whole
    if resize.kind == "padded":
        inner = _picture_in(resize, frame, -1)
        return _cut(theirs, inner), _cut(whole, inner)
    return theirs, _cut(whole, (*offset, *theirs.shape[:2]))


def fits_inside(theirs: Array, resize: ResizeRule, offset: Size, frame: Size) -> bool:
    """Whether a crop lies in the resized picture, or the picture in a frame of one colour."""
    if resize.kind == "padded":
        inner = _picture_in(resize, frame, -1)
        fits = theirs.shape[:2] == resize.size and min(inner[2:]) > 0
        return fits and _is_framed(theirs, _picture_in(resize, frame, 1))
    big, small = resize.size, theirs.shape[:2]
    if resize.kind == "fit":
        big, small = theirs.shape[:2], resize.size
    inside = all(0 <= o <= b - s for o, s, b in zip(offset, small, big, strict=True))
    return inside and (resize.kind != "fit" or _is_framed(theirs, (*offset, *small)))


def _is_framed(theirs: Array, box: Box) -> bool:
    """Whether all that lies around a box is of one colour."""
    top, left, height, width = box
    strips = [theirs[:top], theirs[top + height :], theirs[:, :left], theirs[:, left + width :]]
    around = [strip.reshape(-1, 3) for strip in strips if strip.size]
    return bool(around) and all(bool((strip == around[0][0]).all()) for strip in around)


def _picture_in(resize: ResizeRule, frame: Size, growing: int) -> Box:
    """Where the picture lies in a padded one, without (-1) or with (1) what is blended."""
    box = resize.box or (0, 0, *frame)
    spans = []
    for axis in (0, 1):
        ratio = resize.size[axis] / box[2 + axis]
        margin = growing * math.ceil(_BLENDED * max(ratio, 1.0))
        start, end = -box[axis] * ratio, (frame[axis] - box[axis]) * ratio
        # The picture's own edges that are the square's edges as well are blended with nothing.
        start = start - margin if start > 0 else 0
        end = end + margin if end < resize.size[axis] - 0.5 else resize.size[axis]
        spans.append((max(math.floor(start), 0), min(math.ceil(end), resize.size[axis])))
    (top, bottom), (left, right) = spans
    return top, left, max(bottom - top, 0), max(right - left, 0)


def _cut(pixels: Array, box: Box) -> Array:
    top, left, height, width = box
    return pixels[top : top + height, left : left + width]
