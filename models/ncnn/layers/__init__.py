"""What each of ncnn's layers computes, in ONNX: one module a family, put together here.

A family has a mapping from layer type to a function of the writer, the layer and its blobs.
"""

from collections.abc import Callable, Mapping, Sequence

from paddleport.models.ncnn.layers import (
    activation_layers,
    attention_layers,
    convolution_layers,
    elementwise_layers,
    norm_layers,
    part_layers,
    pooling_layers,
    product_layers,
    resampling_layers,
    shape_layers,
)
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter

Handler = Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob | Sequence[Blob]]

HANDLERS: Mapping[str, Handler] = {
    **activation_layers.HANDLERS,
    **attention_layers.HANDLERS,
    **convolution_layers.HANDLERS,
    **elementwise_layers.HANDLERS,
    **norm_layers.HANDLERS,
    **part_layers.HANDLERS,
    **pooling_layers.HANDLERS,
    **product_layers.HANDLERS,
    **resampling_layers.HANDLERS,
    **shape_layers.HANDLERS,
}
