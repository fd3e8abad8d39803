"""Where in a picture a tensor was taken from: by correlation, from coarse to fine."""

from dataclasses import dataclass

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.preprocessing.alignment import best_offset, block_means, luminance
from paddleport.validate.preprocessing.geometry import (
    Resize,
    distinct,
    known_resizes,
    our_resize,
    short_resizes,
)
from paddleport.validate.preprocessing.kernels import Kernel, Size, resample
from paddleport.validate.preprocessing.placement import Trials, View
from paddleport.validate.preprocessing.turns import TURNS

_COARSE = 48  # blocks along the shorter side of what is compared first
_MIDDLE = 640  # pixels of the short side that a large picture is reduced to for that
_KEPT = 12  # groups of leads that are compared finely
_NEAR = 0.8  # of the best correlation: those below are dropped
_STEP = 3  # pixels between the short sides that are tried first
_WIDE = 6  # pixels around the best of them that are tried one by one: blocks blur the peak
_LONGEST = 3  # times the tensor's side: the longest short side that is tried
_AREA = Kernel("OpenCV", "area")


@dataclass(frozen=True)
class Lead:
    """A resize and an offset at which the tensor correlates with the picture, and how well."""

    score: float
    view: View
    resize: Resize
    offset: Size = (0, 0)


def locate(trials: Trials, *, most: int = 4) -> list[Lead]:
    """Layouts, turns and known sizes that correlate with the picture, the best first.

    The model's own size is always among them.
    """
    have: Size = (trials.picture.shape[0], trials.picture.shape[1])
    middle, share = _middle(trials.picture)
    coarse: dict[tuple[int, Resize], Array] = {}
    leads = []
    for view in (View(reading, turn) for reading in range(len(trials.readings)) for turn in TURNS):
        theirs = trials.theirs(view)
        factor = max(1, min(theirs.shape[:2]) // _COARSE)
        part = block_means(luminance(theirs), factor)
        for resize in known_resizes(have, (theirs.shape[0], theirs.shape[1]), trials.preprocess):
            key = (factor, resize)
            if key not in coarse:
                source = _scaled(resize, share).of(middle)
                coarse[key] = block_means(luminance(resample(source, resize.size, _AREA)), factor)
            trials.count += 1
            leads.append(Lead(best_offset(coarse[key], part)[0], view, resize))
    found = _finely(trials, _foremost(leads, _KEPT))
    ours = our_resize(have, trials.preprocess)
    own = [lead for lead in leads if lead.view == found[0].view and lead.resize == ours]
    return _foremost(found, most) + [lead for lead in _finely(trials, own) if lead not in found]


def locate_any_size(trials: Trials, view: View) -> list[Lead]:
    """The likeliest of all lengths of the short side."""
    theirs = trials.theirs(view)
    want: Size = (theirs.shape[0], theirs.shape[1])
    have: Size = (trials.picture.shape[0], trials.picture.shape[1])
    middle, _ = _middle(trials.picture)
    factor = max(1, min(want) // _COARSE)
    part = block_means(luminance(theirs), factor)
    scores: dict[int, float] = {}
    for side in range(min(want), _LONGEST * min(want), _STEP):
        for resize in distinct(short_resizes(have, side)[:1], want):
            trials.count += 1
            made = resample(middle, resize.size, _AREA)
            scores[side] = best_offset(block_means(luminance(made), factor), part)[0]
    sides = sorted({side + step for side in _peaks(scores) for step in range(-_WIDE, _WIDE + 1)})
    resizes = distinct([short_resizes(have, side)[0] for side in sides if side > 0], want)
    return _finely(trials, [Lead(1.0, view, resize) for resize in resizes])[:_KEPT]


def _peaks(scores: dict[int, float]) -> list[int]:
    """The best side, and the best of those that are not next to it."""
    first = sorted(scores, key=lambda side: -scores[side])
    others = [side for side in first if abs(side - first[0]) > 2 * _WIDE]
    return first[:1] + others[:1]


def _finely(trials: Trials, leads: list[Lead]) -> list[Lead]:
    """The same leads judged by all their pixels, with the offset; the best first."""
    found = []
    for lead in leads:
        whole = luminance(trials.pixels(lead.view, lead.resize, _AREA))
        score, offset = best_offset(whole, luminance(trials.theirs(lead.view)))
        found.append(Lead(score, lead.view, lead.resize, offset))
    return sorted(found, key=lambda lead: -lead.score)


def _foremost(leads: list[Lead], count: int) -> list[Lead]:
    """The best of every group, and of these the best."""
    groups: dict[object, Lead] = {}
    for lead in sorted(leads, key=lambda lead: -lead.score):
        groups.setdefault((lead.view, lead.resize.group), lead)
    kept = list(groups.values())[:count]
    return [lead for lead in kept if lead.score >= _NEAR * kept[0].score]


def _middle(picture: Array) -> tuple[Array, float]:
    """The picture reduced for coarse comparison, and by how much."""
    short = min(picture.shape[:2])
    if short <= _MIDDLE:
        return picture, 1.0
    share = _MIDDLE / short
    size = (round(picture.shape[0] * share), round(picture.shape[1] * share))
    return resample(picture, size, _AREA), share


def _scaled(resize: Resize, share: float) -> Resize:
    if resize.box is None or share == 1.0:
        return resize
    top, left, height, width = (int(np.floor(value * share)) for value in resize.box)
    scaled = (top, left, max(height, 1), max(width, 1))
    return Resize(resize.kind, resize.value, resize.rounding, resize.size, scaled)


