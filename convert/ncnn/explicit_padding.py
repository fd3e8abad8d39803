"""Paddings that follow from sizes, or differ between two sides, written out for pnnx.

It pads for ``auto_pad`` as if the window had no stride, and counts the padding into averages.
"""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from paddleport.convert.ncnn.fixed_graph import FixedGraph, setting
from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx

_LOWEST = float(np.finfo(np.float32).min)
_OWN = ("auto_pad", "pads", "ceil_mode", "count_include_pad")


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """One axis of a picture under a window.

    Attributes:
        size: of the picture.
        window: with its dilation.
        stride: from one window to the next.
        before, after: padding that the node asks for.
        beyond: what the last window needs more, where the number of windows is rounded up.
        windows: their number.
    """

    size: int
    window: int
    stride: int
    before: int
    after: int
    beyond: int
    windows: int

    @property
    def lopsided(self) -> bool:
        return self.before != self.after + self.beyond

    def counts(self, *, padding: bool) -> Array:
        """How many places of each window are of the picture, or of its padding as well."""
        first = 0 if padding else self.before
        last = self.before + self.size + (self.after if padding else 0)
        starts = np.arange(self.windows) * self.stride
        inside = np.minimum(starts + self.window, last) - np.maximum(starts, first)
        return np.asarray(np.maximum(inside, 1), np.float64)


def explicit_padding(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """A window with the same padding on both sides, or none and a Pad before it."""
    axes = _axes(graph, node)
    if not axes:
        return []
    average = node.op_type == "AveragePool"
    included = bool(setting(node, "count_include_pad", 0))
    automatic = setting(node, "auto_pad", b"NOTSET") != b"NOTSET"
    uneven = any(axis.before != axis.after for axis in axes)
    beyond = average and included and any(axis.beyond for axis in axes)
    if node.op_type == "Conv":  # which ncnn pads on each side by itself
        uneven = False
    if not automatic and not uneven and not beyond:
        return []
    even = not any(axis.lopsided or axis.beyond for axis in axes)
    if even or node.op_type == "Conv":
        sides = [*(axis.before for axis in axes), *(axis.after for axis in axes)]
        return [_window(node, node.input[0], node.output[0], sides)]
    return _padded(graph, node, axes, average=average, included=included)


def _padded(
    graph: FixedGraph, node: "onnx.NodeProto", axes: list[_Axis], *, average: bool, included: bool
) -> list["onnx.NodeProto"]:
    from onnx import helper

    padded = graph.new_name()
    sides = [0, 0, *(axis.before for axis in axes)]
    sides += [0, 0, *(axis.after + axis.beyond for axis in axes)]
    value = _LOWEST if node.op_type == "MaxPool" else 0.0
    nodes = [graph.pad(node.input[0], sides, value, padded)]
    result = graph.new_name() if average else node.output[0]
    nodes.append(_window(node, padded, result, [0] * (2 * len(axes))))
    if average:
        counts = np.ones(1)
        for axis in axes:
            counts = counts[..., None] * axis.counts(padding=included)
        share = prod(axis.window for axis in axes) / counts
        factor = graph.stored(share.astype(np.float32))
        nodes.append(helper.make_node("Mul", [result, factor], [node.output[0]]))
    return nodes


def _window(node: "onnx.NodeProto", source: str, result: str, sides: list[int]) -> "onnx.NodeProto":
    """The node on another tensor, with its own settings but for the padding."""
    from onnx import helper

    kept = {
        item.name: helper.get_attribute_value(item)
        for item in node.attribute
        if item.name not in _OWN
    }
    return helper.make_node(node.op_type, [source, *node.input[1:]], [result], pads=sides, **kept)


def _axes(graph: FixedGraph, node: "onnx.NodeProto") -> list[_Axis]:
    """Of pictures whose sizes are known; none where windows can't be written otherwise."""
    source, result = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
    weights = graph.shapes.get(node.input[1]) if len(node.input) > 1 else None
    kernel = setting(node, "kernel_shape") or (weights[2:] if weights else None)
    if source is None or result is None or not kernel or len(node.output) > 1:
        return []
    rank = len(kernel)
    strides = setting(node, "strides") or [1] * rank
    dilations = setting(node, "dilations") or [1] * rank
    pads = setting(node, "pads") or [0] * (2 * rank)
    if node.op_type == "AveragePool" and any(item > 1 for item in dilations):
        return []
    kind = setting(node, "auto_pad", b"NOTSET")
    axes = []
    for at in range(rank):
        size, windows = source[2 + at], result[2 + at]
        window = (kernel[at] - 1) * dilations[at] + 1
        needed = (windows - 1) * strides[at] + window - size
        before, after = pads[at], pads[rank + at]
        if kind == b"VALID":
            before = after = 0
        elif kind != b"NOTSET":
            less, more = max(needed, 0) // 2, (max(needed, 0) + 1) // 2
            before, after = (less, more) if kind == b"SAME_UPPER" else (more, less)
        axes.append(
            _Axis(
                size=size,
                window=window,
                stride=strides[at],
                before=before,
                after=after,
                beyond=max(needed - before - after, 0),
                windows=windows,
            )
        )
    return axes
