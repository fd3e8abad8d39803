"""One way in which a tensor's pixels may have been taken from a picture, and how well it fits."""

from dataclasses import dataclass

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.preprocessing.geometry import Resize, crop_offsets, our_resize
from paddleport.validate.preprocessing.kernels import Kernel, Size, opencv_kernel, resample
from paddleport.validate.preprocessing.layouts import Layout
from paddleport.validate.preprocessing.matching import (
    colour_orders,
    order_scores,
    unexplained,
    with_grey,
)
from paddleport.validate.preprocessing.regions import fits_inside, regions
from paddleport.validate.preprocessing.turns import is_sideways, turned, unturned

_SAMPLED = 48  # rows and columns of a region that are looked at first
_JUDGED = 512  # rows and columns of a region that decide
_BETTER = 0.98  # of the error, for another placement to win although it differs in more
_KEPT_BYTES = 128 << 20  # of resized pictures


@dataclass(frozen=True)
class View:
    """One way of looking at the tensor.

    Attributes:
        reading: index of its layout.
        turn: one of ``TURNS``.
        after: the tensor was turned, not the picture.
    """

    reading: int
    turn: str = ""
    after: bool = True


@dataclass(frozen=True)
class Placement:
    """Where the pixels come from.

    Attributes:
        view: the tensor's layout and turn.
        resize: the size.
        kernel: the resampling.
        offset: (top, left) of the crop; for ``fit``, of the picture in the tensor.
        order: the colour of every channel.
        error: root mean square in levels of what this leaves unexplained.
        spread: standard deviation in levels of the pixels that should explain it.
        cost: in how many of these it differs from the model's preprocessing.
        reversible: the channels fit as well in the reverse order.
    """

    view: View
    resize: Resize
    kernel: Kernel
    offset: Size
    order: tuple[int, ...]
    error: float
    spread: float
    cost: int
    reversible: bool

    @property
    def likeness(self) -> float:
        """The share of the variance that it explains, 0 to 1."""
        return 1 - (self.error / self.spread) ** 2 if self.spread > self.error else 0.0


class Trials:
    """Tries placements and keeps the best one.

    Attributes:
        picture: [H, W, 3] uint8 BGR.
        readings: the tensor's picture [h, w, 3] by its layouts.
        preprocess: the model's.
        floor: error in levels that the tensor's own precision makes.
        best: the best placement so far.
        count: how many were tried.
        ours: the model's order of the channels.
    """

    def __init__(
        self, picture: Array, readings: list[Layout], preprocess: Preprocess, floor: float
    ) -> None:
        self.picture = picture
        self.readings = readings
        self.preprocess = preprocess
        self.floor = floor
        self.best: Placement | None = None
        self.count = 0
        self.ours = (2, 1, 0) if preprocess.channels == "RGB" else (0, 1, 2)
        self._orders = colour_orders(self.ours)
        self._resized: dict[tuple[object, ...], Array] = {}

    @property
    def exact(self) -> bool:
        """Whether the best placement leaves nothing unexplained."""
        return self.best is not None and self.best.error <= self.floor

    def frame(self, view: View) -> Size:
        """(height, width) of the picture as it is resized."""
        height, width = self.picture.shape[:2]
        return (height, width) if view.after or not is_sideways(view.turn) else (width, height)

    def pixels(self, view: View, resize: Resize, kernel: Kernel) -> Array:
        """The resized picture, before its crop; the last ones are kept."""
        key = ("" if view.after else view.turn, resize.box, resize.size, kernel)
        if key not in self._resized:
            source = self.picture if view.after else turned(self.picture, view.turn)
            made = resample(resize.of(source), resize.size, kernel)
            kept = sum(item.nbytes for item in self._resized.values())
            while self._resized and kept + made.nbytes > _KEPT_BYTES:
                kept -= self._resized.pop(next(iter(self._resized))).nbytes
            self._resized[key] = made
        return self._resized[key]

    def theirs(self, view: View) -> Array:
        """Their picture [h, w, 3], turned back if it was turned itself."""
        pixels = self.readings[view.reading].picture
        return unturned(pixels, view.turn) if view.after else pixels

    def regions(self, found: Placement) -> tuple[Array, Array]:
        """Of a placement, their part of the tensor and our pixels that belong to it."""
        theirs, frame = self.theirs(found.view), self.frame(found.view)
        whole = self.pixels(found.view, found.resize, found.kernel)
        return regions(theirs, whole, found.resize, found.offset, frame)

    def consider(self, view: View, resize: Resize, kernel: Kernel, offsets: list[Size]) -> float:
        """Try the crops at some offsets; the most promising ones fully.

        Returns:
            The least error in levels, by a sample of the pixels.
        """
        theirs, frame = self.theirs(view), self.frame(view)
        fitting = [at for at in offsets if fits_inside(theirs, resize, at, frame)]
        if not fitting:
            return np.inf
        whole = self.pixels(view, resize, kernel)
        self.count += len(fitting)
        scores = [
            self._score(*_thinned(regions(theirs, whole, resize, at, frame), _SAMPLED))[1]
            for at in fitting
        ]
        least = min(scores)
        # Those that come close are told apart by all pixels; the first is the likeliest rule.
        for offset, score in zip(fitting, scores, strict=True):
            if score <= least * 1.1 + self.floor:
                self._judge(view, resize, kernel, offset)
        return least

    def _judge(self, view: View, resize: Resize, kernel: Kernel, offset: Size) -> None:
        theirs, frame = self.theirs(view), self.frame(view)
        whole = self.pixels(view, resize, kernel)
        both = regions(theirs, whole, resize, offset, frame)
        order, error, reversible, spread = self._score(*_thinned(both, _JUDGED))
        ours = our_resize(frame, self.preprocess)
        cost = (
            (order != self.ours)
            + (view.turn != "")
            + 2 * (view.reading != 0)
            + ((resize.size, resize.box) != (ours.size, ours.box) or resize.kind == "fit")
            + (resize.kind == "padded")  # where a frame explains it as well, that is likelier
            + (kernel != opencv_kernel(self.preprocess.interpolation))
            + (offset != crop_offsets(whole.shape[:2], theirs.shape[:2])["centre"])
        )
        found = Placement(view, resize, kernel, offset, order, error, spread, cost, reversible)
        if self.best is None or self._better(found, self.best):
            self.best = found

    def _better(self, found: Placement, best: Placement) -> bool:
        new, old = max(found.error, self.floor), max(best.error, self.floor)
        return new < _BETTER * old or (new <= old / _BETTER and found.cost < best.cost)

    def _score(self, theirs: Array, pixels: Array) -> tuple[tuple[int, ...], float, bool, float]:
        """The best order of the channels, its error, whether the reverse fits, and the spread."""
        left, spreads = unexplained(theirs.reshape(-1, 3), with_grey(pixels))
        scores = order_scores(left, self._orders)
        alike = np.flatnonzero(scores <= max(float(scores.min()), self.floor) / _BETTER)
        order = self._orders[alike[0]]
        reversible = order[::-1] in [self._orders[index] for index in alike]
        spread = float(np.sqrt(np.mean(spreads[list(order)] ** 2)))
        return order, float(scores[alike[0]]), reversible, spread


def _thinned(both: tuple[Array, Array], most: int) -> tuple[Array, Array]:
    """At most about so many rows and columns of two regions."""
    down, right = (max(1, size // most) for size in both[0].shape[:2])
    return both[0][::down, ::right], both[1][::down, ::right]
