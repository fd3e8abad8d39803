"""Sums, products and functions of each value, of ncnn in ONNX.

Source of the broadcast rules: ncnn's "binaryop-broadcasting"; a blob of lower rank is laid along
the outermost axes, the other way round than in ONNX.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter

_BINARY = {0: "Add", 1: "Sub", 2: "Mul", 3: "Div", 4: "Max", 5: "Min", 6: "Pow"}
_REVERSED = {7: "Sub", 8: "Div", 9: "Pow"}
_UNARY = {
    **{0: "Abs", 1: "Neg", 2: "Floor", 3: "Ceil", 5: "Sqrt", 7: "Exp", 8: "Log", 9: "Sin"},
    **{10: "Cos", 11: "Tan", 12: "Asin", 13: "Acos", 14: "Atan", 15: "Reciprocal", 16: "Tanh"},
    18: "Round",
}
_SQUARE, _RSQRT, _LOG10, _TRUNC = 4, 6, 17, 19
_PRODUCT, _SUM, _MAXIMUM = 0, 1, 2
_FROM_BLOB = -233


def _binary(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    kind = layer.integer(0)
    operator = _BINARY.get(kind) or _REVERSED.get(kind)
    if operator is None:
        raise BackendUnavailableError(f"ncnn's BinaryOp {kind} ({layer.name}) is not known here")
    if layer.integer(1):
        x = inputs[0]
        operands: list[Blob | str] = [x, graph.constant(layer.number(2))]
        shape = x.shape
    else:
        a, b = _aligned(graph, inputs[0], inputs[1])
        operands, shape = [a, b], np.broadcast_shapes(a.shape, b.shape)
    if kind in _REVERSED:
        operands.reverse()
    return graph.node(operator, operands, shape)


def _aligned(graph: OnnxWriter, a: Blob, b: Blob) -> tuple[Blob, Blob]:
    """Both with the rank of the one that has more."""
    rank = max(len(a.shape), len(b.shape))
    return _raised(graph, a, b, rank), _raised(graph, b, a, rank)


def _raised(graph: OnnxWriter, x: Blob, other: Blob, rank: int) -> Blob:
    missing = [1] * (rank - len(x.shape))
    inner = len(x.shape) == 1 and x.shape[0] != other.shape[0]
    return graph.reshaped(x, (*missing, *x.shape) if inner else (*x.shape, *missing))


def _unary(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    kind = layer.integer(0)
    if kind in _UNARY:
        return graph.node(_UNARY[kind], [x], x.shape)
    if kind == _SQUARE:
        return graph.node("Mul", [x, x], x.shape)
    if kind == _RSQRT:
        return graph.node("Reciprocal", [graph.node("Sqrt", [x], x.shape)], x.shape)
    if kind == _LOG10:
        ten = graph.node("Log", [graph.constant(10.0)], (), samples=1)
        return graph.node("Div", [graph.node("Log", [x], x.shape), ten], x.shape)
    if kind == _TRUNC:
        size = graph.node("Floor", [graph.node("Abs", [x], x.shape)], x.shape)
        return graph.node("Mul", [size, graph.node("Sign", [x], x.shape)], x.shape)
    raise BackendUnavailableError(f"ncnn's UnaryOp {kind} ({layer.name}) is not known here")


def _eltwise(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    kind, factors = layer.integer(0), layer.numbers(1)
    parts = list(inputs)
    if kind == _SUM and factors:
        parts = [
            graph.node("Mul", [x, graph.constant(factor)], x.shape)
            for x, factor in zip(inputs, factors, strict=True)
        ]
    operator = {_PRODUCT: "Mul", _SUM: "Add", _MAXIMUM: "Max"}[kind]
    total = parts[0]
    for part in parts[1:]:
        total = graph.node(operator, [total, part], total.shape)
    return total


def _scale(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    x = inputs[0]
    inner = [1] * (len(x.shape) - 1)
    if layer.integer(0) == _FROM_BLOB:
        factors: Blob | str = graph.reshaped(inputs[1], (inputs[1].size, *inner))
    else:
        factors = graph.constant(layer.values("scale_data").reshape(-1, *inner))
    y = graph.node("Mul", [x, factors], x.shape)
    return _with_bias(graph, layer, y)


def _bias(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    return _with_bias(graph, layer, inputs[0])


def _with_bias(graph: OnnxWriter, layer: NcnnLayer, y: Blob) -> Blob:
    if layer.weight("bias_data") is None:
        return y
    bias = layer.values("bias_data").reshape(-1, *[1] * (len(y.shape) - 1))
    return graph.node("Add", [y, graph.constant(bias)], y.shape)


def _cumulative_sum(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    axis = graph.constant(np.int64(x.axis(layer.integer(0))))
    return graph.node("CumSum", [x, axis], x.shape)


HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob]] = {
    "Bias": _bias,
    "BinaryOp": _binary,
    "CumulativeSum": _cumulative_sum,
    "Eltwise": _eltwise,
    "Scale": _scale,
    "UnaryOp": _unary,
}
