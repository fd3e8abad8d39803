"""Operators whose result follows from shapes, and stored tensors."""

import numpy as np

from paddleport.errors import ModelFileError
from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.models.mnn.onnx_builder import OnnxBuilder
from paddleport.models.mnn.unknown_setting import refused
from paddleport.tensors import Array

_STORED = ("float32s", "int32s", "int64s", "int8s", "uint8s")


def _const(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    builder.constant(stored_tensor(op), op.outputs[0])
    return [op.outputs[0]]


def stored_tensor(op: MnnOp) -> Array:
    """What a ``Const`` holds.

    Raises:
        ModelFileError: other numbers than its shape has room for.
    """
    blob = op.parameters
    dims = blob["dims"]
    shape = () if dims is None else tuple(dims.tolist())
    data = next((blob[name] for name in _STORED if blob[name] is not None), np.zeros(0, np.int32))
    if blob["dataType"] == "DT_HALF":
        data = np.frombuffer(data.tobytes(), "<f2").astype(np.float32)
    if blob["dataType"] == "DT_FLOAT" and not data.size:
        data = data.astype(np.float32)
    if blob["dataType"] == "DT_INT64":
        data = data.astype(np.int32)
    if blob["dataFormat"] == "NHWC" and len(shape) == 4:
        raise refused(op, "NHWC")
    try:
        result: Array = data.reshape(shape)
    except ValueError:
        raise ModelFileError(
            f"{op.name} holds {data.size} numbers for the shape {list(shape)}"
        ) from None
    return result


def _shape(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    if op.layout == "NHWC":
        raise refused(op, "NHWC")
    return [builder.int32(builder.add("Shape", op.inputs))]


def _rank(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    return [builder.int32(builder.add("Size", [builder.add("Shape", op.inputs)]))]


def _size(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    return [builder.int32(builder.add("Size", op.inputs))]


def _range(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    scalars = [builder.add("Squeeze", [name]) for name in op.inputs]
    return [builder.add("Range", scalars)]


def _fill(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    shape, value = op.inputs
    result = builder.add("Expand", [value, builder.int64(shape)])
    return [result]


def _zeros_like(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    (x,) = op.inputs
    return [builder.add("Sub", [x, x])]


TRANSLATORS = {
    "Const": _const,
    "TrainableParam": _const,
    "Shape": _shape,
    "Rank": _rank,
    "Size": _size,
    "Range": _range,
    "Fill": _fill,
    "ZerosLike": _zeros_like,
}
