"""From places that look alike to the one that agrees: interpolations, roundings and offsets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from paddleport.validate.input_diff.geometry import (
    Resize,
    crop_offsets,
    distinct,
    filled_resizes,
    short_resizes,
)
from paddleport.validate.input_diff.kernels import (
    FLOATS,
    OPENCV,
    PILLOW,
    Kernel,
    Size,
    opencv_kernel,
)
from paddleport.validate.input_diff.locating import Lead
from paddleport.validate.input_diff.placement import Placement, View
from paddleport.validate.input_diff.trials import Trials
from paddleport.validate.input_diff.turns import TURNS, is_sideways, turned_offset

_FIRST = (Kernel("Pillow", "bilinear"), Kernel("OpenCV", "area"), Kernel("OpenCV", "nearest"))
_NEAR = 2.0  # times the least misfit: places beyond are not tried with every kernel
_PLACES = 6  # that are tried with every kernel of OpenCV and Pillow
_SLOW_PLACES = 3  # and with those on floats
_HOPELESS = 0.2  # of the variance: less is no lead to anything


@dataclass(frozen=True)
class Place:
    """A size, as seen in one view, with the offsets to try."""

    view: View
    resize: Resize
    offsets: tuple[Size, ...]


def refine(trials: Trials, places: list[Place], tell: Callable[[float], None]) -> None:
    """Try places with a few kernels, and the best of them with all, until one agrees."""
    ours = opencv_kernel(trials.preprocess.interpolation)
    first = list(dict.fromkeys([ours, *_FIRST]))
    misfits = []
    for index, place in enumerate(places):
        tell(0.4 * index / len(places))
        misfits.append(min(_try(trials, place, kernel) for kernel in first))
        if trials.settled:
            return _simplify(trials, places)
    if trials.exact:  # by odd numbers, so that every place was given its chance
        return _simplify(trials, places)
    if trials.best is None or trials.best.match.likeness < _HOPELESS:
        return None
    ranked = sorted(range(len(places)), key=lambda index: misfits[index])
    limit = _NEAR * min(misfits, default=1.0)
    near = [places[index] for index in ranked if misfits[index] <= limit]
    plain = [kernel for kernel in (*OPENCV, *PILLOW) if kernel not in first]
    rest = [(place, kernel) for place in near[:_PLACES] for kernel in plain]
    rest += [(place, kernel) for place in near[:_SLOW_PLACES] for kernel in FLOATS]
    for index, (place, kernel) in enumerate(rest):
        tell(0.4 + 0.6 * index / len(rest))
        _try(trials, place, kernel)
        if trials.exact:
            return _simplify(trials, places)
    return None


def places_around(trials: Trials, leads: list[Lead]) -> list[Place]:
    """The places of leads: their sizes by every rounding, turned before the resize or after."""
    have: Size = (trials.picture.shape[0], trials.picture.shape[1])
    places: dict[tuple[View, Size, object], Place] = {}
    for lead in leads:
        want = _want(trials, lead.view)
        resizes = [lead.resize]
        if lead.resize.kind == "short":
            resizes = distinct(short_resizes(have, int(lead.resize.value)), want)
        for resize in resizes:
            offsets = [*crop_offsets(resize.size, want).values(), *_around(lead.offset)]
            for place in _turned_places(Place(lead.view, resize, tuple(offsets)), have, want):
                places.setdefault((place.view, place.resize.size, place.resize.box), place)
    return list(places.values())


def filled_places(trials: Trials) -> list[Place]:
    """Places of the whole picture in a frame."""
    have: Size = (trials.picture.shape[0], trials.picture.shape[1])
    places: list[Place] = []
    for reading in range(len(trials.readings)):
        for turn in TURNS:
            view = View(reading, turn)
            want = _want(trials, view)
            for resize in filled_resizes(have, want):
                offsets = tuple(crop_offsets(want, resize.size).values())
                places += _turned_places(Place(view, resize, offsets), have, want)
    return places


def _turned_places(place: Place, have: Size, want: Size) -> Iterator[Place]:
    """The same place, with the turn after the resize and before it."""
    yield place
    view, resize = place.view, place.resize
    if not view.turn:
        return
    small, whole = (resize.size, want) if resize.kind == "fit" else (want, resize.size)
    offsets = [turned_offset(at, small, whole, view.turn) for at in place.offsets]
    size, box = resize.size, resize.box
    if is_sideways(view.turn):
        size = (size[1], size[0])
        box = None if box is None else (box[1], box[0], box[3], box[2])
        whole, small = (whole[1], whole[0]), (small[1], small[0])
    if resize.box and resize.kind == "box":  # the others' lie where their rule has them
        at = turned_offset(resize.box[:2], resize.box[2:], have, view.turn)
        box = (*at, *box[2:]) if box else None
    known = crop_offsets(whole, small).values()
    before = Resize(resize.kind, resize.value, resize.rounding, size, box)
    offsets = list(dict.fromkeys([*known, *offsets]))
    yield Place(View(view.reading, view.turn, after=False), before, tuple(offsets))


def _simplify(trials: Trials, places: list[Place]) -> None:
    """See whether a place with fewer differences agrees as well."""
    best: Placement | None = trials.best
    if best is None or best.cost < 2:
        return
    ours = opencv_kernel(trials.preprocess.interpolation)
    for place in places:
        for kernel in dict.fromkeys([best.kernel, ours]):
            _try(trials, place, kernel)


def _try(trials: Trials, place: Place, kernel: Kernel) -> float:
    return trials.consider(place.view, place.resize, kernel, list(place.offsets))


def _want(trials: Trials, view: View) -> Size:
    theirs = trials.theirs(view)
    return theirs.shape[0], theirs.shape[1]


def _around(offset: Size) -> list[Size]:
    steps = (0, -1, 1)
    return [(offset[0] + down, offset[1] + right) for down in steps for right in steps]
