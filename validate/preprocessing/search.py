"""Find out where a tensor's pixels come from: from coarse likeness to exact agreement."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.preprocessing.alignment import best_offset, block_means, luminance
from paddleport.validate.preprocessing.geometry import (
    TURNS,
    Resize,
    crop_offsets,
    distinct,
    known_resizes,
    our_resize,
    short_resizes,
)
from paddleport.validate.preprocessing.kernels import (
    FLOATS,
    OPENCV,
    PILLOW,
    Kernel,
    Size,
    opencv_kernel,
    resample,
)
from paddleport.validate.preprocessing.layouts import Layout
from paddleport.validate.preprocessing.placement import Trials

Progress = Callable[[str, float], None]

_COARSE = 48  # blocks along the shorter side of what is compared first
_MIDDLE = 640  # pixels of the short side that a large picture is reduced to for that
_KEPT = (12, 4)  # groups of placements kept after the coarse and the fine comparison
_NEAR = 0.8  # of the best correlation: those below are dropped
_STEP = 3  # pixels between the short sides that are tried first
_LONGEST = 3  # times the tensor's side: the longest short side that is tried
_REPRODUCED = 0.5  # levels of root mean square: rounding, not another rule


@dataclass(frozen=True)
class Lead:
    """A placement that correlates: how well, and where."""

    score: float
    reading: int
    turn: str
    resize: Resize
    offset: Size = (0, 0)


def search(
    picture: Array,
    readings: list[tuple[Layout, Array]],
    preprocess: Preprocess,
    *,
    floor: float,
    progress: Progress | None = None,
) -> Trials:
    """Try all that people are known to do, the model's own way first.

    Layouts, turns and sizes are narrowed down by correlation, first of block means and then of
    whole pixels, which also finds the crop at any offset. Interpolations, roundings and offsets
    around those are tried one by one. The search ends early where nothing is left unexplained.

    Args:
        picture: [H, W, 3] uint8 BGR.
        readings: layouts of the tensor, each with one picture [h, w, 3] of it.
        preprocess: the model's.
        floor: error in levels that the tensor's own precision makes.
        progress: told what is going on and its share.
    """
    tell = progress or (lambda step, share: None)
    trials = Trials(picture, readings, preprocess)
    trials.floor = floor
    tell("compare as the model is fed", 0.0)
    _try_ours(trials)
    if trials.exact:
        return trials
    tell("fit into the tensor's frame", 0.1)
    _try_filled(trials)
    if trials.exact:
        return trials
    tell("locate the crop", 0.2)
    leads = _locate(trials, lambda want: known_resizes(picture.shape[:2], want, preprocess))
    _refine(trials, leads, lambda share: tell("try interpolations", 0.3 + 0.3 * share))
    if not trials.exact and (trials.best is None or trials.best.error > _REPRODUCED):
        tell("search every size", 0.6)
        _refine(trials, _every_size(trials, leads), lambda share: None)
    if not trials.exact:
        tell("try resizing on floats", 0.8)
        _try_floats(trials)
    return trials


def _try_ours(trials: Trials) -> None:
    resize = our_resize(trials.picture.shape[:2], trials.preprocess)
    kernel = opencv_kernel(trials.preprocess.interpolation)
    for reading in range(len(trials.readings)):
        for turn in TURNS:
            theirs = trials.theirs(reading, turn, True)
            centre = crop_offsets(resize.size, theirs.shape[:2])["centre"]
            trials.consider(reading, turn, True, resize, kernel, [centre])
            if trials.exact:
                return


def _try_filled(trials: Trials) -> None:
    """Pictures in a frame of one colour."""
    have = trials.picture.shape[:2]
    for reading, (_, theirs) in enumerate(trials.readings):
        want = theirs.shape[:2]
        for resize in known_resizes(have, want, trials.preprocess):
            if resize.kind == "fit":
                offsets = list(crop_offsets(want, resize.size).values())
                for kernel in (*OPENCV, *PILLOW):
                    trials.consider(reading, "", True, resize, kernel, offsets)
                    if trials.exact:
                        return


def _locate(trials: Trials, resizes_for: Callable[[Size], list[Resize]]) -> list[Lead]:
    """Layouts, turns and sizes that correlate with the picture, the best first."""
    middle, share = _middle(trials.picture)
    coarse: dict[tuple[int, Resize], Array] = {}
    leads = []
    for reading in range(len(trials.readings)):
        for turn in TURNS:
            theirs = trials.theirs(reading, turn, True)
            factor = max(1, min(theirs.shape[:2]) // _COARSE)
            part = block_means(luminance(theirs), factor)
            for resize in resizes_for((theirs.shape[0], theirs.shape[1])):
                if resize.kind == "fit":
                    continue
                key = (factor, resize)
                if key not in coarse:
                    source = _scaled(resize, share).of(middle)
                    made = resample(source, resize.size, Kernel("OpenCV", "area"))
                    coarse[key] = block_means(luminance(made), factor)
                trials.count += 1
                leads.append(Lead(best_offset(coarse[key], part)[0], reading, turn, resize))
    return _finely(trials, _foremost(leads, _KEPT[0]))


def _finely(trials: Trials, leads: list[Lead]) -> list[Lead]:
    """The same leads judged by all their pixels, with the offset."""
    found = []
    for lead in leads:
        theirs = luminance(trials.theirs(lead.reading, lead.turn, True))
        whole = luminance(trials.pixels("", True, lead.resize, Kernel("OpenCV", "area")))
        score, offset = best_offset(whole, theirs)
        found.append(Lead(score, lead.reading, lead.turn, lead.resize, offset))
    return _foremost(found, _KEPT[1])


def _foremost(leads: list[Lead], count: int) -> list[Lead]:
    """The best of every group, and of these the best."""
    groups: dict[object, Lead] = {}
    for lead in sorted(leads, key=lambda lead: -lead.score):
        groups.setdefault((lead.reading, lead.turn, lead.resize.group), lead)
    kept = list(groups.values())[:count]
    return [lead for lead in kept if lead.score >= _NEAR * kept[0].score]


def _refine(trials: Trials, leads: list[Lead], tell: Callable[[float], None]) -> None:
    have = trials.picture.shape[:2]
    for index, lead in enumerate(leads):
        tell(index / len(leads))
        theirs = trials.theirs(lead.reading, lead.turn, True)
        want = (theirs.shape[0], theirs.shape[1])
        siblings = [lead.resize]
        if lead.resize.kind == "short":
            siblings = distinct(short_resizes(have, int(lead.resize.value)), want)
        for kernel in (*OPENCV, *PILLOW):
            for resize in siblings:
                _try_around(trials, lead, resize, kernel)
                if trials.exact:
                    return


def _try_around(trials: Trials, lead: Lead, resize: Resize, kernel: Kernel) -> None:
    """A resize with the known offsets and those next to where it correlates best."""
    theirs = trials.theirs(lead.reading, lead.turn, True)
    want = (theirs.shape[0], theirs.shape[1])
    offsets = [*crop_offsets(resize.size, want).values(), *_around(lead.offset)]
    trials.consider(lead.reading, lead.turn, True, resize, kernel, list(dict.fromkeys(offsets)))
    if lead.turn and not trials.exact:
        before = _turned_resize(trials, lead, resize)
        want = trials.readings[lead.reading][1].shape[:2]
        offsets = list(crop_offsets(before.size, want).values())
        trials.consider(lead.reading, lead.turn, False, before, kernel, offsets)


def _turned_resize(trials: Trials, lead: Lead, resize: Resize) -> Resize:
    """The rule for the turned picture that is ``resize`` for the picture as it is."""
    if TURNS[lead.turn][0] % 2 == 0:
        return resize
    height, width = resize.size
    box = resize.box
    turned = None if box is None else (box[1], box[0], box[3], box[2])
    return Resize(resize.kind, resize.value, resize.rounding, (width, height), turned)


def _around(offset: Size) -> list[Size]:
    steps = (0, -1, 1)
    return [(offset[0] + down, offset[1] + right) for down in steps for right in steps]


def _every_size(trials: Trials, leads: list[Lead]) -> list[Lead]:
    """Every length of the short side, for the likeliest layout and turn."""
    if not leads:
        return []
    reading, turn = leads[0].reading, leads[0].turn
    theirs = trials.theirs(reading, turn, True)
    want = (theirs.shape[0], theirs.shape[1])
    have = trials.picture.shape[:2]
    middle, _ = _middle(trials.picture)
    factor = max(1, min(want) // _COARSE)
    part = block_means(luminance(theirs), factor)
    scores = {}
    for side in range(min(want), _LONGEST * min(want), _STEP):
        for resize in distinct(short_resizes(have, side)[:1], want):
            trials.count += 1
            made = resample(middle, resize.size, Kernel("OpenCV", "area"))
            scores[side] = best_offset(block_means(luminance(made), factor), part)[0]
    near = sorted(scores, key=lambda side: -scores[side])[:2]
    sides = {side + step for side in near for step in range(1 - _STEP, _STEP)}
    resizes = [short_resizes(have, side)[0] for side in sorted(sides)]
    return _finely(trials, [Lead(1.0, reading, turn, resize) for resize in distinct(resizes, want)])


def _try_floats(trials: Trials) -> None:
    """Kernels on floats, at the best placement so far."""
    best = trials.best
    if best is None or best.resize.kind == "none":
        return
    resizes = [best.resize]
    if best.resize.kind == "short" and best.error > _REPRODUCED:
        source = trials.picture.shape[:2]
        have = source if best.after or TURNS[best.turn][0] % 2 == 0 else source[::-1]
        resizes += short_resizes((have[0], have[1]), int(best.resize.value))
    for resize in dict.fromkeys(resizes):
        for kernel in FLOATS:
            offsets = [best.offset, *_around(best.offset)]
            trials.consider(best.reading, best.turn, best.after, resize, kernel, offsets)
            if trials.exact:
                return


def _middle(picture: Array) -> tuple[Array, float]:
    """The picture reduced for coarse comparison, and by how much."""
    short = min(picture.shape[:2])
    if short <= _MIDDLE:
        return picture, 1.0
    share = _MIDDLE / short
    size = (round(picture.shape[0] * share), round(picture.shape[1] * share))
    return resample(picture, size, Kernel("OpenCV", "area")), share


def _scaled(resize: Resize, share: float) -> Resize:
    if resize.box is None or share == 1.0:
        return resize
    box = tuple(int(np.floor(value * share)) for value in resize.box)
    top, left, height, width = box
    scaled = (top, left, max(height, 1), max(width, 1))
    return Resize(resize.kind, resize.value, resize.rounding, resize.size, scaled)
