"""Lists whose rows stand in another order because what they are ordered by is equal.

A detector gives its boxes by falling score, TopK its values. Where two are equal within the
limit, which of them comes first is rounding, and no two runtimes agree on it. Nothing else may
change places: not the examples of a batch, and no row whose score is not the other's.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array
from paddleport.validate.compare.error_scale import ErrorScale, choose_error_scale

_MOST_NUMBERS = 1e8  # that are held against each other, in all rows that are out of place
_LEAST_VALUES = 3  # of what rows are ordered by: a mask has two
_TABLE_COLUMNS = 6  # label, score and a box, as every detector of Paddle's gives them


@dataclass(frozen=True)
class OutputTensors:
    """One output's tensors, one per feed."""

    name: str
    reference: list[Array]
    candidate: list[Array]


class MeasuredOutput:
    """An output with its unit of error.

    Attributes:
        reference, candidate: one tensor per feed.
        scale: the output's unit of error.
    """

    def __init__(self, tensors: OutputTensors, typical: Sequence[int]) -> None:
        """Of one output; the scale is that of the ``typical`` feeds."""
        self.reference, self.candidate = tensors.reference, tensors.candidate
        self.scale = choose_error_scale(self.reference, self.candidate, typical)

    @cached_property
    def errors(self) -> list[float]:
        """The candidate's, one per feed."""
        pairs = zip(self.candidate, self.reference, strict=True)
        return [self.scale.error(one, other) for one, other in pairs]


@dataclass(frozen=True)
class ListItems:
    """The rows of a list: [rows, numbers], of both sides.

    Attributes:
        scale: the unit of error.
        reference, candidate: ``values`` of that scale; what is compared for equality as it is.
    """

    scale: ErrorScale
    reference: Array
    candidate: Array

    def errors(self, row: int, others: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float64]:
        """The error of each of the candidate's rows ``others`` in the place of ``row``."""
        found = self.candidate[others]
        return self._errors(found, np.broadcast_to(self.reference[row], found.shape))

    @property
    def in_place(self) -> NDArray[np.float64]:
        """The error of each row where it stands."""
        return self._errors(self.candidate, self.reference)

    def order(self, limit: float, *others: "ListItems") -> NDArray[np.intp] | None:
        """Which row of the candidate's stands for each of the reference's.

        Rows that are right where they stand stay.

        Args:
            limit: that no error may be above.
            others: what else the rows hold; it changes places with them.

        Returns:
            ``None`` where a row stands for none, or there is too much out of place to look.
        """
        parts = (self, *others)
        wrong = np.flatnonzero(np.max([items.in_place for items in parts], axis=0) > limit)
        if len(wrong) ** 2 * sum(items.reference.shape[1] for items in parts) > _MOST_NUMBERS:
            return None
        order, free = np.arange(len(self.reference)), wrong
        for row in wrong:
            found = np.max([items.errors(int(row), free) for items in parts], axis=0)
            best = int(found.argmin())
            if found[best] > limit:
                return None
            order[row] = free[best]
            free = np.delete(free, best)
        return order

    def _errors(self, found: Array, wanted: Array) -> NDArray[np.float64]:
        if self.scale.measure == "equality":
            return np.where((found != wanted).any(axis=1), np.inf, 0.0)
        worst: NDArray[np.float64] = self.scale.errors(found, wanted).max(axis=1, initial=0.0)
        return worst


class RowOrder:
    """Rows of one axis, of all outputs that have it, put in the reference's order.

    They may change places where scores are equal on both sides: those of an output with one
    number a row that falls along the axis, or the second column of a detector's table.
    """

    def __init__(
        self,
        outputs: Sequence[MeasuredOutput],
        batches: Sequence[int],
        limit: float,
        typical: Sequence[int],
    ) -> None:
        """Of all outputs; ``batches`` as in ``FeedName``, 0 where it is not known."""
        self._outputs, self._batches, self._limit = outputs, batches, limit
        self._typical = typical
        self._known: dict[tuple[int, int], ErrorScale | None] = {}

    def arranged(self, place: int, feed: int) -> Mapping[int, Array]:
        """The candidate's tensors in the reference's order, by output; empty where it can't be.

        Args:
            place: of an output that is not the reference's.
            feed: on which feed.
        """
        shape = self._outputs[place].reference[feed].shape
        for axis in range(min(len(shape), 2)):
            lists = self._lists(axis, feed, shape)
            group = self._group(shape[: axis + 1], feed)
            scores = [item for item in group if self._score_scale(item, axis) is not None]
            if place not in group or not lists or not scores:
                continue
            made = {item: self._outputs[item].candidate[feed].copy() for item in group}
            if all(self._arrange(made, scores, axis, feed, where) for where in lists):
                return made
        return {}

    def _lists(self, axis: int, feed: int, shape: tuple[int, ...]) -> list[slice | int]:
        """Where each list of rows stands; none where the rows may be the batch's."""
        batch = self._batches[feed]
        if axis:
            return list(range(shape[0])) if batch in (1, shape[0]) else []
        if batch == 1:
            return [slice(0, shape[0])]
        for item in self._outputs:
            counts = item.reference[feed]
            counted = counts.dtype.kind in "iu" and 0 < counts.size == batch
            if counted and item.errors[feed] == 0 and (counts >= 0).all():
                ends = np.cumsum(counts.reshape(-1)).tolist()
                if ends[-1] == shape[0]:
                    return [slice(start, end) for start, end in pairwise([0, *ends])]
        return []

    def _group(self, lead: tuple[int, ...], feed: int) -> list[int]:
        """The outputs that have such rows, on both sides."""
        return [
            place
            for place, item in enumerate(self._outputs)
            if item.reference[feed].shape[: len(lead)] == lead
            and item.candidate[feed].shape == item.reference[feed].shape
        ]

    def _score_scale(self, place: int, axis: int) -> ErrorScale | None:
        """The unit of error of an output's scores; ``None`` where it has none."""
        key = (place, axis)
        if key not in self._known:
            self._known[key] = self._find_scores(place, axis)
        return self._known[key]

    def _find_scores(self, place: int, axis: int) -> ErrorScale | None:
        item = self._outputs[place]
        if item.scale.measure != "values":
            return None
        tensors = [tensor for tensor in item.reference if tensor.size]
        if not tensors or any(tensor.ndim <= axis for tensor in tensors):
            return None
        scores = [_scores(tensor, axis) for tensor in item.reference]
        if not is_telling(scores):
            return None
        flat = [score.reshape(-1) for score in scores]
        scale = choose_error_scale(flat, flat, self._typical)
        if all(_is_table(tensor, axis) for tensor in tensors):
            return scale
        if any(tensor[(0,) * (axis + 1)].size != 1 for tensor in tensors):
            return None
        falls = all(
            falls_along(score[where], scale, self._limit)
            for feed, score in enumerate(scores)
            for where in self._lists(axis, feed, score.shape)
        )
        return scale if falls else None

    def _arrange(
        self,
        made: dict[int, Array],
        scores: Sequence[int],
        axis: int,
        feed: int,
        where: slice | int,
    ) -> bool:
        """Put one list of every tensor in order; whether that could be done."""
        keys = [self._score_items(place, axis, feed, where) for place in scores]
        if any((items.in_place > self._limit).any() for items in keys):
            return False
        order = keys[0].order(self._limit, *keys[1:], *self._items(made, feed, where))
        if order is None:
            return False
        for tensor in made.values():
            tensor[where] = tensor[where][order]
        return True

    def _score_items(self, place: int, axis: int, feed: int, where: slice | int) -> ListItems:
        scale = self._score_scale(place, axis)
        item = self._outputs[place]
        sides = (_scores(side[feed], axis)[where] for side in (item.reference, item.candidate))
        reference, candidate = (np.asarray(side, np.float64).reshape(-1, 1) for side in sides)
        return ListItems(scale or item.scale, reference, candidate)

    def _items(
        self, places: Mapping[int, Array], feed: int, where: slice | int
    ) -> Iterator[ListItems]:
        for place in places:
            item = self._outputs[place]
            sides = (item.reference[feed], item.candidate[feed])
            if item.scale.measure != "equality":
                sides = (item.scale.values(sides[0]), item.scale.values(sides[1]))
            rows, *numbers = sides[0][where].shape
            reference, candidate = (side[where].reshape(rows, math.prod(numbers)) for side in sides)
            yield ListItems(item.scale, reference, candidate)


def is_telling(scores: Sequence[Array]) -> bool:
    """Whether rows can be in the order of these: finite numbers of several values."""
    values = np.concatenate([score.reshape(-1) for score in scores])
    return bool(np.isfinite(values).all()) and len(np.unique(values)) >= _LEAST_VALUES


def falls_along(scores: Array, scale: ErrorScale, limit: float) -> bool:
    """Whether numbers never rise along the last axis by more than the limit lets pass."""
    exact = np.asarray(scores, np.float64)
    before, after = exact[..., :-1], exact[..., 1:]
    return bool((after - before <= limit * scale.unit(before)).all())


def _scores(tensor: Array, axis: int) -> Array:
    """What rows may be in the order of, [..., rows]; of a table its second column."""
    if not tensor.size:
        return np.zeros(tensor.shape[: axis + 1])
    if _is_table(tensor, axis):
        return tensor[..., 1]
    return tensor.reshape(*tensor.shape[: axis + 1], -1)[..., 0]


def _is_table(tensor: Array, axis: int) -> bool:
    """Whether rows are label, score and box; with -1 for both where there is none."""
    if tensor.ndim != axis + 2 or tensor.shape[-1] < _TABLE_COLUMNS:
        return False
    if not tensor.size or not np.isfinite(tensor).all():
        return False
    labels, scores = tensor[..., 0], tensor[..., 1]
    return bool((labels == np.rint(labels)).all() and (np.abs(scores) <= 1).all())
