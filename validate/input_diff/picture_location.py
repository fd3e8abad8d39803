"""Where in a picture a tensor was taken from, by correlation: known sizes, any size, any part.

Any part of a picture may have been cut out and resized, as training does it at random.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.input_diff.pixel_match import (
    best_offset,
    block_means,
    luminance,
    resized_block_means,
)
from paddleport.validate.input_diff.placement import PlacementTrials, View
from paddleport.validate.input_diff.resampling import Kernel, Size, resample
from paddleport.validate.input_diff.resize_and_crop import (
    Box,
    ResizeRule,
    distinct,
    known_resizes,
    our_resize,
    short_resizes,
)

_COARSE = 48  # blocks along the shorter side of what is compared first
_WHOLE = 320  # blocks along the longer side of the picture, at most
_FEWEST = 12  # blocks along the shorter side of the tensor, at least
_SMALL = 3 << 17  # values of a picture that is looked at everywhere
_MIDDLE = 640  # pixels of the short side that a large picture is reduced to for that
_KEPT_GROUPS = 12  # groups of locations that are compared finely
_NEAR = 0.8  # of the best correlation: those below are dropped
_SIDE_STEP = 3  # pixels between the short sides that are tried first
_WIDE = 6  # pixels around the best of them that are tried one by one: blocks blur the peak
_LONGEST = 3  # times the longer side of the tensor: the longest short side that is tried
_AREA = Kernel("OpenCV", "area")

# Of any part of the picture:
_BOX_BLOCKS = 24  # along the sides of what is compared first
_BOX_PLANE = 240  # pixels of the short side that the picture is reduced to for that
_SMALLEST = 0.25  # of a side of the picture: the smallest part that is looked for
_BOX_STEP = 0.93  # from one size to the next
_RATIO = 2.2  # times the tensor's ratio of height to width, and its inverse: the most
_BOX_ALIKE = 0.8  # of correlation: parts of other pictures stay below, mostly
_REACHED = 0.15  # of misfit: no need to climb from elsewhere
_FAR = 0.4  # of misfit: not the place
_STARTS = 2  # parts that are climbed from
_FLIPPED = "flipped left to right"  # as training does it as well


@dataclass(frozen=True, kw_only=True)
class Location:
    """A resize and an offset at which the tensor correlates with the picture, and how well."""

    score: float
    view: View
    resize: ResizeRule
    offset: Size = (0, 0)


def locate(trials: PlacementTrials, *, most: int = 4) -> list[Location]:
    """Layouts, turns and known sizes that correlate with the picture, the best first.

    The model's own size and the tensor's are always among them.
    """
    reduced = _ReducedPicture(trials.picture)
    locations: list[Location] = []
    for view in trials.views:
        resizes = known_resizes(trials.size, trials.want(view), trials.preprocess)
        locations += reduced.locations(view, trials.theirs(view), resizes)
    trials.count += len(locations)
    kept = _foremost(_finely(trials, _foremost(locations, _KEPT_GROUPS)), most)
    ours, views = our_resize(trials.size, trials.preprocess), {item.view for item in kept}
    known = {(item.view, item.resize) for item in kept}
    likely = [
        item
        for item in locations
        if item.view in views
        and (item.resize == ours or item.resize.size == trials.want(item.view))
        and (item.view, item.resize) not in known
    ]
    return kept + _finely(trials, likely)


def locate_any_size(trials: PlacementTrials, view: View, *, most: int = 6) -> list[Location]:
    """The likeliest of all lengths of the short side."""
    reduced = _ReducedPicture(trials.picture)
    want = trials.want(view)

    def locations(sides: Iterable[int]) -> list[Location]:
        resizes = distinct([short_resizes(trials.size, side)[0] for side in sides], want)
        return reduced.locations(view, trials.theirs(view), resizes)

    first = locations(range(min(want), _LONGEST * max(want), _SIDE_STEP))
    near = {
        side + step for side in _peaks(first) for step in range(-_WIDE, _WIDE + 1) if side > _WIDE
    }
    second = locations(sorted(near))
    trials.count += len(first) + len(second)
    return _finely(trials, second)[:most]


def _peaks(locations: list[Location]) -> list[int]:
    """The best side, and the best of those that are not next to it."""
    ordered = sorted(locations, key=lambda location: -location.score)
    sides = [int(location.resize.value) for location in ordered]
    return sides[:1] + [side for side in sides if abs(side - sides[0]) > 2 * _WIDE][:1]


class _ReducedPicture:
    """A picture's luminance, reduced if it is large, and its block means at the sizes asked for."""

    def __init__(self, picture: Array) -> None:
        self._have = picture.shape[:2]
        share = min(1.0, _MIDDLE / min(self._have))
        size = (round(self._have[0] * share), round(self._have[1] * share))
        self._plane = luminance(resample(picture, size, _AREA))
        self._blocks: dict[tuple[int, ResizeRule], Array] = {}

    def locations(self, view: View, theirs: Array, resizes: list[ResizeRule]) -> list[Location]:
        """How well a picture correlates with each resize, and about where."""
        plane = luminance(theirs)
        parts: dict[int, Array] = {}
        made = []
        for resize in resizes:
            factor = _factor(resize, theirs)
            if factor not in parts:
                parts[factor] = block_means(plane, factor)
            score, (top, left) = best_offset(self._means(resize, factor), parts[factor])
            offset = (top * factor, left * factor)
            made.append(Location(score=score, view=view, resize=resize, offset=offset))
        return made

    def _means(self, resize: ResizeRule, factor: int) -> Array:
        if (factor, resize) not in self._blocks:
            down, right = (
                size / have for size, have in zip(self._plane.shape, self._have, strict=True)
            )
            top, left, height, width = resize.box or (0, 0, *self._have)
            box = (top * down, left * right, height * down, width * right)
            made = resized_block_means(self._plane, box, resize.size, factor)
            self._blocks[factor, resize] = made
        return self._blocks[factor, resize]


def _factor(resize: ResizeRule, theirs: Array) -> int:
    """The side of the blocks, for enough of them in the tensor and not too many around it."""
    most = int(min(theirs.shape[:2]))
    return min(max(1, most // _COARSE, max(resize.size) // _WHOLE), max(1, most // _FEWEST))


def _finely(trials: PlacementTrials, locations: list[Location]) -> list[Location]:
    """The same locations compared by all their pixels, with the exact offset; the best first."""
    found = []
    for location in locations:
        theirs = trials.theirs(location.view)
        whole = trials.pixels(location.view, location.resize, _AREA)
        starts = (0, 0)
        if whole.size > _SMALL:  # look only around the rough offset
            reach = 3 * _factor(location.resize, theirs)
            starts = (max(location.offset[0] - reach, 0), max(location.offset[1] - reach, 0))
            bottom, right = (
                at + size + reach
                for at, size in zip(location.offset, trials.want(location.view), strict=True)
            )
            whole = whole[starts[0] : bottom, starts[1] : right]
        score, (top, left) = best_offset(luminance(whole), luminance(theirs))
        offset = (top + starts[0], left + starts[1])
        found.append(replace(location, score=score, offset=offset))
    return sorted(found, key=lambda location: -location.score)


def _foremost(locations: list[Location], count: int) -> list[Location]:
    """The best of every group, and of these the best."""
    groups: dict[object, Location] = {}
    for location in sorted(locations, key=lambda location: -location.score):
        groups.setdefault((location.view, location.resize.group), location)
    kept = list(groups.values())[:count]
    return [location for location in kept if location.score >= _NEAR * kept[0].score]


def locate_box(
    trials: PlacementTrials, view: View, progress: Callable[[float], None]
) -> list[Location]:
    """The likeliest parts of the picture, climbed to from a coarse grid of sizes and offsets.

    Their score is their misfit, negative.
    """
    height, width = trials.size
    share = min(1.0, _BOX_PLANE / min(height, width))
    size = (max(round(height * share), 1), max(round(width * share), 1))
    plane = luminance(resample(trials.picture, size, _AREA))
    views = dict.fromkeys([view, View(0), View(0, _FLIPPED)])
    locations = [location for item in views for location in _box_grid(trials, item, plane)]
    trials.count += len(locations)
    starts = sorted(locations, key=lambda location: -location.score)[:_STARTS]
    climbed: list[Location] = []
    for index, location in enumerate(starts):
        progress(index / len(starts))
        if location.score >= _BOX_ALIKE and not any(-item.score <= _REACHED for item in climbed):
            climbed.append(climb(trials, location, _AREA, 0.04))
    return [location for location in climbed if -location.score <= _FAR]


def climb(trials: PlacementTrials, location: Location, kernel: Kernel, reach: float) -> Location:
    """Move the edges of a location's part for as long as that leaves less unexplained.

    Args:
        trials: with the picture and the tensor.
        location: its resize has a box.
        kernel: how it is resized.
        reach: share of its sides that the first steps move an edge by.
    """
    box = location.resize.box or (0, 0, *location.resize.size)
    frame = trials.frame(location.view)

    def misfit(candidate: Box) -> float:
        resize = replace(location.resize, box=candidate)
        return trials.consider(location.view, resize, kernel, [(0, 0)])

    least = misfit(box)
    step = max(1, round(reach * max(box[2:])))
    while step:
        found = min(((misfit(item), item) for item in _moved(box, frame, step)), default=None)
        if found is not None and found[0] < least:
            least, box = found
        else:
            step //= 2
    return replace(location, score=-least, resize=replace(location.resize, box=box))


def _box_grid(trials: PlacementTrials, view: View, plane: Array) -> Iterator[Location]:
    """The best offset for every size of a part."""
    height, width = trials.want(view)
    factor = max(1, min(height, width) // _BOX_BLOCKS)
    part = block_means(luminance(trials.theirs(view)), factor)
    frame = trials.frame(view)
    shares = _BOX_STEP ** np.arange(int(np.log(_SMALLEST) / np.log(_BOX_STEP)) + 1)
    for down in shares:
        for right in shares:
            ratio = (frame[0] * down / height) / (frame[1] * right / width)
            if not 1 / _RATIO <= ratio <= _RATIO:
                continue
            whole = (round(height / down), round(width / right))
            means = resized_block_means(plane, (0, 0, *plane.shape), whole, factor)
            if any(have < want for have, want in zip(means.shape, part.shape, strict=True)):
                continue
            score, (top, left) = best_offset(means, part)
            rows, columns = round(frame[0] * down), round(frame[1] * right)
            at = (
                min(round(top * factor * frame[0] / whole[0]), frame[0] - rows),
                min(round(left * factor * frame[1] / whole[1]), frame[1] - columns),
            )
            resize = ResizeRule(kind="box", size=(height, width), box=(*at, rows, columns))
            yield Location(score=score, view=view, resize=resize)


def _moved(box: Box, frame: Size, step: int) -> Iterator[Box]:
    """The box with one edge moved, with two opposite edges moved, and moved as a whole."""
    top, left, height, width = box
    for first, second in ((step, 0), (0, step), (step, step), (step, -step)):
        for sign in (1, -1):
            start, end = sign * first, sign * second
            yield from _inside((top + start, left, height + end - start, width), frame)
            yield from _inside((top, left + start, height, width + end - start), frame)


def _inside(box: Box, frame: Size) -> Iterator[Box]:
    top, left, height, width = box
    fits = top >= 0 and left >= 0 and top + height <= frame[0] and left + width <= frame[1]
    if fits and height >= _SMALLEST * frame[0] / 2 and width >= _SMALLEST * frame[1] / 2:
        yield box
