"""Changes to the pixels that an input is made of: another interpolation, size or crop."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.resampling import (
    FLOATS,
    OPENCV,
    PILLOW,
    Kernel,
    Size,
    own_kernel,
    resample,
)
from paddleport.validate.input_diff.resize_and_crop import (
    CENTRAL_SHARE,
    MAX_RESIZED_PIXELS,
    SHORT_SIDES,
    ResizeRule,
    crop_offsets,
    cropped_first,
    our_resize,
    scaled_short_sides,
    short_resizes,
)
from paddleport.validate.input_diff.tensor_changes import InputChange

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
    Kernel("OpenCV", "linear"),
    Kernel("OpenCV", "cubic"),
    Kernel("OpenCV", "area"),
)


@dataclass(frozen=True, kw_only=True)
class PixelRule:
    """How the pixels of a tensor are taken from a picture.

    Attributes:
        name: what is done, as ``InputChange.name``.
        advice: what should be done, as ``InputChange.advice``.
        resize: the rule for the size, by the picture's (height, width).
        kernel: the resampling.
        crop: (top, left) by the sizes resized to and wanted.
    """

    name: str
    advice: str
    resize: Callable[[Size], ResizeRule]
    kernel: Kernel
    crop: Callable[[Size, Size], Size]


def picture_changes(
    preprocess: Preprocess, want: Size
) -> tuple[list[InputChange], list[InputChange]]:
    """Single changes, the likeliest first, and pairs of size and interpolation.

    Args:
        preprocess: the model's.
        want: (height, width) of the input.
    """
    ours = PixelRule(
        name="",
        advice="",
        resize=lambda have: our_resize(have, preprocess),
        kernel=own_kernel(preprocess),
        crop=lambda have, want: crop_offsets(have, want)["centre"],
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
        [_change_of(rule, preprocess) for rule in single],
        [_change_of(rule, preprocess) for rule in pairs],
    )


def _kernels(ours: PixelRule, kernels: tuple[Kernel, ...]) -> Iterator[PixelRule]:
    for kernel in kernels:
        if kernel != ours.kernel:
            advice = f"resize with {ours.kernel.title}"
            yield replace(ours, name=f"resized with {kernel.title}", advice=advice, kernel=kernel)


def _sizes(ours: PixelRule, preprocess: Preprocess, want: Size) -> Iterator[PixelRule]:
    advice = _size_advice(preprocess)

    def rule(name: str, resize: Callable[[Size], ResizeRule]) -> PixelRule:
        return replace(ours, name=name, advice=advice, resize=resize)

    yield rule(_straight(want), lambda have: ResizeRule(kind="exact", size=want))
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
    for share, name in (
        (1.0, "the centre square"),
        (CENTRAL_SHARE, f"the central {CENTRAL_SHARE:g}"),
    ):
        yield rule(f"{name} cut out before resizing", _cut_first(share, want))
    yield rule("not resized, only cropped", lambda have: ResizeRule(kind="none", size=have))


def _crops(ours: PixelRule, preprocess: Preprocess, want: Size) -> Iterator[PixelRule]:
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
    known = dict.fromkeys([smallest, max(want), *scaled_short_sides(want), *SHORT_SIDES])
    return [side for side in known if side != preprocess.resize_short and side >= smallest]


def _squares(preprocess: Preprocess, want: Size) -> list[int]:
    own = [preprocess.resize_short] if preprocess.resize_short is not None else []
    return [side for side in dict.fromkeys(own + _sides(preprocess, want)) if side > max(want)]


def _short(side: int, rounding: str = "") -> str:
    how = f", the long side rounded {rounding}" if rounding else ""
    return f"short side resized to {side}{how}"


def _straight(size: Size) -> str:
    return f"resized straight to {size[0]}x{size[1]}, not keeping the ratio"


def _shortened(side: int, place: int) -> Callable[[Size], ResizeRule]:
    return lambda have: short_resizes(have, side)[place]


def _squared(side: int) -> Callable[[Size], ResizeRule]:
    return lambda have: ResizeRule(kind="exact", size=(side, side))


def _cut_first(share: float, want: Size) -> Callable[[Size], ResizeRule]:
    return lambda have: cropped_first(have, want, share, square=share == 1)


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


def _change_of(rule: PixelRule, preprocess: Preprocess) -> InputChange:
    """A rule as a change; a tensor that was made from no picture stays what it is."""

    def make(tensor: Array, picture: Array | None) -> Array | None:
        if picture is None:
            return tensor
        made = _prepared(picture, rule, preprocess, (tensor.shape[2], tensor.shape[3]))
        if made is None or made.shape != tensor.shape[1:]:
            return None
        return np.broadcast_to(made, tensor.shape).astype(tensor.dtype)

    return InputChange(rule.name, rule.advice, make)


def _prepared(picture: Array, rule: PixelRule, preprocess: Preprocess, want: Size) -> Array | None:
    """A picture as a rule has it and normalised as the model's: [3, H, W] float32.

    Args:
        picture: [H, W, 3] uint8 BGR.
        rule: the size, the interpolation and the crop.
        preprocess: the order of the channels, scale, mean and std.
        want: (height, width) of what comes out.

    Returns:
        ``None`` where the crop does not fit into the resized picture.
    """
    have: Size = (picture.shape[0], picture.shape[1])
    resize = rule.resize(have)
    if resize.size[0] * resize.size[1] > MAX_RESIZED_PIXELS:
        return None
    top, left = rule.crop(resize.size, want)
    bottom, right = top + want[0], left + want[1]
    if min(top, left) < 0 or bottom > resize.size[0] or right > resize.size[1]:
        return None
    resized = resample(resize.cut(picture), resize.size, rule.kernel)
    pixels = resized[top:bottom, left:right].astype(np.float32)
    ordered = pixels[:, :, ::-1] if preprocess.channels == "RGB" else pixels
    scale, mean, std = (
        np.asarray(value, np.float32)
        for value in (preprocess.scale, preprocess.mean, preprocess.std)
    )
    made: Array = ((ordered * scale - mean) / std).transpose(2, 0, 1)
    return made
