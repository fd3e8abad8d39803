"""Activations, clipping and casts in float64."""

from collections.abc import Callable
from math import erf, pi, sqrt
from typing import Any

import numpy as np

from paddleport.runners.float64.node import OperatorNode
from paddleport.tensors import Array

# ONNX's numbers of its floating point types: 1 float, 10 float16, 11 double, 16 bfloat16
FLOAT_TYPES = (1, 10, 11, 16)


def sigmoid(_: OperatorNode, x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))


def hard_sigmoid(node: OperatorNode, x: Array) -> Array:
    """Max(0, min(1, alpha x + beta))."""
    return np.clip(node.number("alpha", _F32_FIFTH) * x + node.number("beta", 0.5), 0, 1)


def hard_swish(_: OperatorNode, x: Array) -> Array:
    """X max(0, min(1, x / 6 + 1/2))."""
    return x * np.clip(x / 6 + 0.5, 0, 1)


def leaky_relu(node: OperatorNode, x: Array) -> Array:
    """Alpha x below zero."""
    return np.where(x < 0, node.number("alpha", _F32_HUNDREDTH) * x, x)


def prelu(_: OperatorNode, x: Array, slope: Array) -> Array:
    """Slope x below zero."""
    return np.where(x < 0, slope * x, x)


def elu(node: OperatorNode, x: Array) -> Array:
    """Alpha (exp(x) - 1) below zero."""
    return np.where(x < 0, node.number("alpha", 1.0) * np.expm1(np.minimum(x, 0)), x)


def celu(node: OperatorNode, x: Array) -> Array:
    """Alpha (exp(x / alpha) - 1) below zero."""
    alpha = node.number("alpha", 1.0)
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0) / alpha), x)


def selu(node: OperatorNode, x: Array) -> Array:
    """Gamma times an elu; the defaults are those of the ONNX specification."""
    alpha = node.number("alpha", 1.67326319217681884765625)
    gamma = node.number("gamma", 1.05070102214813232421875)
    return gamma * np.where(x <= 0, alpha * np.expm1(np.minimum(x, 0)), x)


def thresholded_relu(node: OperatorNode, x: Array) -> Array:
    """X above alpha, else 0."""
    return np.where(x > node.number("alpha", 1.0), x, 0.0)


def softplus(_: OperatorNode, x: Array) -> Array:
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(0, x)


def softsign(_: OperatorNode, x: Array) -> Array:
    """X / (1 + |x|)."""
    return np.asarray(x / (1 + np.abs(x)))


def mish(_: OperatorNode, x: Array) -> Array:
    """X tanh(softplus(x))."""
    return x * np.tanh(np.logaddexp(0, x))


def error_function(_: OperatorNode, x: Array) -> Array:
    """The Gauss error function, from the C library."""
    return np.fromiter(map(erf, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def gelu(node: OperatorNode, x: Array) -> Array:
    """X Phi(x), or its tanh approximation."""
    if node.text("approximate", "none") == "tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + error_function(node, x / sqrt(2))))


def softmax(node: OperatorNode, x: Array) -> Array:
    """exp(x) over its sum, along an axis."""
    return _over_axis(node, x, lambda shifted, sums: np.exp(shifted) / sums)


def log_softmax(node: OperatorNode, x: Array) -> Array:
    """The logarithm of softmax."""
    return _over_axis(node, x, lambda shifted, sums: shifted - np.log(sums))


def _over_axis(node: OperatorNode, x: Array, rule: Callable[[Array, Array], Array]) -> Array:
    # before opset 13 the input is flattened to two dimensions at the axis, 1 by default
    flat = node.opset < 13
    axis = node.integer("axis", 1 if flat else -1)
    table = x.reshape(int(np.prod(x.shape[: axis % x.ndim])), -1) if flat else x
    over = 1 if flat else axis
    shifted = table - table.max(axis=over, keepdims=True)
    return rule(shifted, np.exp(shifted).sum(axis=over, keepdims=True)).reshape(x.shape)


def clip(
    node: OperatorNode, x: Array, low: Array | None = None, high: Array | None = None
) -> Array:
    """Between two bounds; they were attributes before opset 11. The upper one wins."""
    bounds: list[Any] = [low, high]
    if node.opset < 11:
        bounds = [node.get("min"), node.get("max")]
    result = x if bounds[0] is None else np.maximum(x, np.asarray(bounds[0], x.dtype))
    return result if bounds[1] is None else np.minimum(result, np.asarray(bounds[1], x.dtype))


def power(_: OperatorNode, base: Array, exponent: Array) -> Array:
    """In the type of the base."""
    with np.errstate(all="ignore"):
        return np.power(base.astype(np.float64), exponent).astype(base.dtype)


def divide(_: OperatorNode, a: Array, b: Array) -> Array:
    """Integers are divided toward zero, as in C."""
    if a.dtype.kind == "f":
        with np.errstate(all="ignore"):
            return np.divide(a, b)
    quotient = np.floor_divide(np.abs(a), np.abs(b))
    return (np.sign(a) * np.sign(b) * quotient).astype(a.dtype)


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
