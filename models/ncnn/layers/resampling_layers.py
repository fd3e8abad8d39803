"""Other resolutions of pictures of ncnn in ONNX."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter

_NEAREST, _BILINEAR, _BICUBIC = 1, 2, 3


def _interp(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    x = inputs[0]
    kind, corners = layer.integer(0), layer.integer(6)
    if kind not in (_NEAREST, _BILINEAR, _BICUBIC) or 9 in layer.parameters:
        raise BackendUnavailableError(f"ncnn's resize {kind} ({layer.name}) is not known here")
    if len(x.shape) == 1:  # every channel is one value, everywhere
        height, width = layer.integer(3), layer.integer(4)
        size = (height or int(layer.number(1, 1.0)), width or int(layer.number(2, 1.0)))
        table = graph.reshaped(x, (*x.shape, 1, 1))
        wide = graph.integers(x.samples, *x.shape, *size)
        return graph.node("Expand", [table, wide], (*x.shape, *size))
    shape = _resized(layer, inputs)
    if shape == x.shape:
        return x
    attributes: dict[str, Any] = {"mode": "linear"}
    if kind == _BICUBIC:
        attributes = {"mode": "cubic", "cubic_coeff_a": -0.75}
    rule = "align_corners" if corners else "half_pixel"
    if kind == _NEAREST:
        rule, attributes = "asymmetric", {"mode": "nearest", "nearest_mode": "floor"}
    sizes = graph.integers(x.samples, *shape)
    return graph.node(
        "Resize", [x, "", "", sizes], shape, coordinate_transformation_mode=rule, **attributes
    )


def _resized(layer: NcnnLayer, inputs: Sequence[Blob]) -> tuple[int, ...]:
    x = inputs[0]
    if len(inputs) > 1:
        return (x.shape[0], *inputs[1].shape[1:])
    height, width = layer.integer(3), layer.integer(4)
    if len(x.shape) == 2:
        return (x.shape[0], width or int(x.shape[1] * layer.number(2, 1.0)))
    if not height or not width:
        height = int(x.shape[1] * layer.number(1, 1.0))
        width = int(x.shape[2] * layer.number(2, 1.0))
    return (x.shape[0], height, width)


def _pixel_shuffle(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    times = layer.integer(0, 1)
    channels, height, width = x.shape
    shape = (channels // times**2, height * times, width * times)
    mode = "DCR" if layer.integer(1) else "CRD"
    return graph.node("DepthToSpace", [x], shape, blocksize=times, mode=mode)


def _reorg(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    step = layer.integer(0, 1)
    channels, height, width = x.shape
    shape = (channels * step**2, height // step, width // step)
    if layer.integer(1):
        return graph.node("SpaceToDepth", [x], shape, blocksize=step)
    split = (channels, height // step, step, width // step, step)
    turned = (channels, step, step, height // step, width // step)
    y = graph.node("Transpose", [graph.reshaped(x, split)], turned, perm=[0, 1, 3, 5, 2, 4])
    return graph.reshaped(y, shape)


def _shuffle_channel(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    groups = layer.integer(0, 1)
    channels, *inner = x.shape
    rows = channels // groups if layer.integer(1) else groups
    split = graph.reshaped(x, (rows, channels // rows, *inner))
    axes = [0, 2, 1, *range(3, 3 + len(inner))]
    turned = graph.node("Transpose", [split], (channels // rows, rows, *inner), perm=axes)
    return graph.reshaped(turned, x.shape)


HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob]] = {
    "Interp": _interp,
    "PixelShuffle": _pixel_shuffle,
    "Reorg": _reorg,
    "ShuffleChannel": _shuffle_channel,
}
