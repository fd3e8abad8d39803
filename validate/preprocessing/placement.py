"""One way in which a tensor's pixels may have been taken from a picture, and how well it fits."""

from dataclasses import dataclass

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.preprocessing.geometry import (
    Resize,
    crop_offsets,
    our_resize,
    turned,
    unturned,
)
from paddleport.validate.preprocessing.kernels import Kernel, Size, opencv_kernel, resample
from paddleport.validate.preprocessing.layouts import Layout
from paddleport.validate.preprocessing.matching import (
    colour_orders,
    order_scores,
    unexplained,
    with_grey,
)

_ROWS_APART = 5  # of the rows that are looked at first
_BETTER = 0.98  # of the error, for another placement to win although it differs in more


@dataclass(frozen=True)
class Placement:
    """Where the pixels come from.

    Attributes:
        reading: index of the layout.
        turn: one of ``TURNS``.
        after: the tensor was turned, not the picture.
        resize: the size.
        kernel: the resampling.
        offset: (top, left) of the crop; for ``fit``, of the picture in the tensor.
        order: the colour of every channel.
        error: root mean square in levels of what this leaves unexplained.
        cost: in how many of these it differs from the model's preprocessing.
        ambiguous: the channels fit as well in our order or in the reverse.
    """

    reading: int
    turn: str
    after: bool
    resize: Resize
    kernel: Kernel
    offset: Size
    order: tuple[int, ...]
    error: float
    cost: int
    ambiguous: bool


class Trials:
    """Tries placements and keeps the best one.

    Attributes:
        picture: [H, W, 3] uint8 BGR.
        readings: the tensor by its layouts, and one picture [h, w, 3] of each.
        preprocess: the model's.
        best: the best placement so far.
        count: how many were tried.
    """

    def __init__(
        self, picture: Array, readings: list[tuple[Layout, Array]], preprocess: Preprocess
    ) -> None:
        self.picture = picture
        self.readings = readings
        self.preprocess = preprocess
        self.best: Placement | None = None
        self.count = 0
        self.ours = (2, 1, 0) if preprocess.channels == "RGB" else (0, 1, 2)
        self.floor = 1e-3  # levels: what float32 leaves
        self._orders = colour_orders(self.ours)
        self._have = picture.shape[:2]
        self._our_size = our_resize(self._have, preprocess).size
        self._resampled: dict[tuple[object, ...], Array] = {}

    @property
    def exact(self) -> bool:
        """Whether the best placement leaves nothing unexplained."""
        return self.best is not None and self.best.error <= self.floor

    def pixels(self, turn: str, after: bool, resize: Resize, kernel: Kernel) -> Array:
        """The resized picture, before its crop; the last few dozen are kept."""
        key = ("" if after else turn, resize.box, resize.size, kernel)
        if key not in self._resampled:
            if len(self._resampled) >= 48:
                self._resampled.pop(next(iter(self._resampled)))
            source = self.picture if after else turned(self.picture, turn)
            self._resampled[key] = resample(resize.of(source), resize.size, kernel)
        return self._resampled[key]

    def theirs(self, reading: int, turn: str, after: bool) -> Array:
        """Their picture [h, w, 3], turned back if it was turned itself."""
        pixels = self.readings[reading][1]
        return unturned(pixels, turn) if after else pixels

    def regions(self, found: Placement) -> tuple[Array, Array]:
        """Of a placement, their part of the tensor and our pixels that belong to it."""
        theirs = self.theirs(found.reading, found.turn, found.after)
        whole = self.pixels(found.turn, found.after, found.resize, found.kernel)
        return _regions(theirs, whole, found.resize, found.offset)

    def consider(
        self,
        reading: int,
        turn: str,
        after: bool,
        resize: Resize,
        kernel: Kernel,
        offsets: list[Size],
    ) -> None:
        """Try the crops at some offsets; the most promising one fully."""
        theirs = self.theirs(reading, turn, after)
        whole = self.pixels(turn, after, resize, kernel)
        fitting = [offset for offset in offsets if _fits(theirs, whole, resize, offset)]
        if not fitting:
            return
        self.count += len(fitting)
        scores = []
        for offset in fitting:
            part, pixels = _regions(theirs, whole, resize, offset)
            scores.append(self._score(part[::_ROWS_APART], pixels[::_ROWS_APART])[1])
        least = min(scores)
        # Those that come close are told apart by all rows; the first is the likeliest rule.
        for offset, score in zip(fitting, scores, strict=True):
            if score <= least * 1.1 + self.floor:
                self._judge(reading, turn, after, resize, kernel, offset)

    def _judge(
        self, reading: int, turn: str, after: bool, resize: Resize, kernel: Kernel, offset: Size
    ) -> None:
        theirs = self.theirs(reading, turn, after)
        whole = self.pixels(turn, after, resize, kernel)
        part, pixels = _regions(theirs, whole, resize, offset)
        order, error, ambiguous = self._score(part, pixels)
        cost = (
            (order != self.ours)
            + (turn != "")
            + 2 * (reading != 0)
            + (resize.size != self._our_size or resize.box is not None)
            + (kernel != opencv_kernel(self.preprocess.interpolation))
            + (offset != crop_offsets(whole.shape[:2], theirs.shape[:2])["centre"])
        )
        found = Placement(
            reading, turn, after, resize, kernel, offset, order, error, cost, ambiguous
        )
        if self.best is None or self._better(found, self.best):
            self.best = found

    def _better(self, found: Placement, best: Placement) -> bool:
        new, old = max(found.error, self.floor), max(best.error, self.floor)
        return new < _BETTER * old or (new <= old / _BETTER and found.cost < best.cost)

    def _score(self, theirs: Array, pixels: Array) -> tuple[tuple[int, ...], float, bool]:
        """The best order of the channels, its error, and whether the picture can tell it."""
        left = unexplained(theirs.reshape(-1, 3), with_grey(pixels))
        scores = order_scores(left, self._orders)
        least = max(min(scores), self.floor)
        alike = [index for index, score in enumerate(scores) if score <= least / _BETTER]
        colours = [self._orders[index] for index in alike]
        ambiguous = self._orders[0] in colours and self._orders[1] in colours
        return colours[0], scores[alike[0]], ambiguous


def _fits(theirs: Array, whole: Array, resize: Resize, offset: Size) -> bool:
    big, small = whole.shape[:2], theirs.shape[:2]
    if resize.kind == "fit":
        big, small = small, big
    inside = all(0 <= o <= b - s for o, s, b in zip(offset, small, big, strict=True))
    return inside and (resize.kind != "fit" or _is_filled(theirs, small, offset))


def _is_filled(theirs: Array, size: Size, offset: Size) -> bool:
    """Whether all that lies around a picture is of one colour."""
    outside = np.ones(theirs.shape[:2], bool)
    outside[offset[0] : offset[0] + size[0], offset[1] : offset[1] + size[1]] = False
    around = theirs[outside]
    return len(around) > 0 and bool(np.ptp(around, axis=0).max() == 0)


def _regions(theirs: Array, whole: Array, resize: Resize, offset: Size) -> tuple[Array, Array]:
    if resize.kind == "fit":
        return _cut(theirs, offset, whole.shape[:2]), whole
    return theirs, _cut(whole, offset, theirs.shape[:2])


def _cut(pixels: Array, offset: Size, size: Size) -> Array:
    return pixels[offset[0] : offset[0] + size[0], offset[1] : offset[1] + size[1]]
