"""The nodes of an ONNX graph that normalise 8-bit pictures, where it does so itself."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

OPERATORS = frozenset({"Cast", "Transpose", "Gather", "Mul", "Sub", "Div", "Add"})


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
        if len(readers) != 1 or readers[0].op_type not in OPERATORS or not readers[0].name:
            return tuple(found)
        if not found and readers[0].op_type != "Cast":
            return ()
        found.append(readers[0].name)
        value = readers[0].output[0]
