"""A layer of ncnn with 8-bit weights, as ncnn2int8 writes it.

Source: ncnn's tools ncnn2table (the scales) and ncnn2int8 (the layers).
"""

from dataclasses import replace

import numpy as np

from paddleport.models.ncnn.ncnn_graph import NcnnLayer, NcnnWeight
from paddleport.models.ncnn.weight_data import int8_weight, raw_weight
from paddleport.tensors import Array

QUANTIZED = ("Convolution", "ConvolutionDepthWise", "InnerProduct")
"""Types of layers whose weights and inputs become int8."""

_TERM = 8  # int8_scale_term
_TERMS = {"Convolution": "2", "ConvolutionDepthWise": "1", "InnerProduct": "2"}
_MOST = 127
_MOST_OF_WINOGRAD = 31  # ncnn's int8 Winograd overflows with more
_WEIGHTS = "weight_data"


def reason_against(layer: NcnnLayer) -> str:
    """Why a layer with weights stays in fp32; empty where it need not."""
    if layer.operator not in QUANTIZED:
        return f"ncnn2int8 has no scales for a {layer.operator}"
    if layer.integer(19) and layer.operator != "InnerProduct":
        return "its weights come from another layer"
    if layer.number(18) and layer.operator != "InnerProduct":
        return "it is padded with other values than zero"
    return ""


def quantized_layer(layer: NcnnLayer, largest: float) -> NcnnLayer:
    """The layer in int8.

    Args:
        layer: of one of ``QUANTIZED``, in float32.
        largest: the size of an input value that becomes 127; larger ones are clipped.
    """
    rows = layer.values(_WEIGHTS).reshape(_scales(layer), -1)
    peaks = np.abs(rows).max(axis=1)
    levels = _MOST_OF_WINOGRAD if _is_winograd(layer) else _MOST
    scales = np.where(peaks == 0, 1, levels / np.where(peaks == 0, 1, peaks)).astype(np.float32)
    weights: list[NcnnWeight] = []
    for item in layer.weights:
        if item.name == _WEIGHTS:
            item = int8_weight(_WEIGHTS, _rounded(rows * scales[:, None]))
        weights.append(item)
    weights.append(raw_weight("weight_data_int8_scales", scales))
    weights.append(raw_weight("bottom_blob_int8_scales", np.array([_MOST / largest])))
    changed = layer.with_parameters({_TERM: _TERMS[layer.operator]})
    return replace(changed, weights=tuple(weights))


def _scales(layer: NcnnLayer) -> int:
    """How many scales the weights have: one per output, or per group."""
    if layer.operator == "ConvolutionDepthWise":
        return layer.integer(7, 1)
    return layer.integer(0)


def _is_winograd(layer: NcnnLayer) -> bool:
    """Whether ncnn may compute it by Winograd's way, which takes 6 bits: 3 x 3 without steps."""
    if layer.operator != "Convolution":
        return False
    width, dilation, stride = layer.integer(1), layer.integer(2, 1), layer.integer(3, 1)
    sizes = (width, layer.integer(11, width)), (dilation, layer.integer(12, dilation))
    return sizes == ((3, 3), (1, 1)) and (stride, layer.integer(13, stride)) == (1, 1)


def _rounded(values: Array) -> Array:
    """To whole numbers, halves away from zero, as ncnn rounds."""
    size = np.minimum(np.floor(np.abs(values) + 0.5), _MOST)
    return np.asarray(np.copysign(size, values))
