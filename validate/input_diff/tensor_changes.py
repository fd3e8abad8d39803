"""Changes to an input: other values, channels in another order, axes in another, turns."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.known_normalisations import (
    NormalisationRecipe,
    assumed_recipes,
    instead_of,
    on_top_of,
    own_recipe,
    rarely_instead_of,
)
from paddleport.validate.input_diff.pixel_match import GREY_WEIGHTS
from paddleport.validate.input_diff.tensor_axes import is_sideways, turned

_Make = Callable[[Array, Array | None], Array | None]
"""From an input [N, C, H, W] and the picture it was made from, if any, to another input."""

CHANNELS_SWAPPED = "channels swapped"
_ALIKE = 1e-4  # relative: finer than any two scales differ that are not spellings of one


@dataclass(frozen=True)
class InputChange:
    """A mistake in the preprocessing.

    Attributes:
        name: what the input then is, to finish "on another input: ...".
        advice: what to do about it, to finish "Next: ...".
        make: does it; ``None`` where it cannot be done. A change to a picture's pixels leaves
            an input that was made from no picture as it is.
    """

    name: str
    advice: str
    make: _Make

    def then(self, other: "InputChange") -> "InputChange":
        """This change and, on the tensor that it makes, another one that needs no picture."""

        def both(tensor: Array, picture: Array | None) -> Array | None:
            made = self.make(tensor, picture)
            return None if made is None else other.make(made, None)

        return InputChange(f"{self.name}, {other.name}", f"{self.advice}, and {other.advice}", both)


@dataclass(frozen=True, kw_only=True)
class AffineChange:
    """``gain * x + offset`` in every channel, taken from the opposite one if ``swapped``."""

    name: str
    swapped: bool
    gains: tuple[float, ...]
    offsets: tuple[float, ...]

    def make(self, tensor: Array, picture: Array | None) -> Array:
        """Of an input [N, C, H, W]; the picture makes no difference."""
        source = tensor[:, ::-1] if self.swapped else tensor
        if self.keeps_values:
            return np.ascontiguousarray(source)
        shape = (1, len(self.gains), 1, 1)
        gains, offsets = np.reshape(self.gains, shape), np.reshape(self.offsets, shape)
        with np.errstate(over="ignore"):  # of float16, whose infinity is then the mistake's own
            made: Array = (source * gains + offsets).astype(tensor.dtype)
        return made

    @property
    def keeps_values(self) -> bool:
        """Whether at most their order changes."""
        return set(self.gains) == {1.0} and set(self.offsets) == {0.0}

    def is_as(self, other: "AffineChange") -> bool:
        """Whether both come to the same but for rounding."""
        finest = _ALIKE * max(map(abs, self.gains))
        ours, theirs = self.gains + self.offsets, other.gains + other.offsets
        one_order = self.swapped == other.swapped or len(self.gains) == 1
        return one_order and all(
            math.isclose(one, two, rel_tol=_ALIKE, abs_tol=finest)
            for one, two in zip(ours, theirs, strict=True)
        )


def value_changes(
    preprocess: Preprocess | None, channels: int, *, floating: bool = True
) -> tuple[list[InputChange], list[InputChange]]:
    """Likely and less likely changes of the values, each of them once.

    Args:
        preprocess: the model's; where it is unknown, ImageNet's and 0.5 are taken for it.
        channels: how many the input has; without 1 or 3 it is no picture, and nothing is given.
        floating: whether the input takes fractions; else only the channels are changed.
    """
    if channels not in (1, 3):
        return [], []
    kept = [_unchanged(channels)]
    groups: tuple[list[InputChange], list[InputChange]] = ([], [])
    order = preprocess.channels if preprocess is not None else ""
    own = own_recipe(preprocess, channels)
    for group, made in zip(groups, (_likely, _others), strict=True):
        for values in made(own, order, channels):
            if (floating or values.keeps_values) and not any(map(values.is_as, kept)):
                kept.append(values)
                group.append(InputChange(values.name, _advice(values, own, order), values.make))
    return groups


def _advice(values: AffineChange, own: NormalisationRecipe | None, order: str) -> str:
    steps = []
    if values.swapped:
        steps.append(f"feed the channels in the order {order or 'of the model'}")
    if not values.keeps_values:
        steps.append(f"normalise once, {f'with {own.text}' if own else 'as for the reference'}")
    return ", and ".join(steps)


def _likely(own: NormalisationRecipe | None, order: str, channels: int) -> Iterator[AffineChange]:
    yield replace(_unchanged(channels), name=CHANNELS_SWAPPED, swapped=True)
    for top in on_top_of(own, order, channels):
        yield _applied(top)
    for recipe in [own] if own else assumed_recipes(channels):
        yield from _misordered(recipe)
        for other in instead_of(recipe, order):
            yield _applied(other, recipe)


def _others(own: NormalisationRecipe | None, order: str, channels: int) -> Iterator[AffineChange]:
    """The likely ones with swapped channels, then rare ones, with and without."""
    for top in on_top_of(own, order, channels):
        yield from _reordered(top)
    for recipe in [own] if own else assumed_recipes(channels):
        for other in instead_of(recipe, order):
            yield from _reordered(other, recipe)
        for other in rarely_instead_of(recipe, order):
            yield _applied(other, recipe)
            yield from _reordered(other, recipe)


def _misordered(own: NormalisationRecipe) -> Iterator[AffineChange]:
    """Channels and their statistics in different orders."""
    name = f"{CHANNELS_SWAPPED} before normalising, mean and std left in place"
    yield _applied(replace(own, name=name), own, swapped=True)
    name = "mean and std in reverse order of the channels"
    yield _applied(replace(own.reverse, name=name), own)


def _reordered(
    recipe: NormalisationRecipe, own: NormalisationRecipe | None = None
) -> Iterator[AffineChange]:
    """A recipe with the channels swapped after it, and before it."""
    name = f"{recipe.name}, {CHANNELS_SWAPPED}"
    yield _applied(replace(recipe.reverse, name=name), own, swapped=True)
    yield _applied(replace(recipe, name=f"{name} before normalising"), own, swapped=True)


def _applied(
    recipe: NormalisationRecipe, own: NormalisationRecipe | None = None, *, swapped: bool = False
) -> AffineChange:
    """``recipe`` for the levels that ``own`` was applied to, or for the input itself."""
    channels = len(recipe.mean)
    own = own or NormalisationRecipe(
        name="", scale=1.0, mean=(0.0,) * channels, std=(1.0,) * channels
    )
    source = own.reverse if swapped else own  # the levels come from the opposite channel
    was_mean, was_std = np.array(source.mean), np.array(source.std)
    mean, std, ratio = np.array(recipe.mean), np.array(recipe.std), recipe.scale / own.scale
    gains, offsets = was_std * ratio / std, (was_mean * ratio - mean) / std
    name = f"{recipe.name}{own.given}"
    return AffineChange(
        name=name, swapped=swapped, gains=tuple(gains.tolist()), offsets=tuple(offsets.tolist())
    )


def _unchanged(channels: int) -> AffineChange:
    return AffineChange(name="", swapped=False, gains=(1.0,) * channels, offsets=(0.0,) * channels)


def layout_changes() -> list[InputChange]:
    """Bytes that were read in another layout than they were written in; the shape stays."""
    return [
        InputChange("HWC bytes read as CHW", "transpose to CHW, do not reshape", _hwc_as_chw),
        InputChange("CHW bytes read as HWC", "feed CHW as it is", _chw_as_hwc),
        InputChange("height and width swapped", "feed the height before the width", _swap_sides),
    ]


def turn_changes() -> list[InputChange]:
    """Pictures that stand otherwise; quarter turns only of square ones, so the shape stays."""
    upright = "feed the picture upright, as its EXIF orientation says"
    advice = {
        "flipped left to right": "do not mirror the picture",
        "flipped upside down": "feed the top row first",
        "turned by 180 degrees": upright,
        "turned by 90 degrees clockwise": upright,
        "turned by 90 degrees counter-clockwise": upright,
    }
    return [InputChange(turn, text, _turning(turn)) for turn, text in advice.items()]


def _turning(turn: str) -> _Make:
    def make(tensor: Array, picture: Array | None) -> Array | None:
        if is_sideways(turn) and tensor.shape[2] != tensor.shape[3]:
            return None
        return turned(tensor, turn, (2, 3))

    return make


def grey_change(order: str) -> InputChange:
    """All colour taken out; ``order`` of the channels is RGB unless it is BGR."""
    weights = np.array(GREY_WEIGHTS if order == "BGR" else GREY_WEIGHTS[::-1]).reshape(1, 3, 1, 1)

    def make(tensor: Array, picture: Array | None) -> Array | None:
        if tensor.shape[1] != 3 or not np.issubdtype(tensor.dtype, np.floating):
            return None
        grey = (tensor * weights).sum(axis=1, keepdims=True)
        return np.broadcast_to(grey, tensor.shape).astype(tensor.dtype)

    return InputChange("without colour, grey in every channel", "feed the picture in colour", make)


def _hwc_as_chw(tensor: Array, picture: Array | None) -> Array:
    return np.ascontiguousarray(tensor.transpose(0, 2, 3, 1)).reshape(tensor.shape)


def _chw_as_hwc(tensor: Array, picture: Array | None) -> Array:
    count, channels, height, width = tensor.shape
    read = tensor.reshape(count, height, width, channels)
    return np.ascontiguousarray(read.transpose(0, 3, 1, 2))


def _swap_sides(tensor: Array, picture: Array | None) -> Array:
    return np.ascontiguousarray(tensor.transpose(0, 1, 3, 2)).reshape(tensor.shape)
