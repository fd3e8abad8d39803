"""The truth that verdicts are held against: the network itself in double precision, by Paddle.

It shares nothing with what it checks: no Paddle2ONNX, no exported program, no evaluator of ONNX
graphs, no feeds and no measure of paddleport's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.models.zoo.seeded_weights import first_output
from paddleport.tensors import Array

_FIRST_PICTURE = 20  # beyond those that set the statistics, and those that paddleport feeds
_UNIT_ROUNDOFF = 2.0**-24
_SOFTMAX_FLOOR = -60.0
"""Log-probabilities below this say nothing: Paddle's softmax clips at exp(-64)."""


def inputs(sides: Sequence[int]) -> Array:
    """Two drawn pictures, noise, black: 4 x 3 x height x width, float32."""
    steps = Preprocess()
    height, width = sides
    pictures = [draw_picture(_FIRST_PICTURE + index, (height, width)) for index in range(2)]
    noise = np.random.Generator(np.random.PCG64(5)).integers(0, 256, (height, width, 3), np.uint8)
    rgb = np.stack([*pictures, noise, np.zeros_like(noise)])[..., ::-1]
    scaled = (rgb * steps.scale - steps.mean) / steps.std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)


def raw_outputs(network: Any, batch: Array) -> Array:
    """What a network in eval mode gives before the softmax, feed by feed."""
    import paddle

    with paddle.no_grad():
        rows = [first_output(network(paddle.to_tensor(row[None]))).numpy() for row in batch]
    return np.concatenate(rows)


def to_double(network: Any) -> None:
    """Turn every float32 parameter and buffer into float64, in place.

    ``Layer.astype`` leaves the statistics of some norms as they are.
    """
    import paddle

    for layer in network.sublayers(include_self=True):
        for tensors in (layer._parameters, layer._buffers):
            for tensor in tensors.values():
                if tensor is not None and tensor.dtype == paddle.float32:
                    double = tensor.astype("float64")
                    tensor.get_tensor()._share_data_with(double.get_tensor())


def disturbed_outputs(network: Any, batch: Array, draws: int = 2) -> list[Array]:
    """Outputs in double precision with every parameter off by up to float32's unit roundoff.

    A file that keeps its weights in float32 and folds its norms into them is one of these
    networks. The parameters are as they were afterwards.
    """
    outputs = []
    kept = [(parameter, parameter.numpy()) for parameter in network.parameters()]
    for draw in range(draws):
        generator = np.random.Generator(np.random.PCG64(draw))
        for parameter, value in kept:
            off = generator.uniform(-_UNIT_ROUNDOFF, _UNIT_ROUNDOFF, value.shape)
            parameter.set_value(value * (1 + off))
        outputs.append(raw_outputs(network, batch))
    for parameter, value in kept:
        parameter.set_value(value)
    return outputs


def errors(outputs: Array, truth: Array, *, softmax: bool) -> tuple[float, ...]:
    """How far each feed's output is from the truth, in units of the truth's own spread.

    Args:
        outputs: feeds x ..., probabilities where ``softmax``.
        truth: feeds x ..., float64, always before the softmax.
        softmax: whether ``outputs`` went through one: log-probabilities are compared then, those
            below ``_SOFTMAX_FLOOR`` left out.

    Returns:
        One per feed; NaN where either side is not finite.
    """
    if outputs.shape != truth.shape:
        return (float("inf"),) * len(truth)
    return tuple(
        _error(one.astype(np.float64), true, softmax=softmax)
        for one, true in zip(outputs, truth, strict=True)
    )


def _error(output: Array, truth: Array, *, softmax: bool) -> float:
    if not (np.isfinite(output).all() and np.isfinite(truth).all()):
        return float("nan")
    spread = float(truth.std()) or float(np.abs(truth).max()) or 1.0
    if softmax:
        truth = truth - truth.max()
        truth = truth - np.log(np.exp(truth).sum())
        telling = truth > _SOFTMAX_FLOOR
        output, truth = np.log(np.maximum(output, 1e-300))[telling], truth[telling]
    return float(np.abs(output - truth).max()) / spread
