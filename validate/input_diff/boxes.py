"""Any part of a picture that was cut out and resized, as training does it at random."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.input_diff.alignment import (
    best_offset,
    block_means,
    luminance,
    resized_block_means,
)
from paddleport.validate.input_diff.geometry import Box, Resize
from paddleport.validate.input_diff.kernels import Kernel, Size, resample
from paddleport.validate.input_diff.locating import Lead
from paddleport.validate.input_diff.placement import View
from paddleport.validate.input_diff.trials import Trials

_BLOCKS = 24  # along the sides of what is compared first
_PLANE = 240  # pixels of the short side that the picture is reduced to for that
_SMALLEST = 0.25  # of a side of the picture: the smallest part that is looked for
_STEP = 0.93  # from one size to the next
_RATIO = 2.2  # times the tensor's ratio of height to width, and its inverse: the most
_ALIKE = 0.8  # of correlation: parts of other pictures stay below, mostly
_REACHED = 0.15  # of misfit: no need to climb from elsewhere
_FAR = 0.4  # of misfit: not the place
_STARTS = 2  # parts that are climbed from
_FLIPPED = "flipped left to right"  # as training does it as well
_AREA = Kernel("OpenCV", "area")


def box_leads(trials: Trials, view: View, tell: Callable[[float], None]) -> list[Lead]:
    """The likeliest parts of the picture, climbed to from a coarse grid of sizes and offsets.

    Their score is their misfit, negative.
    """
    have: Size = (trials.picture.shape[0], trials.picture.shape[1])
    share = min(1.0, _PLANE / min(have))
    size = (max(round(have[0] * share), 1), max(round(have[1] * share), 1))
    plane = luminance(resample(trials.picture, size, _AREA))
    views = dict.fromkeys([view, View(0), View(0, _FLIPPED)])
    leads = [lead for item in views for lead in _coarse(trials, item, plane)]
    trials.count += len(leads)
    starts = sorted(leads, key=lambda lead: -lead.score)[:_STARTS]
    climbed: list[Lead] = []
    for index, lead in enumerate(starts):
        tell(index / len(starts))
        if lead.score >= _ALIKE and not any(-item.score <= _REACHED for item in climbed):
            climbed.append(climb(trials, lead, _AREA, 0.04))
    return [lead for lead in climbed if -lead.score <= _FAR]


def climb(trials: Trials, lead: Lead, kernel: Kernel, reach: float) -> Lead:
    """Move the edges of a lead's part for as long as that leaves less unexplained.

    Args:
        trials: with the picture and the tensor.
        lead: its resize has a box.
        kernel: how it is resized.
        reach: share of its sides that the first steps move an edge by.
    """
    box = lead.resize.box or (0, 0, *lead.resize.size)
    frame = trials.frame(lead.view)

    def misfit(candidate: Box) -> float:
        resize = replace(lead.resize, box=candidate)
        return trials.consider(lead.view, resize, kernel, [(0, 0)])

    least = misfit(box)
    step = max(1, round(reach * max(box[2:])))
    while step:
        found = min(((misfit(item), item) for item in _moved(box, frame, step)), default=None)
        if found is not None and found[0] < least:
            least, box = found
        else:
            step //= 2
    return replace(lead, score=-least, resize=replace(lead.resize, box=box))


def _coarse(trials: Trials, view: View, plane: Array) -> Iterator[Lead]:
    """The best offset for every size of a part."""
    theirs = trials.theirs(view)
    height, width = theirs.shape[:2]
    factor = max(1, min(height, width) // _BLOCKS)
    part = block_means(luminance(theirs), factor)
    frame = trials.frame(view)
    shares = _STEP ** np.arange(int(np.log(_SMALLEST) / np.log(_STEP)) + 1)
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
            resize = Resize("box", 0, "round", (height, width), (*at, rows, columns))
            yield Lead(score, view, resize)


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
