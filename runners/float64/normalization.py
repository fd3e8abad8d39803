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
    return _normalized(node, x) * _channels(scale, x) + _channels(bias, x)


def group_normalization(node: OperatorNode, x: Array, scale: Array, bias: Array) -> Array:
    """Each picture and group of channels; scale and bias per group before opset 21."""
    scale, bias = (_group_factor(node, x, item) for item in (scale, bias))
    return _normalized(node, x) * _channels(scale, x) + _channels(bias, x)


def layer_normalization(
    node: OperatorNode, x: Array, scale: Array, bias: Array | None = None
) -> Array:
    """Over all axes from one on."""
    if node.outputs > 1:
        raise NotImplementedError("LayerNormalization with its mean as an output")
    result = _normalized(node, x) * scale
    return result if bias is None else result + bias


def moved_by_means(node: OperatorNode, x: Array, scale: Array, means: Array) -> Array:
    """What a normalisation's result moves by where its means are not exact.

    Args:
        node: InstanceNormalization, GroupNormalization or LayerNormalization.
        x: its first input.
        scale: its second.
        means: of the rows of ``normalized_rows(node, x)``, one a row.
    """
    rows = normalized_rows(node, x)
    error = (means - rows.mean(axis=-1))[..., None]
    moved = np.broadcast_to(-error / _deviation(node, rows), rows.shape).reshape(x.shape)
    if node.operator == "LayerNormalization":
        return np.asarray(moved * scale)
    if node.operator == "GroupNormalization":
        scale = _group_factor(node, x, scale)
    return np.asarray(moved * _channels(scale, x))


def normalized_rows(node: OperatorNode, x: Array) -> Array:
    """The input with all that is brought to mean 0 and variance 1 together along its last axis."""
    if node.operator == "LayerNormalization":
        return x.reshape(*x.shape[: node.integer("axis", -1) % x.ndim], -1)
    groups = node.integer("num_groups", 1) if node.operator == "GroupNormalization" else x.shape[1]
    return x.reshape(x.shape[0], groups, -1)


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


def _normalized(node: OperatorNode, x: Array) -> Array:
    rows = normalized_rows(node, x)
    centred = rows - rows.mean(axis=-1, keepdims=True)
    return np.asarray(centred / _deviation(node, rows)).reshape(x.shape)


def _deviation(node: OperatorNode, rows: Array) -> Array:
    variance = np.square(rows - rows.mean(axis=-1, keepdims=True)).mean(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(variance + node.number("epsilon", _F32_1E_5)))


def _group_factor(node: OperatorNode, x: Array, item: Array) -> Array:
    """A scale or bias per channel."""
    groups = node.integer("num_groups", 1)
    return item if node.opset >= 21 else np.repeat(item, x.shape[1] // groups)


def _channels(item: Array, x: Array) -> Array:
    return item.reshape(-1, *[1] * (x.ndim - 2))
