"""Operators that MNN's converter gets wrong, said by others that it gets right."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.convert.mnn.mnn_refusals import refusal
from paddleport.convert.mnn.rewritten_graph import RewrittenGraph, attribute

if TYPE_CHECKING:
    import onnx

_TURNED_SOFTMAX = 13  # below, it flattens what follows its axis
_IMPRECISE_KERNEL = (7, 7)
_AXES_ARE_INPUTS = 13  # of ReduceSum; of the other reductions 18


def _strided(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """A pool that leaves its strides out ends MNN by a division by zero: they are 1."""
    if attribute(node, "strides") is not None or refusal(graph, node):
        return False
    from onnx import helper

    sides = len(attribute(node, "kernel_shape"))
    node.attribute.append(helper.make_attribute("strides", [1] * sides))
    graph.keep(node)
    return True


def _widened(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """A 7x7 convolution, whose Winograd is 5e-4 off in MNN: a column of zeros makes it 7x8.

    MNN takes Winograd for square kernels alone, at every level but none at all; those of 3x3 and
    5x5 are right, and larger ones are none.
    """
    if len(node.input) < 2 or refusal(graph, node):
        return False
    weight = graph.stored(node.input[1])
    if weight is None or weight.shape[2:] != _IMPRECISE_KERNEL:
        return False
    plain = all(
        step == 1 for name in ("strides", "dilations") for step in attribute(node, name, ())
    )
    if not plain or (weight.shape[1] == 1 and attribute(node, "group", 1) > 1):  # depthwise
        return False
    from onnx import helper

    wide = graph.constant(np.pad(weight, ((0, 0), (0, 0), (0, 0), (0, 1))))
    top, left, bottom, right = attribute(node, "pads", (0, 0, 0, 0))
    changed = {"kernel_shape": [7, 8]}
    if attribute(node, "auto_pad", "NOTSET") != "SAME_UPPER":  # that pads one more at the end
        changed |= {"pads": [top, left, bottom, right + 1]}
    kept = [item for item in node.attribute if item.name not in ("kernel_shape", "pads")]
    kept = [item for item in kept if item.name != "auto_pad" or "pads" not in changed]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(helper.make_attribute(name, value) for name, value in changed.items())
    node.input[1] = wide
    graph.keep(node)
    return True


def _filled(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """ConstantOfShape without its value, which MNN leaves as it finds it: it is 0."""
    if attribute(node, "value") is not None:
        return False
    from onnx import helper, numpy_helper

    zero = numpy_helper.from_array(np.zeros(1, np.float32))
    node.attribute.append(helper.make_attribute("value", zero))
    graph.keep(node)
    return True


def _reduction(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """MNN ignores the axes of these: each is a ReduceSum between others."""
    x, kind = node.input[0], node.op_type
    axes = attribute(node, "axes")
    if len(node.input) > 1 and node.input[1]:
        stored = graph.stored(node.input[1])
        if stored is None:
            return False
        axes = stored.tolist()
    keep = attribute(node, "keepdims", 1)
    if axes is None and attribute(node, "noop_with_empty_axes", 0):
        return False
    if kind == "ReduceLogSumExp":
        inputs, attributes = _with_axes(graph, [x], axes, 18)
        most = graph.add("ReduceMax", inputs, keepdims=1, **attributes)
        x = graph.add("Exp", [graph.add("Sub", [x, most])])
        total = graph.add("Log", [_summed(graph, x, axes, 1)])
        whole = graph.add("Add", [total, most], node.output[0] if keep else "")
        if not keep:
            _summed(graph, whole, axes, 0, node.output[0])  # of one value each
        return True
    if kind in ("ReduceL2", "ReduceSumSquare"):
        x = graph.add("Mul", [x, x])
    elif kind == "ReduceL1":
        x = graph.add("Abs", [x])
    last = {"ReduceL2": "Sqrt", "ReduceLogSum": "Log"}.get(kind)
    total = _summed(graph, x, axes, keep, "" if last else node.output[0])
    if last:
        graph.add(last, [total], node.output[0])
    return True


def _summed(
    graph: RewrittenGraph, x: str, axes: list[int] | None, keep: int, output: str = ""
) -> str:
    inputs, attributes = _with_axes(graph, [x], axes, _AXES_ARE_INPUTS)
    return graph.add("ReduceSum", inputs, output, keepdims=keep, **attributes)


def _with_axes(
    graph: RewrittenGraph, inputs: list[str], axes: list[int] | None, since: int
) -> tuple[list[str], Mapping[str, Any]]:
    if axes is None:
        return inputs, {}
    if graph.opset < since:
        return inputs, {"axes": axes}
    return [*inputs, graph.constant(np.array(axes, np.int64))], {}


def _unreduced(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """A ReduceSum over no axes, which MNN takes for one over all."""
    axes = graph.stored(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    none = (axes is not None and not axes.size) or (
        axes is None and attribute(node, "axes") is None and len(node.input) < 2
    )
    if not attribute(node, "noop_with_empty_axes", 0) or not none:
        return False
    graph.add("Identity", [node.input[0]], node.output[0])
    return True


def _kept(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """MNN has no Dropout, and converts it all the same."""
    if len(node.output) > 1 and node.output[1] and graph.is_used(node.output[1]):
        return False
    graph.add("Identity", [node.input[0]], node.output[0])
    return True


def _variadic(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """Sum and Mean of tensors of other shapes read past the smaller one's end."""
    total = node.input[0]
    for index, name in enumerate(node.input[1:], 2):
        last = index == len(node.input) and node.op_type == "Sum"
        total = graph.add("Add", [total, name], node.output[0] if last else "")
    if len(node.input) == 1:
        graph.add("Identity", [total], node.output[0])
    elif node.op_type == "Mean":
        graph.add("Mul", [total, graph.number(1 / len(node.input))], node.output[0])
    return True


def _log_softmax(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """MNN takes LogSoftmax only over an axis that is counted from the front."""
    rank, axis = graph.rank(node.input[0]), attribute(node, "axis", -1)
    if graph.opset < _TURNED_SOFTMAX or axis >= 0 or rank is None:
        return False
    graph.add("LogSoftmax", [node.input[0]], node.output[0], axis=axis + rank)
    return True


def _gelu(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """MNN computes the operator Gelu by a polynomial, whatever its settings say."""
    if attribute(node, "approximate", "none") != "none":
        return False
    x = node.input[0]
    bent = graph.add("Erf", [graph.add("Mul", [x, graph.number(0.5**0.5)])])
    half = graph.add("Mul", [x, graph.number(0.5)])
    graph.add("Mul", [half, graph.add("Add", [bent, graph.number(1)])], node.output[0])
    return True


def _to_bool(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """A cast to bool, which MNN makes a cast to whole numbers."""
    from onnx import TensorProto

    kind = graph.dtype(node.input[0])
    if attribute(node, "to") != TensorProto.BOOL or kind in ("", "bool"):
        return False
    zero = graph.constant(np.zeros((), kind))
    graph.add("Not", [graph.add("Equal", [node.input[0], zero])], node.output[0])
    return True


def _softplus(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """MNN's exponential ends at 87: log(1 + e^x) is max(x, 0) + log(1 + e^-|x|)."""
    mish = node.op_type == "Mish"
    x = node.input[0]
    small = graph.add("Exp", [graph.add("Neg", [graph.add("Abs", [x])])])
    rest = graph.add("Log", [graph.add("Add", [small, graph.number(1)])])
    soft = graph.add("Add", [graph.add("Relu", [x]), rest], "" if mish else node.output[0])
    if mish:
        graph.add("Mul", [x, graph.add("Tanh", [soft])], node.output[0])
    return True


def _vector_product(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """A matrix times a vector, which MNN can't squeeze: the vector as a matrix."""
    left, right = (graph.rank(name) for name in node.input)
    if right != 1 or left is None or left < 2:
        return False
    column = graph.add("Reshape", [node.input[1], graph.constant(np.array([-1, 1], np.int64))])
    product = graph.add("MatMul", [node.input[0], column])
    inputs, attributes = _with_axes(graph, [product], [-1], 13)
    graph.add("Squeeze", inputs, node.output[0], **attributes)
    return True


def _general_product(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """Gemm with its first matrix turned, or with factors."""
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    turned = attribute(node, "transA", 0)
    if alpha == beta == 1.0 and not turned:
        return False
    a, b = node.input[:2]
    a = graph.add("Transpose", [a], perm=[1, 0]) if turned else a
    b = graph.add("Transpose", [b], perm=[1, 0]) if attribute(node, "transB", 0) else b
    product = graph.add("MatMul", [a, b])
    bias = node.input[2] if len(node.input) > 2 else ""
    if alpha != 1.0 or not bias:
        product = graph.add("Mul", [product, graph.number(alpha)], "" if bias else node.output[0])
    if bias:
        bias = bias if beta == 1.0 else graph.add("Mul", [bias, graph.number(beta)])
        graph.add("Add", [product, bias], node.output[0])
    return True


def _comparison(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """MNN's Less of floats is wrong, and the others where both sides are broadcast.

    Its Max and Equal are right: a < b where max(a, b) is not a.
    """
    if not graph.dtype(node.input[0]).startswith("float"):
        return False
    a, b = node.input
    most = graph.add("Max", [a, b])
    other = a if node.op_type in ("Less", "GreaterOrEqual") else b
    negated = node.op_type in ("Less", "Greater")
    same = graph.add("Equal", [most, other], "" if negated else node.output[0])
    if negated:
        graph.add("Not", [same], node.output[0])
    return True


def _choice(graph: RewrittenGraph, node: "onnx.NodeProto") -> bool:
    """A Where that broadcasts reads past the end of what is smaller: all are made as large."""
    shapes = {graph.shape(name) for name in node.input}
    kind = graph.dtype(node.input[1])
    if (len(shapes) == 1 and None not in shapes) or not kind or kind == "bool":
        return False
    from onnx import helper

    to = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    condition, x, y = node.input
    number = graph.add("Cast", [condition], to=to)
    size = graph.add("Shape", [graph.add("Add", [graph.add("Add", [x, y]), number])])
    zero = graph.constant(np.zeros((), kind))
    whole = [graph.add("Expand", [item, size]) for item in (number, x, y)]
    chosen = graph.add("Not", [graph.add("Equal", [whole[0], zero])])
    graph.add("Where", [chosen, *whole[1:]], node.output[0])
    return True


REWRITES = {
    **dict.fromkeys(("Less", "LessOrEqual", "Greater", "GreaterOrEqual"), _comparison),
    "Where": _choice,
    "ConstantOfShape": _filled,
    "Conv": _widened,
    "MaxPool": _strided,
    "AveragePool": _strided,
    "LpPool": _strided,
    **dict.fromkeys(
        ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"), _reduction
    ),
    "ReduceSum": _unreduced,
    "Dropout": _kept,
    "Sum": _variadic,
    "Mean": _variadic,
    "LogSoftmax": _log_softmax,
    "Gelu": _gelu,
    "Cast": _to_bool,
    "Softplus": _softplus,
    "Mish": _softplus,
    "MatMul": _vector_product,
    "Gemm": _general_product,
}
"""By operator; each says whether it has written the node, which else is kept or refused."""
