"""Other values in the same places: another normalisation, or another order of the channels."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.variants.change import Change
from paddleport.validate.input_diff.variants.recipes import (
    Recipe,
    assumed_recipes,
    instead_of,
    on_top_of,
    own_recipe,
    rarely_instead_of,
)

SWAPPED = "channels swapped"
_ALIKE = 1e-4  # relative: finer than any two scales differ that are not spellings of one


@dataclass(frozen=True)
class Values:
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

    def is_as(self, other: "Values") -> bool:
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
) -> tuple[list[Change], list[Change]]:
    """Likely and less likely changes of the values, each of them once.

    Args:
        preprocess: the model's; where it is unknown, ImageNet's and 0.5 are taken for it.
        channels: how many the input has; without 1 or 3 it is no picture, and nothing is given.
        floating: whether the input takes fractions; else only the channels are changed.
    """
    if channels not in (1, 3):
        return [], []
    kept = [Values("", False, (1.0,) * channels, (0.0,) * channels)]
    groups: tuple[list[Change], list[Change]] = ([], [])
    order = preprocess.channels if preprocess is not None else ""
    own = own_recipe(preprocess, channels)
    for group, made in zip(groups, (_likely, _others), strict=True):
        for values in made(own, order, channels):
            if (floating or values.keeps_values) and not any(map(values.is_as, kept)):
                kept.append(values)
                group.append(Change(values.name, _advice(values, own, order), values.make))
    return groups


def _advice(values: Values, own: Recipe | None, order: str) -> str:
    steps = []
    if values.swapped:
        steps.append(f"feed the channels in the order {order or 'of the model'}")
    if not values.keeps_values:
        steps.append(f"normalise once, {f'with {own.text}' if own else 'as for the reference'}")
    return ", and ".join(steps)


def _likely(own: Recipe | None, order: str, channels: int) -> Iterator[Values]:
    yield Values(SWAPPED, True, (1.0,) * channels, (0.0,) * channels)
    for top in on_top_of(own, order, channels):
        yield _applied(top)
    for recipe in [own] if own else assumed_recipes(channels):
        yield from _misordered(recipe)
        for other in instead_of(recipe, order):
            yield _applied(other, recipe)


def _others(own: Recipe | None, order: str, channels: int) -> Iterator[Values]:
    """The likely ones with swapped channels, then rare ones, with and without."""
    for top in on_top_of(own, order, channels):
        yield from _reordered(top)
    for recipe in [own] if own else assumed_recipes(channels):
        for other in instead_of(recipe, order):
            yield from _reordered(other, recipe)
        for other in rarely_instead_of(recipe, order):
            yield _applied(other, recipe)
            yield from _reordered(other, recipe)


def _misordered(own: Recipe) -> Iterator[Values]:
    """Channels and their statistics in different orders."""
    name = f"{SWAPPED} before normalising, mean and std left in place"
    yield _applied(replace(own, name=name), own, swapped=True)
    name = "mean and std in reverse order of the channels"
    yield _applied(replace(own.reverse, name=name), own)


def _reordered(recipe: Recipe, own: Recipe | None = None) -> Iterator[Values]:
    """A recipe with the channels swapped after it, and before it."""
    name = f"{recipe.name}, {SWAPPED}"
    yield _applied(replace(recipe.reverse, name=name), own, swapped=True)
    yield _applied(replace(recipe, name=f"{name} before normalising"), own, swapped=True)


def _applied(recipe: Recipe, own: Recipe | None = None, *, swapped: bool = False) -> Values:
    """``recipe`` for the levels that ``own`` was applied to, or for the input itself."""
    channels = len(recipe.mean)
    own = own or Recipe("", 1.0, (0.0,) * channels, (1.0,) * channels)
    source = own.reverse if swapped else own  # the levels come from the opposite channel
    was_mean, was_std = np.array(source.mean), np.array(source.std)
    mean, std, ratio = np.array(recipe.mean), np.array(recipe.std), recipe.scale / own.scale
    gains, offsets = was_std * ratio / std, (was_mean * ratio - mean) / std
    name = f"{recipe.name}{own.given}"
    return Values(name, swapped, tuple(gains.tolist()), tuple(offsets.tolist()))
