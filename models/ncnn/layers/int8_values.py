"""What int8 makes of the inputs and weights of a layer of ncnn, in ONNX.

A layer with scales multiplies its input by one, rounds to -127 to 127 with halves away from
zero, computes with whole numbers, and divides by the scales again before the bias.
"""

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter
from paddleport.tensors import Array

_MOST = 127.0
_REQUANTIZED = 100


def quantized_input(graph: OnnxWriter, layer: NcnnLayer, x: Blob) -> Blob:
    """The whole numbers that the input becomes; the input itself where it stays float32."""
    if not layer.integer(8):
        return x
    return _rounded(graph, x, float(layer.values("bottom_blob_int8_scales")[0]))


def unscaled(graph: OnnxWriter, layer: NcnnLayer, y: Blob) -> Blob:
    """The result of whole numbers divided by the scales of input and weights."""
    if not layer.integer(8):
        return y
    scales = per_output(layer, y.shape[0]) * layer.values("bottom_blob_int8_scales")[0].astype(
        np.float64
    )
    # a channel of zeros has no scale, and stays zero
    factors = np.where(scales == 0, 1, scales).reshape(-1, *[1] * (len(y.shape) - 1))
    return graph.node("Div", [y, graph.constant(factors)], y.shape)


def per_output(layer: NcnnLayer, outputs: int) -> Array:
    """The weights' scale of each output, where they are one per group or one for all."""
    scales = layer.values("weight_data_int8_scales").astype(np.float64)
    return np.repeat(scales, outputs // scales.size)


def quantized_result(graph: OnnxWriter, layer: NcnnLayer, y: Blob) -> Blob:
    """The result as the next layer gets it, where it is handed on in int8."""
    if layer.integer(8) <= _REQUANTIZED:
        return y
    scale = float(layer.values("top_blob_int8_scales")[0])
    return graph.node("Div", [_rounded(graph, y, scale), graph.constant(scale)], y.shape)


def refuse_int8(layer: NcnnLayer, number: int) -> None:
    """Say no to a layer whose int8 is not computed here.

    Raises:
        BackendUnavailableError: its parameter of that number says that it computes in int8.
    """
    if layer.integer(number):
        raise BackendUnavailableError(
            f"ncnn's layer {layer.name} is a {layer.operator} in int8, which is not done here"
        )


def _rounded(graph: OnnxWriter, x: Blob, scale: float) -> Blob:
    scaled = graph.node("Mul", [x, graph.constant(scale)], x.shape)
    size = graph.node("Abs", [scaled], x.shape)
    size = graph.node("Floor", [graph.node("Add", [size, graph.constant(0.5)], x.shape)], x.shape)
    size = graph.node("Min", [size, graph.constant(_MOST)], x.shape)
    return graph.node("Mul", [size, graph.node("Sign", [scaled], x.shape)], x.shape)
