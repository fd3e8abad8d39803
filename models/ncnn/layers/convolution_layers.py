"""Convolutions, transposed ones, and what int8 makes of their inputs, of ncnn in ONNX."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.layers.activation_layers import fused
from paddleport.models.ncnn.layers.int8_values import quantized_input, quantized_result, unscaled
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter

_SAME_UPPER, _SAME_LOWER = -233, -234


@dataclass(frozen=True, kw_only=True)
class _Windows:
    """Along each axis, outermost first."""

    kernel: tuple[int, ...]
    dilations: tuple[int, ...]
    strides: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def spans(self) -> list[int]:
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]


def _windows(layer: NcnnLayer, rank: int) -> _Windows:
    def sizes(width: int, height: int, depth: int, default: int) -> tuple[int, ...]:
        first = layer.integer(width, default)
        found = [layer.integer(depth, first), layer.integer(height, first), first]
        return tuple(found[3 - rank :])

    left = layer.integer(4)
    before = (layer.integer(24, left), layer.integer(14, left), left)[3 - rank :]
    after = (
        layer.integer(17, layer.integer(24, left)),
        layer.integer(16, layer.integer(14, left)),
        layer.integer(15, left),
    )[3 - rank :]
    return _Windows(
        kernel=sizes(1, 11, 21, 0),
        dilations=sizes(2, 12, 22, 1),
        strides=sizes(3, 13, 23, 1),
        before=before,
        after=after,
    )


def _convolution(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    if layer.integer(19):
        raise BackendUnavailableError(
            f"ncnn's layer {layer.name} takes its weights from another one, which is not done here"
        )
    x, rank = inputs[0], 1 if layer.operator.endswith("1D") else 2
    if layer.operator.endswith("3D"):
        rank = 3
    windows, outputs = _windows(layer, rank), layer.integer(0)
    groups = layer.integer(7, 1) if "DepthWise" in layer.operator else 1
    vector = len(x.shape) == 1  # ncnn takes one for a picture of one place
    if vector:
        x = graph.reshaped(x, (*x.shape, *[1] * rank))
    x = quantized_input(graph, layer, x)
    x = _padded(graph, layer, x, windows)
    weights = layer.values("weight_data")
    kernel = weights.reshape(outputs, x.shape[0] // groups, *windows.kernel)
    shape = (
        outputs,
        *(
            (size - span) // stride + 1
            for size, span, stride in zip(x.shape[1:], windows.spans, windows.strides, strict=True)
        ),
    )
    y = graph.node(
        "Conv",
        [x, graph.constant(kernel)],
        shape,
        dilations=windows.dilations,
        strides=windows.strides,
        group=groups,
    )
    y = with_bias(graph, layer, unscaled(graph, layer, y))
    y = quantized_result(graph, layer, fused(graph, layer, y))
    return graph.reshaped(y, (outputs,)) if vector else y


def with_bias(graph: OnnxWriter, layer: NcnnLayer, y: Blob) -> Blob:
    """Add ``bias_data``, one value per outermost place, where the layer has it."""
    if layer.weight("bias_data") is None:
        return y
    bias = layer.values("bias_data").reshape(-1, *[1] * (len(y.shape) - 1))
    return graph.node("Add", [y, graph.constant(bias)], y.shape)


def _padded(graph: OnnxWriter, layer: NcnnLayer, x: Blob, windows: _Windows) -> Blob:
    before, after = list(windows.before), list(windows.after)
    if {before[-1], after[-1]} <= {_SAME_UPPER, _SAME_LOWER}:
        lower = before[-1] == _SAME_LOWER
        sizes = zip(x.shape[1:], windows.spans, windows.strides, strict=True)
        missing = [max(0, span + (size - 1) // s * s - size) for size, span, s in sizes]
        before = [item - item // 2 if lower else item // 2 for item in missing]
        after = [item - first for item, first in zip(missing, before, strict=True)]
    if not any(before) and not any(after):
        return x
    shape = (
        x.shape[0],
        *(
            size + first + last
            for size, first, last in zip(x.shape[1:], before, after, strict=True)
        ),
    )
    pads = graph.integers(0, 0, *before, 0, 0, *after)
    return graph.node("Pad", [x, pads, graph.constant(layer.number(18))], shape)


def _deconvolution(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    x, rank = inputs[0], 1 if layer.operator.endswith("1D") else 2
    wanted = layer.integer(20), layer.integer(21, layer.integer(20))
    if layer.integer(28) or layer.operator.endswith("3D") or any(wanted) or layer.integer(4) < 0:
        raise BackendUnavailableError(
            f"ncnn's layer {layer.name} is a {layer.operator} with weights from another one, in 3 "
            "dimensions or of a given size, which is not done here"
        )
    windows, outputs = _windows(layer, rank), layer.integer(0)
    groups = layer.integer(7, 1) if "DepthWise" in layer.operator else 1
    channels = x.shape[0]
    kernel = layer.values("weight_data").reshape(
        groups, outputs // groups, channels // groups, *windows.kernel
    )
    kernel = np.swapaxes(kernel, 1, 2).reshape(channels, outputs // groups, *windows.kernel)
    right = layer.integer(18)
    more = (layer.integer(19, right), right)[2 - rank :]
    full = [
        (size - 1) * stride + span + extra
        for size, stride, span, extra in zip(
            x.shape[1:], windows.strides, windows.spans, more, strict=True
        )
    ]
    whole = graph.node(
        "ConvTranspose",
        [x, graph.constant(kernel)],
        (outputs, *full),
        dilations=windows.dilations,
        strides=windows.strides,
        output_padding=more,
        group=groups,
    )
    shape = [
        size - before - after
        for size, before, after in zip(full, windows.before, windows.after, strict=True)
    ]
    if list(shape) != full:
        negative = [-item for item in windows.before], [-item for item in windows.after]
        pads = graph.integers(0, 0, *negative[0], 0, 0, *negative[1])
        whole = graph.node("Pad", [whole, pads], (outputs, *shape))
    return fused(graph, layer, with_bias(graph, layer, whole))


_PLANES = ("", "1D", "3D")
HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob]] = {
    **{f"Convolution{dims}": _convolution for dims in _PLANES},
    **{f"ConvolutionDepthWise{dims}": _convolution for dims in _PLANES},
    **{f"Deconvolution{dims}": _deconvolution for dims in _PLANES},
    **{f"DeconvolutionDepthWise{dims}": _deconvolution for dims in _PLANES},
}
