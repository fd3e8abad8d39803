"""Answers as columns, the same for Ray Data and for Parquet files."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddleport.runners.predictor import PictureAnswer, Predictor
from paddleport.runners.tasks.classification import Classification
from paddleport.tensors import Array

OUTPUT = "output_"


def answers_table(answers: Sequence[PictureAnswer], predictor: Predictor) -> Any:
    """A ``pyarrow.Table``: path, error, and the answer, which is null where there is an error.

    A classification has the lists ``class_ids``, ``scores`` and ``labels``, likeliest first. Any
    other task's answer is its outputs: ``output_NAME``, of ``{dtype, shape, data}``.
    """
    import pyarrow

    columns: dict[str, Any] = {
        "path": pyarrow.array([_utf8(answer.picture) for answer in answers], pyarrow.string()),
        "error": pyarrow.array([_utf8(answer.error) for answer in answers], pyarrow.string()),
    }
    found = [answer.answer for answer in answers]
    if isinstance(predictor.task, Classification):
        fields = {"class_ids": "index", "scores": "score", "labels": "label"}
        kinds = (pyarrow.int32(), pyarrow.float64(), pyarrow.string())
        for (column, name), kind in zip(fields.items(), kinds, strict=True):
            values = [item and [getattr(each, name) for each in item] for item in found]
            columns[column] = pyarrow.array(values, pyarrow.list_(kind))
        return pyarrow.table(columns)
    tensor = pyarrow.struct(
        {
            "dtype": pyarrow.string(),
            "shape": pyarrow.list_(pyarrow.int64()),
            "data": pyarrow.binary(),
        }
    )
    for spec in predictor.runner.outputs:
        cells = [item and _cell(item[spec.name]) for item in found]
        columns[OUTPUT + spec.name] = pyarrow.array(cells, tensor)
    return pyarrow.table(columns)


def array_from(cell: dict[str, Any]) -> Array:
    """The array of a cell of ``output_NAME``, bit for bit."""
    return np.frombuffer(cell["data"], cell["dtype"]).reshape(cell["shape"])


def _utf8(text: str) -> str:
    """A file's name may hold bytes that are none: they are written out, as ``run`` prints them."""
    return text.encode(errors="backslashreplace").decode()


def _cell(array: Array) -> dict[str, Any]:
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": array.tobytes()}
