"""The MobileNetV2 family in float64 by numpy alone: a second opinion on what a state means."""

from collections.abc import Callable, Iterator

import numpy as np

from paddleport.models.zoo.mobilenet_v2 import EPSILON, Architecture, Block, ConvNorm, State
from paddleport.tensors import Array

Layer = Callable[[ConvNorm, Array], Array]


def forward(model: Architecture, state: State, images: Array) -> Array:
    """Logits in float64.

    Args:
        model: the network.
        state: its weights.
        images: N x 3 x height x width, preprocessed.

    Returns:
        N x classes, float64.
    """

    def apply(layer: ConvNorm, x: Array) -> Array:
        y = convolve(layer, state[f"{layer.key}._conv.weight"], x)
        return normalise(layer, state, y)

    x = np.ascontiguousarray(images.astype(np.float64).transpose(1, 0, 2, 3))
    logits: Array = pooled_features(model, apply, x) @ state["out.weight"].astype(np.float64)
    return logits + state["out.bias"].astype(np.float64)


def pooled_features(model: Architecture, apply: Layer, x: Array) -> Array:
    """Channels x N x height x width through ``apply``, layer by layer, pooled to N x channels."""
    x = apply(model.stem, x)
    for stage in model.stages:
        for block in stage:
            x = _block(block, apply, x)
    pooled: Array = apply(model.head, x).mean(axis=(2, 3)).T
    return pooled


def _block(block: Block, apply: Layer, x: Array) -> Array:
    y = apply(block.linear, apply(block.depthwise, apply(block.expand, x)))
    if block.shortcut:
        y += x
    return y


def convolve(layer: ConvNorm, weight: Array, x: Array) -> Array:
    """The convolution in float64; pictures are channels x N x height x width."""
    kernel = weight.astype(np.float64)
    if layer.kernel == 1:
        flat: Array = kernel[:, :, 0, 0] @ x.reshape(layer.inputs, -1)
        return flat.reshape(layer.outputs, *x.shape[1:])
    y = np.zeros((layer.outputs, x.shape[1], *_sides(layer, x)))
    if layer.groups == 1:
        for row, column, window in _windows(layer, x):
            y += np.tensordot(kernel[:, :, row, column], window, axes=1)
        return y
    for channel in range(layer.outputs):  # one at a time, so that it stays in the CPU's cache
        for row, column, window in _windows(layer, x[channel]):
            y[channel] += kernel[channel, 0, row, column] * window
    return y


def _sides(layer: ConvNorm, x: Array) -> tuple[int, int]:
    height, width = x.shape[-2:]
    return (height - 1) // layer.stride + 1, (width - 1) // layer.stride + 1


def _windows(layer: ConvNorm, x: Array) -> Iterator[tuple[int, int, Array]]:
    """Row and column of the kernel, and what of the padded picture they meet."""
    edge = layer.kernel // 2
    padded = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(edge, edge)] * 2)
    height, width = ((side - 1) * layer.stride + 1 for side in _sides(layer, x))
    for row in range(layer.kernel):
        for column in range(layer.kernel):
            yield (
                row,
                column,
                padded[
                    ..., row : row + height : layer.stride, column : column + width : layer.stride
                ],
            )


def normalise(layer: ConvNorm, state: State, y: Array) -> Array:
    """Batch normalisation and, where the layer has it, ReLU6, in place, in float64."""
    norm = f"{layer.key}._batch_norm"
    scale, offset, mean, variance = (
        state[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "_mean", "_variance")
    )
    factor = scale / np.sqrt(variance + EPSILON)
    y *= factor[:, None, None, None]
    y += (offset - mean * factor)[:, None, None, None]
    if layer.relu6:
        np.clip(y, 0, 6, out=y)
    return y
