"""The largest scores of an output, as Triton's classification extension writes them."""

from collections.abc import Sequence

import numpy as np

from paddleport.serve.open_inference.datatypes import ProtocolError
from paddleport.serve.open_inference.messages import texts
from paddleport.tensors import Array

MOST_CLASSES = 100_000
"""In one answer: they are written in the event loop's thread."""


def best_classes(name: str, scores: Array, count: int, labels: Sequence[str] | None) -> Array:
    """``score:index:label`` of each row's largest scores, NaN last, of equal ones the first.

    Args:
        name: of the output.
        scores: [examples, ...], numbers.
        count: of each row; all of them if there are fewer.
        labels: by index; ``None`` writes ``score:index``.

    Returns:
        BYTES, [examples, count].

    Raises:
        ProtocolError: there are no rows of numbers, or too many classes are asked for.
    """
    if scores.ndim < 2 or scores.dtype.kind not in "iuf":
        raise ProtocolError(f"output {name} has no rows of scores to classify")
    rows = scores.reshape(len(scores), -1)
    count = min(count, rows.shape[1])
    if len(rows) * count > MOST_CLASSES:
        raise ProtocolError(
            f"output {name} is asked for {len(rows) * count} classes: {MOST_CLASSES} is the most, "
            "or ask for its scores"
        )
    order = np.array([_largest(row, count) for row in rows], np.int64).reshape(len(rows), count)
    named = [
        f"{_score(row[index])}:{index}" + (f":{labels[index]}" if labels else "")
        for row, best in zip(rows, order, strict=True)
        for index in best.tolist()
    ]
    return texts(named).reshape(order.shape)


def _largest(row: Array, count: int) -> Array:
    """Indices of the largest, largest first; only those that may be among them are sorted."""
    if not count:
        return np.empty(0, np.int64)
    if row.dtype.kind == "f":
        row = np.where(np.isnan(row), -np.inf, row)
    least = np.partition(row, row.size - count)[row.size - count]
    above, equal = np.flatnonzero(row > least), np.flatnonzero(row == least)
    found = np.sort(np.concatenate([above, equal[: count - above.size]]))
    ascending = np.argsort(row[found][::-1], kind="stable")  # not of -row: unsigned, and the least
    largest: Array = found[::-1][ascending][::-1]
    return largest


def _score(value: np.generic) -> str:
    return f"{value:f}" if value.dtype.kind == "f" else str(value)
