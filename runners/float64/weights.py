"""A model's large weights as arrays of doubles, apart from the model."""

import numpy as np
import onnx
from onnx import numpy_helper

from paddleport.runners.float64.pointwise import FLOAT_TYPES
from paddleport.tensors import Array

_LARGE = 1024  # values; smaller ones may be shapes and axes, which shape inference looks at


def detach_weights(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """A copy of a model that declares its large weights and does not hold them, and those.

    In a model of doubles each weight would be held three times, and protobuf frees nothing
    before all of it: ``proto`` is spoiled, and best dropped.
    """
    weights, kept = dict[str, Array](), list[onnx.TensorProto]()
    declared = [item.name for item in (*proto.graph.input, *proto.graph.value_info)]
    for tensor in proto.graph.initializer:
        if tensor.data_type not in FLOAT_TYPES or np.prod(tensor.dims) < _LARGE:
            kept.append(onnx.TensorProto.FromString(tensor.SerializeToString()))
            continue
        weights[tensor.name] = numpy_helper.to_array(tensor).astype(np.float64)
        if tensor.name not in declared:
            proto.graph.value_info.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    slim = onnx.ModelProto()
    slim.CopyFrom(proto)
    return slim, weights
