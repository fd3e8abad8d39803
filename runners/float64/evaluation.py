"""Evaluate a graph node after node, and let go of what nobody will read."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import onnx
from onnx.reference import ReferenceEvaluator

from paddleport.models.onnx.graph_walk import subgraphs
from paddleport.tensors import Array


def evaluate(
    evaluator: ReferenceEvaluator,
    proto: onnx.ModelProto,
    feed: Mapping[str, Array],
    found: Callable[[str, Any], None] = lambda name, value: None,
) -> list[Any]:
    """The graph's outputs, in order; memory is what the graph itself needs.

    Args:
        evaluator: of ``proto``.
        proto: in double precision.
        feed: likewise.
        found: is given every value that a node names.
    """
    values: dict[str, Any] = {"": None, **evaluator.rt_inits_, **feed}
    last: dict[str, int] = {}
    for index, node in enumerate(proto.graph.node):
        last.update(dict.fromkeys((*_reads(node), *node.output), index))
    last.update(dict.fromkeys((item.name for item in proto.graph.output), len(proto.graph.node)))
    for index, (node, run) in enumerate(zip(proto.graph.node, evaluator.rt_nodes_, strict=True)):
        inputs = [values[name] for name in run.input]
        context = {"context": values} if run.need_context() else {}
        for name, value in zip(run.output, run.run(*inputs, **context), strict=False):
            if name:
                values[name] = value
                found(name, value)
        inputs.clear()
        for name in (*_reads(node), *node.output):
            if name and last[name] <= index:
                values.pop(name, None)
    return [values[item.name] for item in proto.graph.output]


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, and every name in its bodies, some of which may be from outside."""
    yield from node.input
    for body in subgraphs(node):
        yield from (item.name for item in body.output)
        for inner in body.node:
            yield from _reads(inner)
