"""What a wrong preprocessing would have made of an input, the likeliest mistakes first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.variants.change import Change
from paddleport.validate.input_diff.variants.layouts import (
    grey_change,
    layout_changes,
    turn_changes,
)
from paddleport.validate.input_diff.variants.pictures import picture_changes
from paddleport.validate.input_diff.variants.recipes import HALF, RAW, UNIT
from paddleport.validate.input_diff.variants.values import SWAPPED, value_changes


@dataclass(frozen=True)
class Variant:
    """An input that was prepared wrongly.

    Attributes:
        name: what it is, to finish "Its answer is the reference's on another input: ...".
        sentence: what to do next.
        tensor: of the input's shape and type.
        change: what was done, to do the same to another input.
    """

    name: str
    sentence: str
    tensor: Array
    change: Change


def input_variants(
    tensor: Array,
    preprocess: Preprocess | None,
    picture: Array | None,
    *,
    only: Callable[[Change], bool] = lambda change: True,
) -> Iterator[Variant]:
    """Variants of an input, each made when it is asked for.

    All keep the input's shape, so that whoever takes the input takes them, and differ from it.
    Two may be alike for one picture that are not for another: roundings of a size, for example.

    Args:
        tensor: [N, C, H, W]. With another number of axes there are none.
        preprocess: how pictures are fed, if known; else common statistics are assumed.
        picture: what the input was made from, [H, W, 3] uint8 BGR, if it was; then other
            interpolations, sizes and crops are among the variants.
        only: whether a change is worth being made.
    """
    if tensor.ndim != 4 or not tensor.size:
        return
    for change in _changes(tensor, preprocess, picture is not None):
        made = change.make(tensor, picture) if only(change) else None
        if made is None or made.shape != tensor.shape or np.array_equal(made, tensor):
            continue
        yield Variant(change.name, f"Next: {change.advice}.", made, change)


def _changes(tensor: Array, preprocess: Preprocess | None, from_picture: bool) -> Iterator[Change]:
    """Single mistakes, then two at a time."""
    floating = np.issubdtype(tensor.dtype, np.floating)
    likely, others = value_changes(preprocess, tensor.shape[1], floating=floating)
    layouts, turns = layout_changes(), turn_changes()
    single: list[Change] = []
    pairs: list[Change] = []
    if from_picture and preprocess is not None:
        single, pairs = picture_changes(preprocess, (tensor.shape[2], tensor.shape[3]))
    yield from likely
    yield from layouts + turns
    yield from single
    yield from others
    swapped = _named(likely, SWAPPED)
    as_bytes = swapped + _named(likely + others, RAW, UNIT)  # what nobody has normalised
    yield from (values.then(layout) for layout in layouts for values in as_bytes)
    yield from (values.then(turn) for turn in turns for values in swapped)
    yield grey_change(preprocess.channels if preprocess is not None else "RGB")
    yield from pairs
    for values in swapped + _named(likely, HALF):
        yield from (pixels.then(values) for pixels in single + pairs)


def _named(changes: list[Change], *starts: str) -> list[Change]:
    return [change for change in changes if change.name.startswith(starts)]
