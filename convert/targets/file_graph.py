"""What a target's file says, by the ONNX graph that was read back out of it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paddleport.convert.paddle2onnx.external_data import write_model
from paddleport.models.artifact import onnx_artifact
from paddleport.runners import open_runner
from paddleport.tensors import Array, Feed, TensorSpec

if TYPE_CHECKING:
    import onnx


def shapes_of(feed: Feed) -> dict[str, tuple[int, ...]]:
    """What each input is fed."""
    return {name: tuple(tensor.shape) for name, tensor in feed.items()}


def evaluate_graph(graph: "onnx.ModelProto", feed: Feed) -> dict[str, Array]:
    """A graph's outputs in float64.

    A file that was fixed to one row is given those of a batch one by one, as its runtime is.

    Raises:
        BackendUnavailableError: an operator that is not computed in float64.
        FeedError: the graph does not take a feed.
    """
    with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
        path = Path(folder) / "graph.onnx"
        write_model(graph, path)
        with open_runner("reference", onnx_artifact(path)) as runner:
            return _stacked([runner.run(row) for row in split_rows(runner.inputs, feed)])


def split_rows(inputs: Sequence[TensorSpec], feed: Feed) -> list[Feed]:
    """The rows of a batch as feeds of their own, where a model takes one at a time."""
    single = all(spec.shape[:1] == (1,) for spec in inputs)
    counts = {tensor.shape[0] if tensor.ndim else 0 for tensor in feed.values()}
    if not single or len(counts) != 1 or counts <= {0, 1}:
        return [feed]
    return [
        {name: tensor[row : row + 1] for name, tensor in feed.items()}
        for row in range(counts.pop())
    ]


def _stacked(rows: list[dict[str, Array]]) -> dict[str, Array]:
    if len(rows) == 1:
        return rows[0]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
