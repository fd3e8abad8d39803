"""The names in an ONNX graph: what it defines, what a body captures, and giving it others."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from paddleport.models.onnx.onnx_file import subgraphs

if TYPE_CHECKING:
    import onnx


def label(node: "onnx.NodeProto") -> str:
    """A node's name, or that of its first result."""
    return node.name or next((name for name in node.output if name), node.op_type)


def captured(graph: "onnx.GraphProto") -> set[str]:
    """The names that a subgraph uses and does not define."""
    used = {item.name for item in graph.output}
    for node in graph.node:
        used.update(node.input)
        for body in subgraphs(node):
            used |= captured(body)
    return used - defined(graph) - {""}


def defined(graph: "onnx.GraphProto") -> set[str]:
    """The names that a graph itself gives a value."""
    names = {item.name for item in (*graph.input, *graph.initializer)}
    names |= {item.values.name for item in graph.sparse_initializer}
    return names.union(*(node.output for node in graph.node)) - {""}


def rename(graph: "onnx.GraphProto", names: Mapping[str, str]) -> None:
    """Let a body that stays as it is read captured values under their new names."""
    own = defined(graph)
    names = {old: new for old, new in names.items() if old != new and old not in own}
    if not names:
        return
    for node in graph.node:
        for at, value in enumerate(node.input):
            node.input[at] = names.get(value, value)
        for body in subgraphs(node):
            rename(body, names)
    for item in graph.output:
        item.name = names.get(item.name, item.name)
