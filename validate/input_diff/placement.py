"""One way in which a tensor may have been taken from a picture, and the best of those tried."""

from dataclasses import dataclass, replace

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.normalisation_fit import Normalisation, likeliest_normalisation
from paddleport.validate.input_diff.pixel_match import PixelMatch, colour_orders, match_pixels
from paddleport.validate.input_diff.resampling import Kernel, Size, own_kernel, resample
from paddleport.validate.input_diff.resize_and_crop import (
    ResizeRule,
    crop_offsets,
    fits_inside,
    matching_regions,
    our_resize,
)
from paddleport.validate.input_diff.tensor_axes import TURNS, Layout, is_sideways, turned, unturned

_SAMPLED = 32  # rows and columns of a region that are looked at first
_COMPARED = 512  # rows and columns of a region that decide
_CLOSEST = 5  # offsets that are compared fully, at most
_SAMPLING = 1.3  # times the misfit by all pixels: what that by a sample of them may be
_NAMED = 1.0  # levels of error: with more, no normalisation can be told
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


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the pixels come from.

    Attributes:
        view: the tensor's layout and turn.
        resize: the size.
        kernel: the resampling.
        offset: (top, left) of the crop; for ``fit``, of the picture in the tensor.
        match: how well that fits, and in which order of the channels.
        cost: in how many of these it differs from the model's preprocessing.
        values: the normalisation that goes with it; ``None`` where the error is too large to
            tell.
    """

    view: View
    resize: ResizeRule
    kernel: Kernel
    offset: Size
    match: PixelMatch
    cost: int
    values: Normalisation | None

    @property
    def unlikeliness(self) -> int:
        """In how many parts it differs from the model's preprocessing; odd numbers count more."""
        values = self.values
        return self.cost + (values.cost + 2 * (not values.known) if values else 0)

    def beats(self, other: "Placement") -> bool:
        """Whether it fits better, or as well and is likelier."""
        if not other.match.is_as_good_as(self.match):
            return True
        return self.match.is_as_good_as(other.match) and self.unlikeliness < other.unlikeliness


class PlacementTrials:
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
        self._turned = ("", picture)

    @property
    def exact(self) -> bool:
        """Whether the best placement leaves nothing unexplained."""
        return self.best is not None and self.best.match.exact

    @property
    def settled(self) -> bool:
        """Whether it does so with a known normalisation, so that nothing likelier is expected."""
        values = self.best.values if self.best else None
        return self.exact and values is not None and values.known

    @property
    def size(self) -> Size:
        """(height, width) of the picture."""
        return self.picture.shape[0], self.picture.shape[1]

    @property
    def views(self) -> list[View]:
        """Every layout with every turn, the usual ones first."""
        return [View(reading, turn) for reading in range(len(self.readings)) for turn in TURNS]

    def want(self, view: View) -> Size:
        """(height, width) of their picture."""
        theirs = self.theirs(view)
        return theirs.shape[0], theirs.shape[1]

    def frame(self, view: View) -> Size:
        """(height, width) of the picture as it is resized."""
        height, width = self.size
        return (height, width) if view.after or not is_sideways(view.turn) else (width, height)

    def pixels(self, view: View, resize: ResizeRule, kernel: Kernel) -> Array:
        """The resized picture, before its crop; the last ones are kept."""
        key = ("" if view.after else view.turn, resize.box, resize.size, kernel)
        if key not in self._resized:
            made = resample(resize.cut(self._source(view)), resize.size, kernel)
            kept = sum(item.nbytes for item in self._resized.values())
            while self._resized and kept + made.nbytes > _KEPT_BYTES:
                kept -= self._resized.pop(next(iter(self._resized))).nbytes
            self._resized[key] = made
        return self._resized[key]

    def _source(self, view: View) -> Array:
        if view.after:
            return self.picture
        if self._turned[0] != view.turn:  # the last one is kept
            self._turned = (view.turn, turned(self.picture, view.turn))
        return self._turned[1]

    def theirs(self, view: View) -> Array:
        """Their picture [h, w, 3], turned back if it was turned itself."""
        pixels = self.readings[view.reading].picture
        return unturned(pixels, view.turn) if view.after else pixels

    def regions(self, placement: Placement) -> tuple[Array, Array]:
        """Their part of the tensor and our pixels that belong to it."""
        view, resize = placement.view, placement.resize
        whole = self.pixels(view, resize, placement.kernel)
        return matching_regions(
            self.theirs(view), whole, resize, placement.offset, self.frame(view)
        )

    def consider(
        self, view: View, resize: ResizeRule, kernel: Kernel, offsets: list[Size]
    ) -> float:
        """Try the crops at some offsets; the most promising ones fully.

        Returns:
            The least misfit, by a sample of the pixels.
        """
        theirs, frame = self.theirs(view), self.frame(view)
        fitting = [at for at in offsets if fits_inside(theirs, resize, at, frame)]
        if not fitting:
            return 1.0
        whole = self.pixels(view, resize, kernel)
        self.count += len(fitting)
        misfits = []
        for offset in fitting:
            part = _thinned(matching_regions(theirs, whole, resize, offset, frame), _SAMPLED)
            misfits.append(match_pixels(*part, self._orders, self.floor).misfit)
        limit = 1.1 * min(misfits)
        if self.best is not None:
            limit = min(limit, _SAMPLING * self.best.match.misfit)
        # Those that come close are told apart by all pixels; the first is the likeliest rule.
        for index in sorted(np.argsort(misfits, kind="stable")[:_CLOSEST]):
            if misfits[index] <= limit:
                self._compare_fully(view, resize, kernel, fitting[index])
        return min(misfits)

    def _compare_fully(self, view: View, resize: ResizeRule, kernel: Kernel, offset: Size) -> None:
        theirs, frame = self.theirs(view), self.frame(view)
        whole = self.pixels(view, resize, kernel)
        part, pixels = _thinned(matching_regions(theirs, whole, resize, offset, frame), _COMPARED)
        found = match_pixels(part, pixels, self._orders, self.floor)
        if self.best is not None and not found.is_as_good_as(self.best.match):
            return
        values = None
        if found.error <= max(_NAMED, self.floor):
            orders = [found.order, found.order[::-1]] if found.reversible else [found.order]
            order, _, values = likeliest_normalisation(
                part, pixels, orders, self.ours, self.preprocess, floor=self.floor
            )
            found = replace(found, order=order)
        ours = our_resize(frame, self.preprocess)
        cost = (
            (found.order != self.ours)
            + (view.turn != "")
            + 2 * (view.reading != 0)
            + ((resize.size, resize.box) != (ours.size, ours.box) or resize.kind == "fit")
            + (resize.kind == "padded")  # where a frame explains it as well, that is likelier
            + (kernel != own_kernel(self.preprocess))
            + (offset != crop_offsets(whole.shape[:2], theirs.shape[:2])["centre"])
        )
        placement = Placement(
            view=view,
            resize=resize,
            kernel=kernel,
            offset=offset,
            match=found,
            cost=cost,
            values=values,
        )
        if self.best is None or placement.beats(self.best):
            self.best = placement


def _thinned(both: tuple[Array, Array], most: int) -> tuple[Array, Array]:
    """At most about so many rows and columns of two regions."""
    down, right = (max(1, size // most) for size in both[0].shape[:2])
    return both[0][::down, ::right], both[1][::down, ::right]
