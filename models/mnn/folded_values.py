"""Values that follow from stored tensors and ranks alone, such as an axis counted from the end."""

from typing import TYPE_CHECKING

import numpy as np

from paddleport.models.mnn.onnx_builder import OPSET, OnnxBuilder
from paddleport.tensors import Array, TensorSpec

if TYPE_CHECKING:
    import onnx

_LARGE = 1024  # values; smaller ones may be shapes, which shape inference looks at


def folded(builder: OnnxBuilder, name: str) -> Array | None:
    """The value of a tensor that depends on no number that is fed, else ``None``."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    if name in builder.values:
        return builder.values[name]
    producers = {output: node for node in builder.nodes for output in node.output}
    needed, known, waiting = dict[int, onnx.NodeProto](), dict[str, Array](), [name]
    while waiting:
        wanted = waiting.pop()
        node = producers.get(wanted)
        if wanted in known or not wanted:
            continue
        if wanted in builder.values:
            known[wanted] = builder.values[wanted]
        elif node is None:
            return None
        elif node.op_type == "Size" and _is_shape(producers.get(node.input[0])):
            known_shape = shape_of(builder, producers[node.input[0]].input[0])
            if known_shape is None:
                return None
            known[wanted] = np.array(len(known_shape), np.int64)
        elif _is_shape(node):
            sizes = shape_of(builder, node.input[0])
            if sizes is None or None in sizes:
                return None
            known[wanted] = np.array(sizes, np.int64)
        else:
            needed[id(node)] = node
            waiting.extend(node.input)
    graph = onnx.helper.make_graph(
        [node for node in builder.nodes if id(node) in needed],
        "folded",
        [],
        [onnx.helper.make_empty_tensor_value_info(name)],
        [onnx.numpy_helper.from_array(value, key) for key, value in known.items()],
    )
    (value,) = ReferenceEvaluator(_model(graph)).run(None, {})
    found: Array = np.asarray(value)
    return found


def _is_shape(node: "onnx.NodeProto | None") -> bool:
    return node is not None and node.op_type == "Shape"


def shape_of(builder: OnnxBuilder, name: str) -> tuple[int | None, ...] | None:
    """A tensor's sizes, by ONNX's shape inference; ``None`` even for their number."""
    import onnx

    small = {key: item for key, item in builder.values.items() if item.size < _LARGE}
    large = [
        TensorSpec(key, item.dtype.name, item.shape)
        for key, item in builder.values.items()
        if key not in small
    ]
    graph = onnx.helper.make_graph(
        builder.nodes,
        "ranks",
        [value_info(spec) for spec in (*builder.inputs, *large)],
        [],
        [onnx.numpy_helper.from_array(item, key) for key, item in small.items()],
    )
    inferred = onnx.shape_inference.infer_shapes(_model(graph), data_prop=True).graph
    for value in (*inferred.input, *inferred.value_info):
        tensor = value.type.tensor_type
        if value.name == name and tensor.HasField("shape"):
            dims = tensor.shape.dim
            return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)
    return None


def _model(graph: "onnx.GraphProto") -> "onnx.ModelProto":
    import onnx

    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)])


def value_info(spec: TensorSpec) -> "onnx.ValueInfoProto":
    """A tensor's declaration; without a type where none is known."""
    import onnx

    if not spec.dtype:
        return onnx.helper.make_empty_tensor_value_info(spec.name)
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
    return onnx.helper.make_tensor_value_info(spec.name, kind, spec.shape)
