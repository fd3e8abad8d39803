"""Which layer of an ncnn file a node of the ONNX file has become: found by its weights."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from paddleport.errors import UsageError, unknown_name
from paddleport.models.ncnn.int8_weights import QUANTIZED
from paddleport.models.ncnn.ncnn_graph import NcnnGraph
from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx

_WEIGHTED = ("Conv", "Gemm", "MatMul")
_CLOSE = 1e-5  # relative: pnnx may multiply a factor into weights, in float32


def kept_places(names: Sequence[str], proto: "onnx.ModelProto", graph: NcnnGraph) -> frozenset[int]:
    """The places of the layers that stay in fp32.

    Args:
        names: of ncnn's layers, or of nodes of the ONNX file.
        proto: with a name for every node.
        graph: what became of it.

    Raises:
        UsageError: a name that is neither, or of a node with weights that are in no layer.
    """
    by_layer: dict[str, list[int]] = {}
    for place, layer in enumerate(graph.layers):
        by_layer.setdefault(layer.name, []).append(place)
    nodes = {node.name: node for node in proto.graph.node}
    found: set[int] = set()
    by_node: Mapping[str, int] | None = None
    for name in names:
        if name in by_layer:
            found.update(by_layer[name])
            continue
        if name not in nodes:
            raise UsageError(unknown_name("layer", name, [*nodes, *by_layer]))
        by_node = counterparts(proto, graph) if by_node is None else by_node
        if name in by_node:
            found.add(by_node[name])
        elif nodes[name].op_type in _WEIGHTED:
            raise UsageError(
                f"layer {name} of the ONNX file is not found again in the ncnn file: name the "
                f"layer as it is called there, one of {', '.join(sorted(by_layer))}"
            )
    return frozenset(found)


def counterparts(proto: "onnx.ModelProto", graph: NcnnGraph) -> dict[str, int]:
    """ONNX node name to the place of the layer that has its weights."""
    stored = {item.name: item for item in proto.graph.initializer}
    free = [
        place
        for place, layer in enumerate(graph.layers)
        if layer.operator in QUANTIZED and layer.weight("weight_data") is not None
    ]
    weights = {place: graph.layers[place].values("weight_data") for place in free}
    found: dict[str, int] = {}
    for node in proto.graph.node:
        if node.op_type not in _WEIGHTED or len(node.input) < 2 or node.input[1] not in stored:
            continue
        own = _rows_of_outputs(node, stored[node.input[1]])
        place = next((item for item in free if _same(weights[item], own)), None)
        if place is not None:
            found[node.name] = place
            free.remove(place)
    return found


def _rows_of_outputs(node: "onnx.NodeProto", tensor: "onnx.TensorProto") -> Array:
    """Flat, with an output's weights together, as ncnn has them."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    transposed = any(item.name == "transB" and item.i for item in node.attribute)
    if node.op_type != "Conv" and not transposed:
        values = np.swapaxes(values, -1, -2)
    return values.astype(np.float32).ravel()


def _same(one: Array, other: Array) -> bool:
    """Equal up to a factor per array and rounding."""
    if one.size != other.size:
        return False
    size = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return size == 0 or float(one @ other) / size > 1 - _CLOSE
