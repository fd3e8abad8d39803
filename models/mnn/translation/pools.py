"""Pooling."""

from typing import Any

from paddleport.models.mnn.folded_values import shape_of
from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.models.mnn.onnx_builder import OnnxBuilder
from paddleport.models.mnn.translation.contractions import padding
from paddleport.models.mnn.unknown_setting import refused

_GLOBAL = {"MAXPOOL": "GlobalMaxPool", "AVEPOOL": "GlobalAveragePool"}


def _pool(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    pool = op.parameters
    if pool["isGlobal"]:
        return [builder.add(_GLOBAL[pool["type"]], op.inputs)]
    if not (pool["strideX"] and pool["strideY"]):
        raise refused(op, "a stride of 0")
    attributes: dict[str, Any] = {
        "kernel_shape": [pool["kernelY"], pool["kernelX"]],
        "strides": [pool["strideY"], pool["strideX"]],
        **padding(op, pool, "padType"),
    }
    shape = shape_of(builder, op.inputs[0]) if pool["kernelX"] == 1 else None
    if shape is not None and len(shape) == 3:  # of one dimension: it is the height
        attributes = {name: _of_height(value) for name, value in attributes.items()}
    if pool["padType"] == "CAFFE":
        attributes["ceil_mode"] = int(pool["ceilModel"])
    if pool["type"] == "MAXPOOL":
        return [builder.add("MaxPool", op.inputs, **attributes)]
    attributes["count_include_pad"] = int(pool["countType"] == "INCLUDE_PADDING")
    return [builder.add("AveragePool", op.inputs, **attributes)]


def _of_height(value: Any) -> Any:
    return value[::2] if isinstance(value, list) else value


def _pool_3d(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    pool = op.parameters
    if pool["isGlobal"]:
        return [builder.add(_GLOBAL[pool["type"]], op.inputs)]
    raise refused(op, "windows")


TRANSLATORS = {"Pooling": _pool, "Pooling3D": _pool_3d}
