"""Every value's shape in an ONNX graph, once the inputs' shapes are fixed."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paddleport.errors import UsageError, unknown_name
from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]

_SMALL = 1024  # elements of a stored tensor that may be a shape, or go into one


def static_shapes(proto: "onnx.ModelProto", given: Mapping[str, Sequence[int]]) -> dict[str, Shape]:
    """The shapes that follow from those of the inputs; values without one are left out.

    By ONNX's own shape inference. Below opset 15 it doesn't follow shapes that the graph itself
    computes, so what is known of those is computed, and inferred again until nothing new comes.

    Args:
        proto: the model; it is not changed.
        given: input name to full shape; an input that is left out has its shape in the file.

    Raises:
        UsageError: a shape for an input that is not there, or of another rank.
    """
    import onnx

    shapes = {item.name: tuple(item.dims) for item in proto.graph.initializer}
    bare = _without_weights(proto, given)
    values = {
        item.name: onnx.numpy_helper.to_array(item)
        for item in bare.graph.initializer
        if not _is_external(item)
    }
    while True:
        inferred = onnx.shape_inference.infer_shapes(bare, data_prop=True).graph
        for item in (*inferred.input, *inferred.value_info, *inferred.output):
            tensor_type = item.type.tensor_type
            sizes = [size.dim_value for size in tensor_type.shape.dim if size.HasField("dim_value")]
            if tensor_type.HasField("shape") and len(sizes) == len(tensor_type.shape.dim):
                shapes[item.name] = tuple(sizes)
        found = _computed(bare, shapes, values)
        if not found:
            return shapes
        values |= found
        for name, value in found.items():
            bare.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
            shapes[name] = value.shape
        kept = [node for node in bare.graph.node if not set(node.output) <= set(values) | {""}]
        del bare.graph.node[:]
        bare.graph.node.extend(kept)


def inferred_outputs(proto: "onnx.ModelProto") -> dict[str, tuple[int | None, ...]]:
    """The outputs' shapes as ONNX infers them of the inputs'; ``None`` is a free dimension.

    What the file says of its outputs is not believed; those of unknown rank are left out.
    """
    import onnx

    graph = onnx.shape_inference.infer_shapes(_without_weights(proto, {}), data_prop=True).graph
    return {
        item.name: tuple(
            size.dim_value if size.HasField("dim_value") else None
            for size in item.type.tensor_type.shape.dim
        )
        for item in graph.output
        if item.type.tensor_type.HasField("shape")
    }


def _without_weights(
    proto: "onnx.ModelProto", given: Mapping[str, Sequence[int]]
) -> "onnx.ModelProto":
    """The graph with ``given`` for its inputs' shapes, and weights as inputs without values."""
    import onnx
    from onnx.helper import make_tensor_value_info

    graph = proto.graph
    stored = {item.name for item in graph.initializer}
    inputs = {item.name: item for item in graph.input if item.name not in stored}
    for name, shape in given.items():
        _check(inputs, name, shape)
    bare = onnx.ModelProto(ir_version=proto.ir_version, opset_import=proto.opset_import)
    bare.graph.name = "shapes"
    bare.graph.node.extend(graph.node)
    for name, item in inputs.items():
        kind = item.type.tensor_type.elem_type
        fixed = make_tensor_value_info(name, kind, list(given[name])) if name in given else item
        bare.graph.input.append(fixed)
    for tensor in graph.initializer:
        # A weight's values say nothing of shapes, and 2 GB of them could not be passed on.
        if math.prod(tensor.dims) <= _SMALL:
            bare.graph.initializer.append(tensor)
        else:
            weight = make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            bare.graph.input.append(weight)
    for item in graph.output:
        # What the file says of its shapes holds for any batch, and may be wrong.
        bare.graph.output.add().CopyFrom(item)
        bare.graph.output[-1].type.tensor_type.ClearField("shape")
    return bare


def _check(inputs: Mapping[str, "onnx.ValueInfoProto"], name: str, shape: Sequence[int]) -> None:
    if name not in inputs:
        raise UsageError(unknown_name("input", name, inputs))
    tensor_type = inputs[name].type.tensor_type
    rank = len(tensor_type.shape.dim)
    if tensor_type.HasField("shape") and rank != len(shape):
        raise UsageError(f"input {name} has {rank} dimensions, the shape given has {len(shape)}")


def _computed(
    bare: "onnx.ModelProto", shapes: Mapping[str, Shape], values: Mapping[str, Array]
) -> dict[str, Array]:
    """What follows from the known shapes by small integer arithmetic, in the graph's order."""
    import numpy as np

    known: dict[str, Array] = dict(values)
    found: dict[str, Array] = {}
    for node in bare.graph.node:
        new: dict[str, Array] = {}
        if node.output[0] in known:
            continue
        if node.op_type == "Shape" and node.input[0] in shapes and not node.attribute:
            new = {node.output[0]: np.array(shapes[node.input[0]], np.int64)}
        elif node.input and all(name in known or not name for name in node.input):
            new = _evaluated(bare, node, known)
        small = {name: item for name, item in new.items() if item.size <= _SMALL}
        known |= small
        found |= small
    return found


def _evaluated(
    bare: "onnx.ModelProto", node: "onnx.NodeProto", known: Mapping[str, Array]
) -> dict[str, Array]:
    """One node's outputs; nothing for what isn't plain arithmetic on a few integers."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    if node.op_type not in _SHAPE_ARITHMETIC or node.domain not in ("", "ai.onnx"):
        return {}
    feed: dict[str, Any] = {name: known[name] for name in node.input if name}
    outputs = [name for name in node.output if name]
    graph = onnx.helper.make_graph(
        [node],
        "node",
        [onnx.helper.make_tensor_value_info(name, 0, None) for name in feed],
        [onnx.helper.make_tensor_value_info(name, 0, None) for name in outputs],
    )
    model = onnx.helper.make_model(graph, opset_imports=bare.opset_import)
    return dict(zip(outputs, ReferenceEvaluator(model).run(None, feed), strict=True))


def _is_external(tensor: "onnx.TensorProto") -> bool:
    return bool(tensor.external_data) and not tensor.raw_data


_SHAPE_ARITHMETIC = frozenset(
    (
        *("Abs", "Add", "Cast", "Ceil", "Concat", "ConstantOfShape", "Div", "Equal", "Expand"),
        *("Floor", "Gather", "Greater", "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg"),
        *("Not", "Range", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape"),
        *("ScatterND", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose"),
        *("Unsqueeze", "Where"),
    )
)
