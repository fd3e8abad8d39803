"""Find out where a tensor's pixels come from: from coarse likeness to exact agreement."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from paddleport.models.preprocess import Preprocess
from paddleport.progress import Progress
from paddleport.tensors import Array
from paddleport.validate.input_diff.picture_location import (
    Location,
    climb,
    locate,
    locate_any_size,
    locate_box,
)
from paddleport.validate.input_diff.placement import Placement, PlacementTrials, View
from paddleport.validate.input_diff.resampling import (
    FLOATS,
    OPENCV,
    PILLOW,
    Kernel,
    Size,
    own_kernel,
)
from paddleport.validate.input_diff.resize_and_crop import (
    ResizeRule,
    crop_offsets,
    distinct,
    filled_resizes,
    our_resize,
    short_resizes,
)
from paddleport.validate.input_diff.tensor_axes import Layout, is_sideways, turned_offset

_BOX_KERNELS = (
    Kernel("Pillow", "bilinear"),
    Kernel("OpenCV", "linear"),
    Kernel("floats", "antialiased bilinear"),
    Kernel("Pillow", "bicubic"),
    Kernel("OpenCV", "cubic"),
)
LIKE = 0.8
"""Share of the variance; what shares less with a picture may show any other."""

_REPRODUCED = 0.5  # levels of root mean square: rounding, not another rule
_FIRST = (
    Kernel("Pillow", "bilinear"),
    Kernel("OpenCV", "linear"),
    Kernel("OpenCV", "area"),
    Kernel("OpenCV", "nearest"),
)
_NEAR = 2.0  # times the least misfit: groups beyond are not tried with every kernel
_FAST_GROUPS = 6  # that are tried with every kernel of OpenCV and Pillow
_SLOW_GROUPS = 3  # and with those on floats
_HOPELESS = 0.2  # of the variance: less leads nowhere


@dataclass(frozen=True)
class PlacementGroup:
    """A size, as seen in one view, with the offsets to try."""

    view: View
    resize: ResizeRule
    offsets: tuple[Size, ...]


def search_placement(
    picture: Array,
    readings: list[Layout],
    preprocess: Preprocess,
    *,
    floor: float,
    progress: Progress,
) -> PlacementTrials:
    """Try all that people are known to do, the model's own way first.

    Layouts, turns and sizes are narrowed down by correlation, first of block means and then of
    whole pixels, which also finds the crop at any offset. Interpolations, roundings and offsets
    around those are tried one by one. The search ends early where nothing is left unexplained.

    Args:
        picture: [H, W, 3] uint8 BGR.
        readings: layouts of the tensor.
        preprocess: the model's.
        floor: error in levels that the tensor's own precision makes.
        progress: called with what is going on and its share done.
    """

    def part(step: str, start: float, end: float) -> Callable[[float], None]:
        progress(step, start)
        return lambda share: progress(step, start + share * (end - start))

    trials = PlacementTrials(picture, readings, preprocess, floor)
    part("compare as the model is fed", 0.0, 0.0)
    _try_ours(trials)
    if trials.settled:
        return trials
    _refine(trials, _filled_groups(trials), part("look for a frame", 0.05, 0.1))
    if trials.settled:
        return trials
    part("look for the place in the picture", 0.1, 0.1)
    locations = locate(trials)
    _refine(trials, _groups_around(trials, locations), part("try interpolations", 0.25, 0.6))
    if not _is_reproduced(trials):
        part("look at every size", 0.6, 0.6)
        locations = locate_any_size(trials, locations[0].view)
        _refine(trials, _groups_around(trials, locations), part("try every size", 0.7, 0.8))
    if not _is_reproduced(trials):
        locations = locate_box(trials, locations[0].view, part("look at every part", 0.8, 0.9))
        _refine_boxes(trials, locations, part("try every part", 0.9, 1.0))
    return trials


def _is_reproduced(trials: PlacementTrials) -> bool:
    best = trials.best
    return best is not None and best.match.error <= _REPRODUCED and best.match.likeness >= LIKE


def _refine_boxes(
    trials: PlacementTrials, locations: list[Location], report: Callable[[float], None]
) -> None:
    """Try interpolations; each may have its best part a pixel away from that of another."""
    if not locations:
        return
    best = max(locations, key=lambda location: location.score)
    for index, kernel in enumerate(_BOX_KERNELS):
        report(0.5 * index / len(_BOX_KERNELS))
        best = climb(trials, best, kernel, 0.0)
        if trials.exact:
            return
    _refine(trials, _groups_around(trials, [best]), lambda share: report(0.5 + 0.5 * share))


def _try_ours(trials: PlacementTrials) -> None:
    resize = our_resize(trials.size, trials.preprocess)
    kernel = own_kernel(trials.preprocess)
    for view in trials.views:
        centre = crop_offsets(resize.size, trials.want(view))["centre"]
        trials.consider(view, resize, kernel, [centre])
        if trials.settled:
            return


def _refine(
    trials: PlacementTrials, groups: list[PlacementGroup], report: Callable[[float], None]
) -> None:
    """Try placements with a few kernels, and the best of them with all, until one agrees."""
    ours = own_kernel(trials.preprocess)
    first = list(dict.fromkeys([ours, *_FIRST]))
    misfits = []
    for index, group in enumerate(groups):
        report(0.4 * index / len(groups))
        misfits.append(min(_try(trials, group, kernel) for kernel in first))
        if trials.settled:
            return _simplify(trials, groups)
    if trials.exact:  # by odd numbers, so that every group was given its chance
        return _simplify(trials, groups)
    if trials.best is None or trials.best.match.likeness < _HOPELESS:
        return None
    ranked = sorted(range(len(groups)), key=lambda index: misfits[index])
    limit = _NEAR * min(misfits, default=1.0)
    near = [groups[index] for index in ranked if misfits[index] <= limit]
    plain = [kernel for kernel in (*OPENCV, *PILLOW) if kernel not in first]
    rest = [(group, kernel) for group in near[:_FAST_GROUPS] for kernel in plain]
    rest += [(group, kernel) for group in near[:_SLOW_GROUPS] for kernel in FLOATS]
    for index, (group, kernel) in enumerate(rest):
        report(0.4 + 0.6 * index / len(rest))
        _try(trials, group, kernel)
        if trials.exact:
            return _simplify(trials, groups)
    return None


def _groups_around(trials: PlacementTrials, locations: list[Location]) -> list[PlacementGroup]:
    """The sizes of locations by every rounding, turned before the resize or after."""
    groups: dict[tuple[View, Size, object], PlacementGroup] = {}
    for location in locations:
        want = trials.want(location.view)
        resizes = [location.resize]
        if location.resize.kind == "short":
            resizes = distinct(short_resizes(trials.size, int(location.resize.value)), want)
        for resize in resizes:
            offsets = [*crop_offsets(resize.size, want).values(), *_around(location.offset)]
            group = PlacementGroup(location.view, resize, tuple(offsets))
            for item in _turned_groups(group, trials.size, want):
                groups.setdefault((item.view, item.resize.size, item.resize.box), item)
    return list(groups.values())


def _filled_groups(trials: PlacementTrials) -> list[PlacementGroup]:
    """Placements of the whole picture in a frame."""
    groups: list[PlacementGroup] = []
    for view in trials.views:
        want = trials.want(view)
        for resize in filled_resizes(trials.size, want):
            offsets = tuple(crop_offsets(want, resize.size).values())
            groups += _turned_groups(PlacementGroup(view, resize, offsets), trials.size, want)
    return groups


def _turned_groups(group: PlacementGroup, have: Size, want: Size) -> Iterator[PlacementGroup]:
    """The same placements, with the turn after the resize and before it."""
    yield group
    view, resize = group.view, group.resize
    if not view.turn:
        return
    small, whole = (resize.size, want) if resize.kind == "fit" else (want, resize.size)
    offsets = [turned_offset(at, small, whole, view.turn) for at in group.offsets]
    size, box = resize.size, resize.box
    if is_sideways(view.turn):
        size = (size[1], size[0])
        box = None if box is None else (box[1], box[0], box[3], box[2])
        whole, small = (whole[1], whole[0]), (small[1], small[0])
    if resize.box and resize.kind == "box":  # the others' lie where their rule has them
        at = turned_offset(resize.box[:2], resize.box[2:], have, view.turn)
        box = (*at, *box[2:]) if box else None
    known = crop_offsets(whole, small).values()
    before = replace(resize, size=size, box=box)
    offsets = list(dict.fromkeys([*known, *offsets]))
    yield PlacementGroup(View(view.reading, view.turn, after=False), before, tuple(offsets))


def _simplify(trials: PlacementTrials, groups: list[PlacementGroup]) -> None:
    """See whether a placement with fewer differences agrees as well."""
    best: Placement | None = trials.best
    if best is None or best.cost < 2:
        return
    ours = own_kernel(trials.preprocess)
    for group in groups:
        for kernel in dict.fromkeys([best.kernel, ours]):
            _try(trials, group, kernel)


def _try(trials: PlacementTrials, group: PlacementGroup, kernel: Kernel) -> float:
    return trials.consider(group.view, group.resize, kernel, list(group.offsets))


def _around(offset: Size) -> list[Size]:
    steps = (0, -1, 1)
    return [(offset[0] + down, offset[1] + right) for down in steps for right in steps]
