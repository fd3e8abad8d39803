"""Convolutions and matrix products."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from paddleport.errors import ModelFileError
from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.models.mnn.onnx_builder import OnnxBuilder
from paddleport.models.mnn.stored_weights import convolution_weights
from paddleport.models.mnn.translation.elementwise import relu, relu6
from paddleport.models.mnn.unknown_setting import refused


def _convolution(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    common = op.parameters["common"]
    depthwise = op.type == "ConvolutionDepthwise"
    group = common["outputCount"] if depthwise else common["group"]
    inputs = list(op.inputs)
    if len(inputs) == 1:
        weight = _weight(op, (common["outputCount"], -1), common)
        inputs = [*inputs, builder.constant(weight), *_bias(builder, op)]
    result = builder.add(
        "Conv", inputs, group=max(1, group), **_window(common), **padding(op, common)
    )
    return [_activated(builder, common, result)]


def _deconvolution(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    common = op.parameters["common"]
    depthwise = op.type == "DeconvolutionDepthwise"
    group = max(1, common["outputCount"] if depthwise else common["group"])
    if common["hasOutputShape"] or len(op.inputs) > 1 or common["padMode"] != "CAFFE":
        raise refused(op, "an output's shape given from outside")
    flat = convolution_weights(op)
    kernel = (common["kernelY"], common["kernelX"])
    weight = flat.reshape(-1, common["outputCount"] // group, *kernel)
    extra = common["outPads"]
    attributes = {} if extra is None else {"output_padding": extra.tolist()}
    result = builder.add(
        "ConvTranspose",
        [*op.inputs, builder.constant(weight.astype(np.float32)), *_bias(builder, op)],
        group=group,
        **_window(common),
        **padding(op, common),
        **attributes,
    )
    return [_activated(builder, common, result)]


def _weight(op: MnnOp, lead: tuple[int, int], common: Mapping[str, Any]) -> np.ndarray:
    try:
        return (
            convolution_weights(op)
            .astype(np.float32)
            .reshape(*lead, common["kernelY"], common["kernelX"])
        )
    except ValueError:
        raise ModelFileError(f"the weights of {op.name} do not fit its kernel") from None


def _bias(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    bias = op.parameters["bias"]
    return [] if bias is None or not bias.size else [builder.constant(bias.astype(np.float32))]


def _window(common: Mapping[str, Any]) -> dict[str, list[int]]:
    return {
        "kernel_shape": [common["kernelY"], common["kernelX"]],
        "strides": [common["strideY"], common["strideX"]],
        "dilations": [common["dilateY"], common["dilateX"]],
    }


def padding(op: MnnOp, common: Mapping[str, Any], mode: str = "padMode") -> dict[str, Any]:
    """ONNX's attribute for a window's padding; MNN orders ``pads`` as ONNX does."""
    if common[mode] == "SAME":
        return {"auto_pad": "SAME_UPPER"}
    if common[mode] == "VALID":
        return {"pads": [0, 0, 0, 0]}
    pads = common["pads"]
    if pads is None or not pads.size:
        return {"pads": [common["padY"], common["padX"]] * 2}
    if pads.size != 4:
        raise refused(op, f"{pads.size} pads")
    return {"pads": pads.tolist()}


def _activated(builder: OnnxBuilder, common: Mapping[str, Any], result: str) -> str:
    if common["relu6"]:
        return relu6(builder, result)
    return relu(builder, result) if common["relu"] else result


def _matrix_product(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    left, right, *bias = op.inputs
    if op.type == "BatchMatMul":
        turned = op.parameters["adjX"], op.parameters["adjY"]
    else:
        turned = op.parameters["transposeA"], op.parameters["transposeB"]
    pair = [
        _turned(builder, name) if turn else name
        for name, turn in zip((left, right), turned, strict=True)
    ]
    result = builder.add("MatMul", pair)
    return [builder.add("Add", [result, bias[0]]) if bias else result]


def _turned(builder: OnnxBuilder, x: str) -> str:
    """The last two dimensions exchanged, whatever the rank is: Einsum names only them."""
    return builder.add("Einsum", [x], equation="...ij->...ji")


TRANSLATORS = {
    "Convolution": _convolution,
    "ConvolutionDepthwise": _convolution,
    "Deconvolution": _deconvolution,
    "DeconvolutionDepthwise": _deconvolution,
    "MatMul": _matrix_product,
    "BatchMatMul": _matrix_product,
}
