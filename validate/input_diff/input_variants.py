"""What a wrong preprocessing would have made of an input, the likeliest mistakes first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array
from paddleport.validate.input_diff.known_normalisations import HALF, RAW, UNIT
from paddleport.validate.input_diff.picture_changes import picture_changes
from paddleport.validate.input_diff.tensor_changes import (
    CHANNELS_SWAPPED,
    InputChange,
    grey_change,
    layout_changes,
    turn_changes,
    value_changes,
)


@dataclass(frozen=True, kw_only=True)
class InputVariant:
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
    change: InputChange


def input_variants(
    tensor: Array,
    preprocess: Preprocess | None,
    picture: Array | None,
    *,
    only: Callable[[InputChange], bool] = lambda change: True,
) -> Iterator[InputVariant]:
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
        sentence = f"Next: {change.advice}."
        yield InputVariant(name=change.name, sentence=sentence, tensor=made, change=change)


def _changes(
    tensor: Array, preprocess: Preprocess | None, from_picture: bool
) -> Iterator[InputChange]:
    """Single mistakes, then two at a time."""
    floating = np.issubdtype(tensor.dtype, np.floating)
    likely, others = value_changes(preprocess, tensor.shape[1], floating=floating)
    layouts, turns = layout_changes(), turn_changes()
    single: list[InputChange] = []
    pairs: list[InputChange] = []
    if from_picture and preprocess is not None:
        single, pairs = picture_changes(preprocess, (tensor.shape[2], tensor.shape[3]))
    yield from likely
    yield from layouts + turns
    yield from single
    yield from others
    swapped = _named(likely, CHANNELS_SWAPPED)
    as_bytes = swapped + _named(likely + others, RAW, UNIT)  # what nobody has normalised
    yield from (values.then(layout) for layout in layouts for values in as_bytes)
    yield from (values.then(turn) for turn in turns for values in swapped)
    yield grey_change(preprocess.channels if preprocess is not None else "RGB")
    yield from pairs
    for values in swapped + _named(likely, HALF):
        yield from (pixels.then(values) for pixels in single + pairs)


def _named(changes: list[InputChange], *starts: str) -> list[InputChange]:
    return [change for change in changes if change.name.startswith(starts)]
