"""Settings of operators that MNN's converter takes in silence and gets wrong."""

from typing import TYPE_CHECKING

import numpy as np

from paddleport.convert.mnn.rewritten_graph import RewrittenGraph, attribute

if TYPE_CHECKING:
    import onnx

_TURNED_SOFTMAX = 13  # below, Softmax flattens what follows its axis
_REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")


def refusal(graph: RewrittenGraph, node: "onnx.NodeProto") -> str:
    """In which setting MNN gets a node wrong; empty for one that it gets right."""
    kind = node.op_type
    if kind in ("Conv", "ConvTranspose", "MaxPool", "AveragePool"):
        return _window(graph, node)
    if kind in ("Softmax", "LogSoftmax"):
        return _flattening(graph, node)
    if kind == "Resize":
        return _resize(graph, node)
    if kind == "Pad":
        return _pad(graph, node)
    if kind in ("LSTM", "GRU"):
        return _recurrence(node)
    if kind == "Mod" and attribute(node, "fmod", 0):
        return "with fmod"
    if kind == "ScatterND" and attribute(node, "reduction", "none") != "none":
        return f"with reduction {attribute(node, 'reduction')}"
    if kind in _REDUCTIONS:
        return "with axes that are computed"
    if kind == "Where" and len({graph.shape(name) for name in node.input}) > 1:
        return "between tensors of different shapes"
    return ""


def _window(graph: RewrittenGraph, node: "onnx.NodeProto") -> str:
    if attribute(node, "auto_pad") == "SAME_LOWER":
        return "with auto_pad SAME_LOWER"
    if node.op_type == "ConvTranspose":
        return "with output_shape" if attribute(node, "output_shape") is not None else ""
    if node.op_type == "Conv":
        rank = graph.rank(node.input[0])
        return "" if rank in (None, 4) else f"in {(rank or 0) - 2} dimensions"
    if node.op_type == "MaxPool":
        if len(node.output) > 1 and node.output[1] and graph.is_used(node.output[1]):
            return "with indices"
    elif attribute(node, "count_include_pad", 0):
        pads = attribute(node, "pads", [])
        uneven = pads[: len(pads) // 2] != pads[len(pads) // 2 :]
        if attribute(node, "auto_pad") == "SAME_UPPER":
            return "with count_include_pad and auto_pad SAME_UPPER"
        if attribute(node, "ceil_mode", 0) and uneven:
            return "with count_include_pad, ceil_mode and uneven padding"
    sparse = any(step != 1 for step in attribute(node, "dilations", ()))
    return "with dilations" if sparse else ""


def _flattening(graph: RewrittenGraph, node: "onnx.NodeProto") -> str:
    if node.op_type == "LogSoftmax" and graph.opset >= _TURNED_SOFTMAX:
        return "over an axis counted from the back" if attribute(node, "axis", -1) < 0 else ""
    axis, rank = attribute(node, "axis", 1), graph.rank(node.input[0])
    if graph.opset >= _TURNED_SOFTMAX or axis == -1 or (rank is not None and axis == rank - 1):
        return ""
    return f"over several axes, in opset {graph.opset}"


def _resize(graph: RewrittenGraph, node: "onnx.NodeProto") -> str:
    mode = attribute(node, "mode", "nearest")
    places = attribute(node, "coordinate_transformation_mode", "half_pixel")
    if graph.opset < 11:
        return f"with mode {mode} in opset {graph.opset}" if mode != "nearest" else ""
    if attribute(node, "axes") is not None:
        return "with axes"
    if attribute(node, "exclude_outside", 0):
        return "with exclude_outside"
    if mode == "cubic" and places in ("half_pixel", "pytorch_half_pixel"):
        return f"with mode cubic and {places}"
    rounding = attribute(node, "nearest_mode", "round_prefer_floor")
    if mode == "nearest" and places == "asymmetric" and rounding in ("ceil", "round_prefer_ceil"):
        return f"with nearest_mode {rounding}"
    return ""


def _pad(graph: RewrittenGraph, node: "onnx.NodeProto") -> str:
    if len(node.input) > 3 and node.input[3]:
        return "with axes"
    if attribute(node, "mode", "constant") != "constant":
        return ""
    value = attribute(node, "value", 0.0)
    if len(node.input) > 2 and node.input[2]:
        stored = graph.stored(node.input[2])
        value = np.nan if stored is None else float(stored.reshape(-1)[0])
    return "" if value == 0 else "with a value other than 0"


def _recurrence(node: "onnx.NodeProto") -> str:
    direction = attribute(node, "direction", "forward")
    if direction == "reverse":
        return "in direction reverse"
    if node.op_type == "GRU" and not attribute(node, "linear_before_reset", 0):
        return "without linear_before_reset"
    return ""
