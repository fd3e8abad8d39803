"""What outputs show by themselves: whether the batch matters, and how a wrong one comes about."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.compare.error_scale import ErrorScale
from paddleport.validate.compare.row_order import ListItems
from paddleport.validate.feeds.named_feed import NamedFeed

OTHER_ORDER = "in another order"
"""Stands in what ``describe_pattern`` says of rows that have changed places."""

_MOST_AXES = 4  # that a transposition is searched in
_ORDERED_AXES = 3  # that rows of another order are searched along


@dataclass(frozen=True, kw_only=True)
class BatchDependence:
    """An answer that depends on the place in the batch.

    Attributes:
        feed: the batch.
        row: the position in it, from 0.
        picture: the name of the feed that stands there.
        error: against the answer for the same picture alone or in position 0.
    """

    feed: str
    row: int
    picture: str
    error: float


def find_batch_dependence(
    outputs: Sequence[Array], feeds: Sequence[NamedFeed], scale: ErrorScale, limit: float
) -> BatchDependence | None:
    """The worst row whose answer depends on its place in the batch by more than ``limit``.

    Args:
        outputs: one output of one backend, a tensor per feed.
        feeds: the feeds, batches with their parts.
        scale: the output's error scale.
        limit: in that unit.
    """
    worst: BatchDependence | None = None
    for index, feed in enumerate(feeds):
        rows = feed.batch
        if outputs[index].ndim == 0 or len(outputs[index]) != rows or rows < 2:
            continue
        for row in range(rows):
            alone = _alone(outputs, feeds, index, row)
            if alone is None:
                continue
            error = scale.error(outputs[index][row : row + 1], alone)
            if error > limit and (worst is None or error > worst.error):
                picture = feeds[feed.parts[row]].name if feed.parts else feed.name
                worst = BatchDependence(feed=feed.name, row=row, picture=picture, error=error)
    return worst


def _alone(
    outputs: Sequence[Array], feeds: Sequence[NamedFeed], index: int, row: int
) -> Array | None:
    """The answer that a row of a batch must have, from where its picture stands elsewhere."""
    feed = feeds[index]
    if feed.parts:
        single = outputs[feed.parts[row]]
        return single if single.ndim and len(single) == 1 else None
    own = [tensor for tensor in feed.tensors.values() if tensor.shape[:1] == (feed.batch,)]
    repeated = all(np.array_equal(tensor[row], tensor[0]) for tensor in own)
    return outputs[index][:1] if row and repeated else None


def describe_pattern(candidate: Array, reference: Array, scale: ErrorScale, limit: float) -> str:
    """In words, how a wrong answer comes from the right one, if it does so in a simple way.

    Args:
        candidate: of one feed.
        reference: likewise.
        scale: of the output.
        limit: in its unit; 0 for whole numbers.
    """
    if not reference.size or reference.ndim > _MOST_AXES:
        return ""
    for axes in list(permutations(range(reference.ndim)))[1:]:
        turned = candidate.transpose(axes) if candidate.ndim == reference.ndim else candidate
        if scale.error(turned, reference) <= limit:
            return f"Transposed by {list(axes)} it is the reference's output."
    reshaped = candidate.size == reference.size and candidate.shape != reference.shape
    if reshaped and scale.error(candidate.reshape(reference.shape), reference) <= limit:
        return "Its values are right and only the shape is another."
    if candidate.shape != reference.shape:
        return ""
    return _reordered(candidate, reference, scale, limit) or _scaled(
        candidate, reference, scale, limit
    )


def _reordered(candidate: Array, reference: Array, scale: ErrorScale, limit: float) -> str:
    """That it holds the reference's rows along some axis, most of which are no other's equal."""
    if not np.isfinite(candidate).all():
        return ""
    values = [candidate, reference]
    if scale.measure != "equality":
        values = [scale.values(tensor) for tensor in values]
    for axis in range(min(reference.ndim, _ORDERED_AXES)):
        rows = reference.shape[axis]
        found, wanted = (np.moveaxis(tensor, axis, 0).reshape(rows, -1) for tensor in values)
        if 2 * len(np.unique(wanted, axis=0)) <= rows:
            continue
        order = ListItems(scale, wanted, found).order(limit)
        if order is not None and (order != np.arange(rows)).any():
            what = "rows" if wanted.shape[1] > 1 else "values"
            along = f" along axis {axis}" if axis else ""
            return f"It holds the reference's {what}{along} {OTHER_ORDER}."
    return ""


def _scaled(candidate: Array, reference: Array, scale: ErrorScale, limit: float) -> str:
    if scale.measure == "equality" or not np.isfinite(candidate).all():
        return ""
    a, b = candidate.astype(np.float64), reference.astype(np.float64)
    if not np.isfinite(b).all() or not np.sum(b * b):
        return ""
    factor = float(np.sum(a * b) / np.sum(b * b))
    if factor and scale.worst(scale.values(a / factor), scale.values(b)) <= limit:
        return f"Divided by {factor:.6g} it is the reference's output."
    offset = float(np.mean(a - b))
    if scale.worst(scale.values(a - offset), scale.values(b)) <= limit:
        return f"Less {offset:.6g} it is the reference's output."
    return ""
