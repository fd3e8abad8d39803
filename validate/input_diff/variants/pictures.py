"""Other pixels of the same picture: another interpolation, size or crop."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from paddleport.models.card import Preprocess
from paddleport.validate.input_diff.geometry import (
    SHORT_SIDES,
    Resize,
    crop_offsets,
    our_resize,
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
from paddleport.validate.input_diff.variants.change import Change
from paddleport.validate.input_diff.variants.picture_rules import Rule, change_of

_CROP = 224  # that the published sizes belong to
_FRACTION = 0.875  # of the picture, which TensorFlow's recipes crop before they resize
_ROUNDINGS = (("down", 1), ("up", 2))  # and their places in short_resizes
_FROM_CENTRE = {
    "one pixel too high": (-1, 0),
    "one pixel too low": (1, 0),
    "one pixel too far left": (0, -1),
    "one pixel too far right": (0, 1),
    "one pixel too high and too far left": (-1, -1),
    "one pixel too low and too far right": (1, 1),
}
_COMBINED = (
    Kernel("Pillow", "bilinear"),
    Kernel("Pillow", "bicubic"),
    Kernel("Pillow", "nearest"),
    Kernel("OpenCV", "cubic"),
    Kernel("OpenCV", "area"),
)


def picture_changes(preprocess: Preprocess, want: Size) -> tuple[list[Change], list[Change]]:
    """Single changes, the likeliest first, and pairs of size and interpolation.

    Args:
        preprocess: the model's.
        want: (height, width) of the input.
    """
    ours = Rule(
        "",
        "",
        lambda have: our_resize(have, preprocess),
        opencv_kernel(preprocess.interpolation),
        lambda have, want: crop_offsets(have, want)["centre"],
    )
    sizes = list(_sizes(ours, preprocess, want))
    single = [*_kernels(ours, (*OPENCV, *PILLOW)), *sizes, *_crops(ours, preprocess, want)]
    single += _kernels(ours, FLOATS)
    named = {rule.name: rule for rule in sizes}
    combined = [named[name] for name in _combined_sizes(preprocess, want) if name in named]
    pairs = [
        replace(rule, name=f"{rule.name}, {item.name}", advice=f"{rule.advice}, and {item.advice}")
        for size in combined
        for item in _kernels(ours, _COMBINED)
        for rule in [replace(size, kernel=item.kernel)]
    ]
    return (
        [change_of(rule, preprocess) for rule in single],
        [change_of(rule, preprocess) for rule in pairs],
    )


def _kernels(ours: Rule, kernels: tuple[Kernel, ...]) -> Iterator[Rule]:
    for kernel in kernels:
        if kernel != ours.kernel:
            advice = f"resize with {ours.kernel.title}"
            yield replace(ours, name=f"resized with {kernel.title}", advice=advice, kernel=kernel)


def _sizes(ours: Rule, preprocess: Preprocess, want: Size) -> Iterator[Rule]:
    advice = _size_advice(preprocess)

    def rule(name: str, resize: Callable[[Size], Resize]) -> Rule:
        return replace(ours, name=name, advice=advice, resize=resize)

    yield rule(_straight(want), lambda have: Resize("exact", 0, "round", want))
    if preprocess.resize_short is not None:
        side = preprocess.resize_short
        for rounding, place in _ROUNDINGS:
            yield rule(_short(side, rounding), _shortened(side, place))
    for side in _sides(preprocess, want):
        yield rule(_short(side), _shortened(side, 0))
    for side in _sides(preprocess, want):
        for rounding, place in _ROUNDINGS:
            yield rule(_short(side, rounding), _shortened(side, place))
    for side in _squares(preprocess, want):
        yield rule(_straight((side, side)), _squared(side))
    for share, name in ((1.0, "the centre square"), (_FRACTION, f"the central {_FRACTION:g}")):
        yield rule(f"{name} cut out before resizing", _cut_first(share, want))
    yield rule("not resized, only cropped", lambda have: Resize("none", 0, "round", have))


def _crops(ours: Rule, preprocess: Preprocess, want: Size) -> Iterator[Rule]:
    advice = f"crop {want[0]}x{want[1]} at the centre, its offsets rounded down"
    for key in crop_offsets(want, want):
        if key != "centre":
            yield replace(ours, name=f"cropped at the {key}", advice=advice, crop=_at(key))
    for key, step in _FROM_CENTRE.items():
        yield replace(ours, name=f"cropped {key}", advice=advice, crop=_beside(step))


def _combined_sizes(preprocess: Preprocess, want: Size) -> list[str]:
    """Names of the sizes that other libraries' recipes resize to, with their own kernels."""
    names = [_straight(want), _short(min(want))]
    if preprocess.resize_short is not None:
        side = preprocess.resize_short
        names += [_short(side, "down"), _straight((side, side))]
    return names


def _sides(preprocess: Preprocess, want: Size) -> list[int]:
    """Other lengths of the short side, also those in proportion to another crop than 224."""
    smallest = min(want)
    scaled = [round(side * smallest / _CROP) for side in SHORT_SIDES]
    known = dict.fromkeys([smallest, max(want), *scaled, *SHORT_SIDES])
    return [side for side in known if side != preprocess.resize_short and side >= smallest]


def _squares(preprocess: Preprocess, want: Size) -> list[int]:
    own = [preprocess.resize_short] if preprocess.resize_short is not None else []
    return [side for side in dict.fromkeys(own + _sides(preprocess, want)) if side > max(want)]


def _short(side: int, rounding: str = "") -> str:
    how = f", the long side rounded {rounding}" if rounding else ""
    return f"short side resized to {side}{how}"


def _straight(size: Size) -> str:
    return f"resized straight to {size[0]}x{size[1]}, not keeping the ratio"


def _shortened(side: int, place: int) -> Callable[[Size], Resize]:
    return lambda have: short_resizes(have, side)[place]


def _squared(side: int) -> Callable[[Size], Resize]:
    return lambda have: Resize("exact", 0, "round", (side, side))


def _cut_first(share: float, want: Size) -> Callable[[Size], Resize]:
    def resize(have: Size) -> Resize:
        side = max(int(min(have) * share), 1)
        part = (side, side) if share == 1 else (int(have[0] * share), int(have[1] * share))
        box = ((have[0] - part[0]) // 2, (have[1] - part[1]) // 2, *part)
        return Resize("first", share, "round", want, box)

    return resize


def _at(key: str) -> Callable[[Size, Size], Size]:
    return lambda have, want: crop_offsets(have, want)[key]


def _beside(step: Size) -> Callable[[Size, Size], Size]:
    def crop(have: Size, want: Size) -> Size:
        top, left = crop_offsets(have, want)["centre"]
        return top + step[0], left + step[1]

    return crop


def _size_advice(preprocess: Preprocess) -> str:
    if preprocess.resize_short is not None:
        return f"resize the short side to {preprocess.resize_short}, keeping the ratio"
    if preprocess.resize is not None:
        return f"resize to {preprocess.resize[0]}x{preprocess.resize[1]}"
    return "do not resize"
