"""Where in a picture a tensor was taken from: by correlation, from coarse to fine."""

from collections.abc import Iterable
from dataclasses import dataclass

from paddleport.tensors import Array
from paddleport.validate.input_diff.alignment import (
    best_offset,
    block_means,
    luminance,
    resized_block_means,
)
from paddleport.validate.input_diff.geometry import (
    Resize,
    distinct,
    known_resizes,
    our_resize,
    short_resizes,
)
from paddleport.validate.input_diff.kernels import Kernel, Size, resample
from paddleport.validate.input_diff.placement import View
from paddleport.validate.input_diff.trials import Trials
from paddleport.validate.input_diff.turns import TURNS

_COARSE = 48  # blocks along the shorter side of what is compared first
_WHOLE = 320  # blocks along the longer side of the picture, at most
_FEWEST = 12  # blocks along the shorter side of the tensor, at least
_SMALL = 3 << 17  # values of a picture that is looked at everywhere
_MIDDLE = 640  # pixels of the short side that a large picture is reduced to for that
_KEPT = 12  # groups of leads that are compared finely
_NEAR = 0.8  # of the best correlation: those below are dropped
_STEP = 3  # pixels between the short sides that are tried first
_WIDE = 6  # pixels around the best of them that are tried one by one: blocks blur the peak
_LONGEST = 3  # times the longer side of the tensor: the longest short side that is tried
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

    The model's own size and the tensor's are always among them.
    """
    coarse = _Coarse(trials.picture)
    have: Size = (trials.picture.shape[0], trials.picture.shape[1])
    leads = []
    for view in (View(reading, turn) for reading in range(len(trials.readings)) for turn in TURNS):
        theirs = trials.theirs(view)
        resizes = known_resizes(have, (theirs.shape[0], theirs.shape[1]), trials.preprocess)
        leads += coarse.leads(view, theirs, resizes)
    trials.count += len(leads)
    kept = _foremost(_finely(trials, _foremost(leads, _KEPT)), most)
    ours, views = our_resize(have, trials.preprocess), {lead.view for lead in kept}
    likely = [
        lead
        for lead in leads
        if lead.view in views
        and (lead.resize == ours or lead.resize.size == trials.theirs(lead.view).shape[:2])
    ]
    known = {(lead.view, lead.resize) for lead in kept}
    return kept + _finely(
        trials, [lead for lead in likely if (lead.view, lead.resize) not in known]
    )


def locate_any_size(trials: Trials, view: View, *, most: int = 6) -> list[Lead]:
    """The likeliest of all lengths of the short side."""
    coarse = _Coarse(trials.picture)
    theirs = trials.theirs(view)
    want: Size = (theirs.shape[0], theirs.shape[1])
    have: Size = (trials.picture.shape[0], trials.picture.shape[1])

    def leads(sides: Iterable[int]) -> list[Lead]:
        resizes = distinct([short_resizes(have, side)[0] for side in sides], want)
        return coarse.leads(view, theirs, resizes)

    first = leads(range(min(want), _LONGEST * max(want), _STEP))
    near = {
        side + step for side in _peaks(first) for step in range(-_WIDE, _WIDE + 1) if side > _WIDE
    }
    second = leads(sorted(near))
    trials.count += len(first) + len(second)
    return _finely(trials, second)[:most]


def _peaks(leads: list[Lead]) -> list[int]:
    """The best side, and the best of those that are not next to it."""
    ordered = sorted(leads, key=lambda lead: -lead.score)
    sides = [int(lead.resize.value) for lead in ordered]
    return sides[:1] + [side for side in sides if abs(side - sides[0]) > 2 * _WIDE][:1]


class _Coarse:
    """A picture's luminance, reduced if it is large, and its block means at the sizes asked for."""

    def __init__(self, picture: Array) -> None:
        self._have = picture.shape[:2]
        share = min(1.0, _MIDDLE / min(self._have))
        size = (round(self._have[0] * share), round(self._have[1] * share))
        self._plane = luminance(resample(picture, size, _AREA))
        self._blocks: dict[tuple[int, Resize], Array] = {}

    def leads(self, view: View, theirs: Array, resizes: list[Resize]) -> list[Lead]:
        """How well a picture correlates with each resize, and about where."""
        plane = luminance(theirs)
        parts: dict[int, Array] = {}
        made = []
        for resize in resizes:
            factor = _factor(resize, theirs)
            if factor not in parts:
                parts[factor] = block_means(plane, factor)
            score, (top, left) = best_offset(self._means(resize, factor), parts[factor])
            made.append(Lead(score, view, resize, (top * factor, left * factor)))
        return made

    def _means(self, resize: Resize, factor: int) -> Array:
        if (factor, resize) not in self._blocks:
            down, right = (
                size / have for size, have in zip(self._plane.shape, self._have, strict=True)
            )
            top, left, height, width = resize.box or (0, 0, *self._have)
            box = (top * down, left * right, height * down, width * right)
            made = resized_block_means(self._plane, box, resize.size, factor)
            self._blocks[factor, resize] = made
        return self._blocks[factor, resize]


def _factor(resize: Resize, theirs: Array) -> int:
    """The side of the blocks, for enough of them in the tensor and not too many around it."""
    most = int(min(theirs.shape[:2]))
    return min(max(1, most // _COARSE, max(resize.size) // _WHOLE), max(1, most // _FEWEST))


def _finely(trials: Trials, leads: list[Lead]) -> list[Lead]:
    """The same leads judged by all their pixels, with the exact offset; the best first."""
    found = []
    for lead in leads:
        theirs = trials.theirs(lead.view)
        whole = trials.pixels(lead.view, lead.resize, _AREA)
        starts = (0, 0)
        if whole.size > _SMALL:  # look only around the rough offset
            reach = 3 * _factor(lead.resize, theirs)
            starts = (max(lead.offset[0] - reach, 0), max(lead.offset[1] - reach, 0))
            ends = [at + size + reach for at, size in zip(lead.offset, theirs.shape, strict=False)]
            whole = whole[starts[0] : ends[0], starts[1] : ends[1]]
        score, (top, left) = best_offset(luminance(whole), luminance(theirs))
        found.append(Lead(score, lead.view, lead.resize, (top + starts[0], left + starts[1])))
    return sorted(found, key=lambda lead: -lead.score)


def _foremost(leads: list[Lead], count: int) -> list[Lead]:
    """The best of every group, and of these the best."""
    groups: dict[object, Lead] = {}
    for lead in sorted(leads, key=lambda lead: -lead.score):
        groups.setdefault((lead.view, lead.resize.group), lead)
    kept = list(groups.values())[:count]
    return [lead for lead in kept if lead.score >= _NEAR * kept[0].score]
