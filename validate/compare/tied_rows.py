"""What may stand in another order on both sides, because what it is ordered by is equal."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array
from paddleport.validate.compare.error_scale import ErrorScale
from paddleport.validate.compare.row_order import (
    MeasuredOutput,
    OutputTensors,
    RowOrder,
    falls_along,
    is_telling,
)


def put_in_order(
    outputs: Sequence[OutputTensors],
    batches: Sequence[int],
    limit: float,
    typical: Sequence[int],
) -> dict[int, tuple[OutputTensors, str]]:
    """The outputs that differ, in the reference's order where ties alone have made another.

    Args:
        outputs: all of them.
        batches: how many examples each feed holds; 0 where that is not known.
        limit: of the tolerance.
        typical: the feeds that scales are taken from.

    Returns:
        By position, those with a tensor that was put in order, and what was done, in words.
    """
    measured = [MeasuredOutput(item, typical) for item in outputs]
    rows = RowOrder(measured, batches, limit, typical)
    made = {}
    for place, item in enumerate(measured):
        own_limit = 0.0 if item.scale.measure == "equality" else limit
        candidate = list(item.candidate)
        moved, tied = [], []
        for feed in [index for index, error in enumerate(item.errors) if error > own_limit]:
            if _is_tied(place, feed, measured, batches, limit):
                candidate[feed] = item.reference[feed]
                tied.append(feed)
            elif place in (arranged := rows.arranged(place, feed)):
                candidate[feed] = arranged[place]
                moved.append(feed)
        if moved or tied:
            text = _in_words(len(moved), len(tied))
            found = OutputTensors(outputs[place].name, item.reference, candidate)
            made[place] = (found, text)
    return made


def _in_words(moved: int, tied: int) -> str:
    texts = (
        (moved, "the same rows in another order, where their scores are equal"),
        (tied, "other indices of equal values"),
    )
    return ", and ".join(
        f"{text}, for {count} feed{'' if count == 1 else 's'}" for count, text in texts if count
    )


def _is_tied(
    place: int,
    feed: int,
    outputs: Sequence[MeasuredOutput],
    batches: Sequence[int],
    limit: float,
) -> bool:
    """Whether an output holds other indices of values that another output shows to be equal.

    There must be no third output of such lists, in which something would have to move as well.
    """
    indices = outputs[place]
    if indices.reference[feed].dtype.kind not in "iu":
        return False
    if indices.candidate[feed].shape != indices.reference[feed].shape:
        return False
    shape = indices.reference[feed].shape
    axes = [
        axis
        for axis in _list_axes(shape, batches[feed])
        if sum(item.reference[feed].shape[: axis + 1] == shape[: axis + 1] for item in outputs) == 2
    ]
    return any(
        values.scale.measure == "values"
        and all(
            one.shape == other.shape
            for one, other in zip(values.reference, indices.reference, strict=True)
        )
        and is_telling(values.reference)
        and any(_is_tied_along(axis, feed, values, indices, limit) for axis in axes)
        for values in outputs
    )


def _list_axes(shape: tuple[int, ...], batch: int) -> list[int]:
    """The axes that lists may run along: none that may be the batch."""
    if batch == 0:
        return []
    if batch == 1 or shape[:1] == (batch,):
        return list(range(int(batch > 1), len(shape)))
    return [axis for axis, size in enumerate(shape) if size != batch]


def _is_tied_along(
    axis: int, feed: int, values: MeasuredOutput, indices: MeasuredOutput, limit: float
) -> bool:
    """Whether each list along an axis has its values ordered, and every index the same value."""
    scale = values.scale
    rows = [np.moveaxis(np.asarray(item, np.float64), axis, -1) for item in values.reference]
    falling = all(falls_along(item, scale, limit) for item in rows)
    if not falling and not all(falls_along(item[..., ::-1], scale, limit) for item in rows):
        return False
    tied = np.concatenate([_tied_values(item, scale, limit) for item in rows])
    length = indices.reference[feed].shape[axis]
    sides = (values.reference, indices.reference, values.candidate, indices.candidate)
    lists = [np.moveaxis(side[feed], axis, -1).reshape(-1, length) for side in sides]
    return all(
        np.array_equal(expected, found)
        or _is_tied_list((wanted, expected), (given, found), tied, scale, limit)
        for wanted, expected, given, found in zip(*lists, strict=True)
    )


def _is_tied_list(
    reference: tuple[Array, Array],
    candidate: tuple[Array, Array],
    tied: NDArray[np.float64],
    scale: ErrorScale,
    limit: float,
) -> bool:
    """Whether two lists of values and their indices differ by ties alone.

    An index that both name must have one value. One that only one of them names must have that
    of the end of the list, where equal ones are cut off, and that value must be seen twice, in
    this list or in another.

    Args:
        reference: values and indices.
        candidate: likewise.
        tied: the values that some list has twice.
        scale: of the values.
        limit: of the tolerance.
    """
    (wanted, expected), (given, found) = reference, candidate
    if len(np.unique(expected)) != len(expected) or len(np.unique(found)) != len(found):
        return False
    both, places, others = np.intersect1d(expected, found, return_indices=True)
    exact, other = np.asarray(wanted, np.float64), np.asarray(given, np.float64)
    if scale.worst(other[others], exact[places]) > limit:
        return False
    if len(both) == len(expected):
        return True
    last = np.full_like(exact, exact[-1])
    cut_off = (scale.errors(exact, last) <= limit)[~np.isin(expected, both)]
    new = (scale.errors(other, last) <= limit)[~np.isin(found, both)]
    seen = scale.errors(tied, np.full_like(tied, exact[-1])) <= limit
    return bool(cut_off.all() and new.all() and seen.any())


def _tied_values(
    lists: NDArray[np.float64], scale: ErrorScale, limit: float
) -> NDArray[np.float64]:
    """What stands beside its equal on the last axis."""
    before, after = lists[..., :-1], lists[..., 1:]
    return before[scale.errors(after, before) <= limit]
