"""Activations, clipping and casts in float64."""

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np

from paddleport.runners.float64.blocks import elementwise
from paddleport.runners.float64.error_function import erf
from paddleport.runners.float64.node import OperatorNode
from paddleport.tensors import Array

# ONNX's numbers of its floating point types: 1 float, 10 float16, 11 double, 16 bfloat16
FLOAT_TYPES = (1, 10, 11, 16)


def relu(_: OperatorNode, x: Array) -> Array:
    """X above zero, else 0."""
    return elementwise(np.maximum, x, np.zeros((), x.dtype))


def hyperbolic_tangent(_: OperatorNode, x: Array) -> Array:
    """Tanh."""
    return elementwise(np.tanh, x)


def sigmoid(_: OperatorNode, x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return elementwise(_sigmoid, x)


def _sigmoid(x: Array) -> Array:
    result = np.negative(x)
    with np.errstate(over="ignore"):  # the answer is 0 then
        np.exp(result, out=result)
    result += 1
    return np.divide(1, result, out=result)


def hard_sigmoid(node: OperatorNode, x: Array) -> Array:
    """Max(0, min(1, alpha x + beta))."""
    alpha, beta = node.number("alpha", _F32_FIFTH), node.number("beta", 0.5)
    return elementwise(lambda part: np.clip(alpha * part + beta, 0, 1), x)


def hard_swish(_: OperatorNode, x: Array) -> Array:
    """X max(0, min(1, x / 6 + 1/2))."""
    return elementwise(lambda part: part * np.clip(part / 6 + 0.5, 0, 1), x)


def leaky_relu(node: OperatorNode, x: Array) -> Array:
    """Alpha x below zero."""
    alpha = node.number("alpha", _F32_HUNDREDTH)
    return elementwise(lambda part: np.where(part < 0, alpha * part, part), x)


def prelu(_: OperatorNode, x: Array, slope: Array) -> Array:
    """Slope x below zero."""
    return elementwise(lambda part, factor: np.where(part < 0, factor * part, part), x, slope)


def elu(node: OperatorNode, x: Array) -> Array:
    """Alpha (exp(x) - 1) below zero."""
    alpha = node.number("alpha", 1.0)
    return elementwise(lambda part: np.where(part < 0, alpha * _expm1(part), part), x)


def celu(node: OperatorNode, x: Array) -> Array:
    """Alpha (exp(x / alpha) - 1) below zero."""
    alpha = node.number("alpha", 1.0)
    return elementwise(lambda part: np.where(part < 0, alpha * _expm1(part / alpha), part), x)


def selu(node: OperatorNode, x: Array) -> Array:
    """Gamma times an elu; the defaults are those of the ONNX specification."""
    alpha = node.number("alpha", 1.67326319217681884765625)
    gamma = node.number("gamma", 1.05070102214813232421875)
    return elementwise(lambda part: gamma * np.where(part <= 0, alpha * _expm1(part), part), x)


def _expm1(x: Array) -> Array:
    """exp(x) - 1 below zero, which is all that is asked for."""
    return np.expm1(np.minimum(x, 0))


def thresholded_relu(node: OperatorNode, x: Array) -> Array:
    """X above alpha, else 0."""
    alpha = node.number("alpha", 1.0)
    return elementwise(lambda part: np.where(part > alpha, part, 0.0), x)


def softplus(_: OperatorNode, x: Array) -> Array:
    """log(1 + exp(x)), without overflow."""
    return elementwise(lambda part: np.logaddexp(0, part), x)


def softsign(_: OperatorNode, x: Array) -> Array:
    """X / (1 + |x|)."""
    return elementwise(lambda part: part / (1 + np.abs(part)), x)


def mish(_: OperatorNode, x: Array) -> Array:
    """X tanh(softplus(x))."""
    return elementwise(lambda part: part * np.tanh(np.logaddexp(0, part)), x)


def error_function(_: OperatorNode, x: Array) -> Array:
    """The Gauss error function."""
    return elementwise(erf, x)


def gelu(node: OperatorNode, x: Array) -> Array:
    """X Phi(x), or its tanh approximation."""
    if node.text("approximate", "none") == "tanh":
        return elementwise(_gelu_by_tanh, x)
    return elementwise(lambda part: 0.5 * part * (1 + erf(part / sqrt(2))), x)


def _gelu_by_tanh(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x))))


def softmax(node: OperatorNode, x: Array) -> Array:
    """exp(x) over its sum, along an axis."""
    return _over_axis(node, x, lambda _, powers, sums: powers / sums)


def log_softmax(node: OperatorNode, x: Array) -> Array:
    """The logarithm of softmax."""
    return _over_axis(node, x, lambda shifted, _, sums: shifted - np.log(sums))


def _over_axis(node: OperatorNode, x: Array, rule: Callable[[Array, Array, Array], Array]) -> Array:
    # before opset 13 the input is flattened to two dimensions at the axis, 1 by default
    flat = node.opset < 13
    axis = node.integer("axis", 1 if flat else -1)
    table = x.reshape(int(np.prod(x.shape[: axis % x.ndim])), -1) if flat else x
    over = 1 if flat else axis
    shifted = table - table.max(axis=over, keepdims=True)
    powers = np.exp(shifted)
    return rule(shifted, powers, powers.sum(axis=over, keepdims=True)).reshape(x.shape)


def clip(
    node: OperatorNode, x: Array, low: Array | None = None, high: Array | None = None
) -> Array:
    """Between two bounds; they were attributes before opset 11. The upper one wins."""
    bounds: list[Any] = [low, high]
    if node.opset < 11:
        bounds = [node.get("min"), node.get("max")]
    least, most = (None if item is None else np.asarray(item, x.dtype) for item in bounds)

    def clipped(part: Array) -> Array:
        result = part.copy() if least is None else np.maximum(part, least)
        return result if most is None else np.minimum(result, most, out=result)

    return elementwise(clipped, x)


def cast(node: OperatorNode, x: Array) -> Array:
    """To a type; every floating point type is float64 here."""
    return cast_to(x, node.integer("to", 1))


def cast_like(_: OperatorNode, x: Array, like: Array) -> Array:
    """To the type of another tensor."""
    return x.astype(like.dtype)


def cast_to(x: Array, number: int) -> Array:
    """To ONNX's type of that number."""
    import onnx

    if number in FLOAT_TYPES:
        return x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return x.astype(onnx.helper.tensor_dtype_to_np_dtype(number))


def constant_of_shape(node: OperatorNode, shape: Array) -> Array:
    """Zeros of type float, unless the node states a value."""
    from onnx import numpy_helper

    stated = node.get("value")
    value = np.zeros(1) if stated is None else numpy_helper.to_array(stated)
    return np.full(tuple(shape.tolist()), value.item(), value.dtype)


def identity(_: OperatorNode, x: Array, *rest: Array) -> Array:
    """What Dropout is in inference."""
    return x


# The specification's defaults are float32 numbers, and so are the runtimes'.
_F32_FIFTH = float(np.float32(0.2))
_F32_HUNDREDTH = float(np.float32(0.01))
