"""Activations, alone and fused into other layers, of ncnn in ONNX."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter

_FLT_MAX = 3.4028234663852886e38
_SELU_ALPHA, _SELU_LAMBDA = 1.67326324, 1.050700987


def fused(graph: OnnxWriter, layer: NcnnLayer, x: Blob) -> Blob:
    """The activation that a layer has in its parameters 9 and 10."""
    kind, numbers = layer.integer(9), layer.numbers(10)
    if kind == 0:
        return x
    if kind == 1:
        return _same("Relu")(graph, layer, [x])
    if kind == 2:
        return _same("LeakyRelu")(graph, layer, [x], alpha=numbers[0])
    if kind == 3:
        return _clipped(graph, x, *numbers[:2])
    if kind == 4:
        return _same("Sigmoid")(graph, layer, [x])
    if kind == 5:
        return _same("Mish")(graph, layer, [x])
    if kind == 6:
        return _hard_swish(graph, x, *numbers[:2])
    raise BackendUnavailableError(
        f"ncnn's activation {kind} in the layer {layer.name} is not known here"
    )


def _same(operator: str) -> Callable[..., Blob]:
    """One of ONNX's operators that mean the same."""

    def made(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob], **numbers: Any) -> Blob:
        return graph.node(operator, [inputs[0]], inputs[0].shape, **numbers)

    return made


def _relu(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    slope = layer.number(0)
    if slope == 0:
        return _same("Relu")(graph, layer, inputs)
    return _same("LeakyRelu")(graph, layer, inputs, alpha=slope)


def _clip(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    return _clipped(graph, inputs[0], layer.number(0, -_FLT_MAX), layer.number(1, _FLT_MAX))


def _clipped(graph: OnnxWriter, x: Blob, low: float, high: float) -> Blob:
    return graph.node("Clip", [x, graph.constant(low), graph.constant(high)], x.shape)


def _swish(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    return graph.node("Mul", [x, graph.node("Sigmoid", [x], x.shape)], x.shape)


def _hard_sigmoid(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    alpha, beta = layer.number(0, 0.2), layer.number(1, 0.5)
    return graph.node("HardSigmoid", [x], x.shape, alpha=alpha, beta=beta)


def _hard_swish_layer(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    return _hard_swish(graph, inputs[0], layer.number(0, 0.2), layer.number(1, 0.5))


def _hard_swish(graph: OnnxWriter, x: Blob, alpha: float, beta: float) -> Blob:
    factor = graph.node("HardSigmoid", [x], x.shape, alpha=alpha, beta=beta)
    return graph.node("Mul", [x, factor], x.shape)


def _gelu(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    rule = "tanh" if layer.integer(0) else "none"
    return graph.node("Gelu", inputs, inputs[0].shape, approximate=rule)


def _elu(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    return _same("Elu")(graph, layer, inputs, alpha=layer.number(0, 0.1))


def _celu(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    return _same("Celu")(graph, layer, inputs, alpha=layer.number(0, 1.0))


def _selu(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    alpha, gamma = layer.number(0, _SELU_ALPHA), layer.number(1, _SELU_LAMBDA)
    return _same("Selu")(graph, layer, inputs, alpha=alpha, gamma=gamma)


def _prelu(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    slopes = layer.values("slope_data")
    inner = [1] * (len(x.shape) - 1)
    shaped = slopes.reshape(-1, *inner) if slopes.size > 1 else slopes.reshape(1, *inner)
    return graph.node("PRelu", [x, graph.constant(shaped)], x.shape)


def _exponential(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    x = _scaled(graph, inputs[0], layer.number(1, 1.0), layer.number(2))
    base = layer.number(0, -1.0)
    if base == -1:
        return graph.node("Exp", [x], x.shape)
    return graph.node("Pow", [graph.constant(base), x], x.shape)


def _logarithm(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    x = _scaled(graph, inputs[0], layer.number(1, 1.0), layer.number(2))
    found = graph.node("Log", [x], x.shape)
    base = layer.number(0, -1.0)
    if base == -1:
        return found
    below = graph.node("Log", [graph.constant(base)], (), samples=1)
    return graph.node("Div", [found, below], x.shape)


def _power(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    x = _scaled(graph, inputs[0], layer.number(1, 1.0), layer.number(2))
    return graph.node("Pow", [x, graph.constant(layer.number(0, 1.0))], x.shape)


def _scaled(graph: OnnxWriter, x: Blob, scale: float, shift: float) -> Blob:
    if scale != 1:
        x = graph.node("Mul", [x, graph.constant(scale)], x.shape)
    return graph.node("Add", [x, graph.constant(shift)], x.shape) if shift else x


def _dropout(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    return _scaled(graph, inputs[0], layer.number(0, 1.0), 0.0)


def _softmax(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    return graph.node("Softmax", [x], x.shape, axis=x.axis(layer.integer(0)))


def _glu(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    axis = x.axis(layer.integer(0))
    shape = tuple(size // 2 if at == axis - 1 else size for at, size in enumerate(x.shape))
    half, gate = graph.several("Split", [x], [shape, shape], axis=axis, num_outputs=2)
    return graph.node("Mul", [half, graph.node("Sigmoid", [gate], shape)], shape)


HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob]] = {
    "AbsVal": _same("Abs"),
    "CELU": _celu,
    "Clip": _clip,
    "Dropout": _dropout,
    "ELU": _elu,
    "Erf": _same("Erf"),
    "Exp": _exponential,
    "GELU": _gelu,
    "GLU": _glu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish_layer,
    "Log": _logarithm,
    "Mish": _same("Mish"),
    "PReLU": _prelu,
    "Power": _power,
    "ReLU": _relu,
    "SELU": _selu,
    "Sigmoid": _same("Sigmoid"),
    "Softmax": _softmax,
    "Softplus": _same("Softplus"),
    "Swish": _swish,
    "TanH": _same("Tanh"),
}
