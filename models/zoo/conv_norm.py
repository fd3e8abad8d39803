"""A convolution with its batch normalisation, as families are made of: plain data and float64."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paddleport.models.zoo.network_state import State
from paddleport.models.zoo.seeding import SeededStream, channel_statistics
from paddleport.tensors import Array

EPSILON = 1e-5  # of every batch normalisation: the default of paddle.nn.BatchNorm

_SCALES = (1.5, 2.5)  # with these and the offsets 0.5 to 3 % of a layer's values
_OFFSETS = (0.5, 2.0)  # are above 6, and 25 to 35 % below 0
_LINEAR_SCALES = (0.5, 1.0)  # up to three shortcuts add to a layer that has unit scale
_LINEAR_OFFSETS = (-0.5, 0.5)
_DEPTHWISE_MEAN = 0.75  # standard deviations


@dataclass(frozen=True, kw_only=True)
class ConvNorm:
    """A convolution without bias, padded to keep its size, and its batch normalisation.

    Attributes:
        key: prefix of its keys in a state dict, as in ``conv2._first_block._expand_conv``.
        name: prefix of its parameters' names in a program, as in ``conv2_1_expand``.
        inputs: channels taken.
        outputs: channels given.
        kernel: side of the square kernel, odd.
        stride: in both directions.
        groups: 1, or as many as channels.
        relu6: whether ``min(max(x, 0), 6)`` follows.
    """

    key: str
    name: str
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    relu6: bool = True

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Outputs, inputs per group, height, width."""
        return (self.outputs, self.inputs // self.groups, self.kernel, self.kernel)


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


def seed_conv_norm(
    layer: ConvNorm, x: Array, stream: SeededStream, state: dict[str, Array]
) -> Array:
    """Give a layer weights, add them to ``state``, and return what it makes of ``x``.

    The convolution is He-normal (https://arxiv.org/abs/1502.01852), a depthwise one around a
    positive mean. The statistics of the normalisation are those of ``x``, channels x N x height
    x width in float64. Scales and offsets make ReLU6 cut at both ends.
    """
    weight = _kernel(layer, stream)
    y = convolve(layer, weight, x)
    mean, variance = channel_statistics(y)
    state[f"{layer.key}._conv.weight"] = weight
    norm = f"{layer.key}._batch_norm"
    scales = _SCALES if layer.relu6 else _LINEAR_SCALES
    offsets = _OFFSETS if layer.relu6 else _LINEAR_OFFSETS
    state[f"{norm}.weight"] = stream.uniform(layer.outputs, *scales)
    state[f"{norm}.bias"] = stream.uniform(layer.outputs, *offsets)
    state[f"{norm}._mean"] = mean
    state[f"{norm}._variance"] = variance
    return normalise(layer, state, y)


def _kernel(layer: ConvNorm, stream: SeededStream) -> Array:
    """He-normal; a depthwise kernel blurs a little, as trained ones do.

    Around 0 they would sharpen everything, and 17 in a row amplify the rounding errors of
    float32 a hundredfold (trained weights: threefold, and so with this mean).
    """
    fan_in = layer.weight_shape[1] * layer.kernel**2
    weight = stream.normal(layer.weight_shape, fan_in=fan_in)
    if layer.groups > 1:
        weight += np.float32(_DEPTHWISE_MEAN * np.sqrt(2 / fan_in))
    return weight
