"""Normalisations and means over whole channels in float64."""

import numpy as np

from paddleport.runners.float64.node import OperatorNode
from paddleport.tensors import Array

_F32_1E_5 = float(np.float32(1e-5))  # the specification's epsilon, a float32


def batch_normalization(
    node: OperatorNode, x: Array, scale: Array, bias: Array, mean: Array, variance: Array
) -> Array:
    """With the statistics that were stored."""
    if node.integer("training_mode", 0):
        raise NotImplementedError("BatchNormalization in training mode")
    factor = scale / np.sqrt(variance + node.number("epsilon", _F32_1E_5))
    return (x - _channels(mean, x)) * _channels(factor, x) + _channels(bias, x)


def instance_normalization(node: OperatorNode, x: Array, scale: Array, bias: Array) -> Array:
    """Each picture and channel to mean 0 and variance 1."""
    axes = tuple(range(2, x.ndim))
    return _normalized(node, x, axes) * _channels(scale, x) + _channels(bias, x)


def group_normalization(node: OperatorNode, x: Array, scale: Array, bias: Array) -> Array:
    """Each picture and group of channels; scale and bias per group before opset 21."""
    groups = node.integer("num_groups", 1)
    table = _normalized(node, x.reshape(x.shape[0], groups, -1), (2,)).reshape(x.shape)
    if node.opset < 21:
        scale, bias = (np.repeat(item, x.shape[1] // groups) for item in (scale, bias))
    return table * _channels(scale, x) + _channels(bias, x)


def layer_normalization(
    node: OperatorNode, x: Array, scale: Array, bias: Array | None = None
) -> Array:
    """Over all axes from one on."""
    if node.outputs > 1:
        raise NotImplementedError("LayerNormalization with its mean as an output")
    axes = tuple(range(node.integer("axis", -1) % x.ndim, x.ndim))
    result = _normalized(node, x, axes) * scale
    return result if bias is None else result + bias


def local_response(node: OperatorNode, x: Array) -> Array:
    """LRN: across neighbouring channels, x [N, C, ...]."""
    size = node.integer("size", 1)
    around = [(0, 0)] * x.ndim
    around[1] = ((size - 1) // 2, size - 1 - (size - 1) // 2)
    squares = np.pad(x * x, around)
    total = sum(squares[:, at : at + x.shape[1]] for at in range(size))
    alpha, beta = node.number("alpha", float(np.float32(1e-4))), node.number("beta", 0.75)
    return np.asarray(x / (node.number("bias", 1.0) + alpha / size * total) ** beta)


def global_average_pool(_: OperatorNode, x: Array) -> Array:
    """The mean of each channel."""
    return np.asarray(x.mean(axis=tuple(range(2, x.ndim)), keepdims=True))


def global_max_pool(_: OperatorNode, x: Array) -> Array:
    """The maximum of each channel."""
    return np.asarray(x.max(axis=tuple(range(2, x.ndim)), keepdims=True))


def _normalized(node: OperatorNode, x: Array, axes: tuple[int, ...]) -> Array:
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + node.number("epsilon", _F32_1E_5)))


def _channels(item: Array, x: Array) -> Array:
    return item.reshape(-1, *[1] * (x.ndim - 2))
