"""Whether an output moves with its input: what never does cannot show that anything is wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array
from paddleport.validate.compare.error_scale import ErrorScale

_LEAST_SPREAD = 10.0  # times the limit: how far the reference must move between its feeds


def values_vary(tensors: Sequence[Array], error_scale: ErrorScale, limit: float) -> bool:
    """Whether floating-point outputs move by much more than the limit would let pass.

    Between the rows of all feeds, where a tensor of one axis or none is one row; of a single row,
    among its values.

    Args:
        tensors: the reference's, one per feed.
        error_scale: the output's.
        limit: of the tolerance.
    """
    filled = [error_scale.values(tensor) for tensor in tensors if tensor.size]
    if any(tensor.shape[1:] != filled[0].shape[1:] for tensor in filled):
        return True
    rows = [row for tensor in filled for row in _rows(tensor)]
    if not rows:
        return False
    least = _LEAST_SPREAD * limit
    first, *others = rows
    if not others:
        finite = first[np.isfinite(first)]
        return finite.size > 0 and float(finite.std()) > least * error_scale.scale
    return any(_moved(first, row, error_scale, least) for row in others)


def whole_numbers_vary(tensors: Sequence[Array], batches: Sequence[int]) -> bool:
    """Whether outputs that are no floating-point numbers change.

    Between feeds: in their values, or in a shape that is not the batch's doing. Of a single feed,
    among its values: a map of several classes can't have come about without the input, a lone
    count can.

    Args:
        tensors: the reference's, one per feed.
        batches: how many examples each feed holds; 0 where that is not known.
    """
    if len(tensors) == 1:
        return bool(tensors[0].size) and bool((tensors[0] != tensors[0].flat[0]).any())
    shapes: dict[int, tuple[int, ...]] = {}
    for tensor, batch in zip(tensors, batches, strict=True):
        if shapes.setdefault(batch, tensor.shape) != tensor.shape:
            return True
    first, *others = tensors
    return any(_differ(first, other) for other in others)


def _rows(tensor: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
    return list(tensor) if tensor.ndim > 1 else [tensor.reshape(-1)]


def _moved(
    first: NDArray[np.float64], row: NDArray[np.float64], error_scale: ErrorScale, least: float
) -> bool:
    first, row = _common(first, row)
    if not np.array_equal(np.isfinite(first), np.isfinite(row)):
        return True
    return error_scale.worst(first, row) > least


def _differ(one: Array, other: Array) -> bool:
    if one.shape[1:] != other.shape[1:]:
        return True
    return not np.array_equal(*_common(one, other))


def _common(one: Array, other: Array) -> tuple[Array, Array]:
    """The rows that both have; batches, and outputs of one axis, may be of several lengths."""
    if not one.ndim or not other.ndim or len(one) == len(other):
        return one, other
    both = min(len(one), len(other))
    return one[:both], other[:both]
