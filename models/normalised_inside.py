"""The nodes of an ONNX graph that normalise 8-bit pictures, where it does so itself."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

_STEPS = frozenset({"Cast", "Mul", "Sub", "Div", "Add"})
_LAST = "Transpose"


def normalisation_nodes(proto: "onnx.ModelProto") -> tuple[str, ...]:
    """Names of the nodes from an 8-bit input to the change to NCHW, in order.

    Empty where no input takes 8 bits, or something else than a normalisation follows.
    """
    import onnx

    graph = proto.graph
    pixels = onnx.TensorProto.UINT8
    fed = [item.name for item in graph.input if item.type.tensor_type.elem_type == pixels]
    if len(fed) != 1:
        return ()
    value, found = fed[0], list[str]()
    while True:
        readers = [node for node in graph.node if value in node.input]
        if len(readers) != 1 or readers[0].op_type not in (*_STEPS, _LAST):
            return ()
        found.append(readers[0].name)
        if readers[0].op_type == _LAST:
            return tuple(found) if all(found) else ()
        value = readers[0].output[0]
