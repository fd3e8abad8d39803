"""An ONNX file as a graph, its intermediate values in float64, and one node on given inputs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paddleport.errors import BackendUnavailableError, FeedError
from paddleport.models.onnx.graph_walk import subgraphs
from paddleport.models.onnx.onnx_file import read_onnx_proto
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Array, Feed
from paddleport.validate.bisect.computation import Graph, GraphStep, StoredTensor, ValueWriter

if TYPE_CHECKING:
    import onnx


def onnx_graph(proto: "onnx.ModelProto") -> Graph:
    """The graph of an ONNX file; a node with a subgraph is one step."""
    stored = {item.name for item in proto.graph.initializer}
    stored |= {item.values.name for item in proto.graph.sparse_initializer}
    steps = [
        GraphStep(
            name=node.name or next((name for name in node.output if name), f"node {position}"),
            operator=node.op_type,
            inputs=tuple(name for name in (*node.input, *outer_names(node)) if name),
            outputs=tuple(name for name in node.output if name),
            position=position,
        )
        for position, node in enumerate(proto.graph.node, 1)
    ]
    feeds = tuple(item.name for item in proto.graph.input if item.name not in stored)
    return Graph(tuple(steps), feeds, tuple(item.name for item in proto.graph.output))


def outer_names(node: "onnx.NodeProto") -> list[str]:
    """What the subgraphs of a node read from outside themselves."""
    return [name for graph in subgraphs(node) for name in _read_from_outside(graph)]


def _read_from_outside(graph: "onnx.GraphProto") -> list[str]:
    own = {item.name for item in (*graph.input, *graph.initializer)}
    own |= {item.values.name for item in graph.sparse_initializer}
    read: list[str] = []
    for node in graph.node:
        read += [name for name in (*node.input, *outer_names(node)) if name and name not in own]
        own.update(node.output)
    read += [item.name for item in graph.output if item.name not in own]
    return list(dict.fromkeys(read))


def check_operators(path: Path) -> None:
    """Refuse a file with an operator that is not computed in float64.

    Raises:
        BackendUnavailableError: it has one.
    """
    from paddleport.runners import float64

    missing = float64.unknown_operators(read_onnx_proto(path))
    if missing:
        raise BackendUnavailableError(
            f"{path.name} has no float64 values to locate a difference with: reference does not "
            f"compute {', '.join(missing)}"
        )


def save_float64_values(path: Path, feed: Feed, folder: Path) -> dict[str, StoredTensor]:
    """Evaluate the graph once, and write every value, the feeds and constants too, to ``folder``.

    Floating-point values are float64 there. Memory is what the graph itself needs, and the disk
    takes the sum of all values. It is for a worker: it may take minutes.

    Raises:
        BackendUnavailableError: an operator that is not computed in float64.
        FeedError: the evaluation fails.
    """
    from paddleport.runners import float64
    from paddleport.runners.float64.evaluation import evaluate

    check_operators(path)
    proto, weights = float64.detach_weights(read_onnx_proto(path))
    float64.to_double(proto)
    store = ValueWriter(folder)
    exact = _doubled(feed)
    for name, tensor in exact.items():
        store.add(name, tensor)
    try:
        evaluate(float64.evaluator(proto, weights), proto, exact, store.add)
    except NotImplementedError as error:
        raise BackendUnavailableError(f"reference does not compute {error}") from error
    except OSError:  # a full disk
        raise
    except Exception as error:  # the evaluator raises what it likes; the cause is kept
        raise FeedError(f"reference can't compute this feed: {one_line(error)}") from error
    return store.stored


def run_node(
    path: Path, position: int, inputs: Feed, unit_roundoff: float = 0.0
) -> tuple[Array, ...] | None:
    """One node of a graph in float64 on other inputs than the graph would give it.

    Args:
        path: the ONNX file.
        position: of the node, from 1.
        inputs: every input that is not stored in the file.
        unit_roundoff: of a format whose rounding is imitated; 0 computes exactly.

    Returns:
        Its outputs in order; ``None`` for a node that cannot stand alone, as it has a subgraph
        that reads from outside, or does not take these inputs.
    """
    import onnx

    from paddleport.runners import float64
    from paddleport.runners.float64 import rounding

    proto = read_onnx_proto(path)
    node = proto.graph.node[position - 1]
    if outer_names(node):
        return None
    stored = [item for item in proto.graph.initializer if item.name in node.input]
    names = [name for name in dict.fromkeys(node.input) if name in inputs]
    outputs = [name for name in node.output if name]
    graph = onnx.helper.make_graph(
        [node],
        "node",
        [onnx.helper.make_empty_tensor_value_info(name) for name in names],
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
        [item for item in stored if item.name not in names],
    )
    alone = onnx.helper.make_model(graph, opset_imports=proto.opset_import)
    float64.to_double(alone)
    feed = _doubled({name: inputs[name] for name in names})
    try:
        evaluator = float64.evaluator(alone)
        if unit_roundoff:
            rounding.disturb(evaluator, alone, unit_roundoff, seed=0)
            feed = _rounded(feed, unit_roundoff)
        found = evaluator.run(None, feed)
    except Exception:  # it decides nothing then, and the caller says so
        return None
    return tuple(np.asarray(item) for item in found)


def _doubled(feed: Mapping[str, Array]) -> dict[str, Array]:
    return {
        name: tensor.astype(np.float64) if tensor.dtype.kind == "f" else tensor
        for name, tensor in feed.items()
    }


def _rounded(feed: Feed, unit_roundoff: float) -> dict[str, Array]:
    """Each float with a relative error of at most ``unit_roundoff``."""
    generator = np.random.default_rng(0)
    return {
        name: tensor * (1 + unit_roundoff * generator.uniform(-1, 1, tensor.shape))
        if tensor.dtype.kind == "f"
        else tensor
        for name, tensor in feed.items()
    }
