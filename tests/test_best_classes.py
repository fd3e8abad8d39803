"""The largest scores of an output: those that sorting all of them gives, and no more than asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paddleport.serve.open_inference import best_classes as module
from paddleport.serve.open_inference.best_classes import best_classes
from paddleport.serve.open_inference.datatypes import ProtocolError
from paddleport.tensors import Array

DTYPES = st.sampled_from(["float32", "float16", "uint8", "int8", "uint64", "int64"])


@given(DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, (2, 7))), st.integers(1, 9))
def test_they_are_those_of_a_whole_sort(scores: Array, count: int) -> None:
    found = best_classes("y", scores, count, None)
    for row, best in zip(scores, found, strict=True):
        values = [float("-inf") if value != value else value for value in row.tolist()]
        order = sorted(range(7), key=lambda index: (-values[index], index))
        assert [int(item.decode().rpartition(":")[2]) for item in best] == order[:count]


def test_whole_numbers_stay_whole_and_labels_come_last() -> None:
    scores = np.array([[0, 5, 2**64 - 1]], np.uint64)
    found = best_classes("y", scores, 2, ["a", "b", "c"])
    assert found.tolist() == [[b"18446744073709551615:2:c", b"5:1:b"]]
    assert best_classes("y", np.array([[0.5]]), 1, None).tolist() == [[b"0.500000:0"]]


def test_no_more_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CLASSES", 6)
    scores = np.zeros((2, 4), np.float32)
    assert best_classes("y", scores, 3, None).shape == (2, 3)
    with pytest.raises(ProtocolError, match="8 classes: 6 is the most"):
        best_classes("y", scores, 10**9, None)
    with pytest.raises(ProtocolError, match="no rows of scores"):
        best_classes("y", scores[0], 1, None)
