"""Walking an ONNX graph: its bodies, its names, and the nodes that normalise pictures."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

NORMALISING_OPERATORS = frozenset({"Cast", "Transpose", "Gather", "Mul", "Sub", "Div", "Add"})


def subgraphs(node: "onnx.NodeProto") -> Iterator["onnx.GraphProto"]:
    """The bodies of an If, a Loop or a Scan."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def all_nodes(graph: "onnx.GraphProto") -> Iterator["onnx.NodeProto"]:
    """The nodes of a graph, each followed by those of its bodies."""
    for node in graph.node:
        yield node
        for body in subgraphs(node):
            yield from all_nodes(body)


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


def normalisation_nodes(proto: "onnx.ModelProto") -> tuple[str, ...]:
    """Names of the nodes from an 8-bit input to the first operator of the network, in order.

    Empty where not just one input takes 8 bits, or something else follows it than a Cast.
    """
    import onnx

    graph, pixels = proto.graph, onnx.TensorProto.UINT8
    fed = [item.name for item in graph.input if item.type.tensor_type.elem_type == pixels]
    if len(fed) != 1:
        return ()
    value, found = fed[0], list[str]()
    while True:
        readers = [node for node in graph.node if value in node.input]
        if (
            len(readers) != 1
            or readers[0].op_type not in NORMALISING_OPERATORS
            or not readers[0].name
        ):
            return tuple(found)
        if not found and readers[0].op_type != "Cast":
            return ()
        found.append(readers[0].name)
        value = readers[0].output[0]
