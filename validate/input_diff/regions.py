"""Which part of a tensor shows which part of a resized picture, and what frame is around it."""

import math

from paddleport.tensors import Array
from paddleport.validate.input_diff.geometry import Box, Resize
from paddleport.validate.input_diff.kernels import Size

_BLENDED = 5  # pixels, input or output, that a padding's edge may reach into a resized picture


def regions(
    theirs: Array, whole: Array, resize: Resize, offset: Size, frame: Size
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


def fits_inside(theirs: Array, resize: Resize, offset: Size, frame: Size) -> bool:
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


def _picture_in(resize: Resize, frame: Size, growing: int) -> Box:
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
