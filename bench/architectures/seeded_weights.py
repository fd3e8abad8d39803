"""Weights made from a name that load a network as trained ones do: every layer keeps the scale.

A layer's kernel has the variance that keeps its input's, scales and biases differ in every
channel, and BatchNorm's statistics are those of one batch of drawn pictures. All numbers come
from PCG64's raw stream; the statistics are Paddle's, whose last bits depend on the machine.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import sample_pictures
from paddleport.models.zoo.seeding import SeededStream
from paddleport.tensors import Array

RECIPE = 1
"""Raise it when other weights come out."""

CALIBRATION_PICTURES = 8
_SMALL = 0.1  # a scale that starts below this switches its branch off (ConvNeXt: 1e-6)


def seed_network(network: Any, name: str, sides: Sequence[int], logit_std: float | None) -> None:
    """Set every parameter, then the statistics of every BatchNorm; the network is in eval mode.

    Args:
        network: a ``paddle.nn.Layer`` as its constructor left it.
        name: what the numbers depend on, and on ``RECIPE``.
        sides: height and width of the pictures in pixels.
        logit_std: of a picture's logits; None for a network that ends in no classifier.
    """
    stream = SeededStream(name, RECIPE)
    norms = batch_norms(network)
    statistics = {id(value) for norm in norms for value in (norm._mean, norm._variance)}
    for layer in network.sublayers(include_self=True):
        for key, parameter in layer._parameters.items():
            if parameter is not None and id(parameter) not in statistics:
                statistics.add(id(parameter))  # shared ones are drawn once
                parameter.set_value(_drawn(stream, layer, key, parameter))
    network.eval()
    logits = _calibrated(network, norms, calibration_batch(sides))
    if logit_std is not None:
        _scale_classifier(network, logits, logit_std)


def calibration_batch(sides: Sequence[int]) -> Array:
    """Drawn pictures as PaddleClas feeds them: N x 3 x height x width, float32."""
    steps = Preprocess()
    height, width = sides
    rgb = np.stack(sample_pictures(CALIBRATION_PICTURES, (height, width)))[..., ::-1]
    scaled = (rgb * steps.scale - steps.mean) / steps.std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)


def batch_norms(network: Any) -> list[Any]:
    """Every layer with running statistics."""
    return [layer for layer in network.sublayers() if hasattr(layer, "_variance")]


def first_output(outputs: Any) -> Any:
    """What PaddleClas exports of a network that gives several (GoogLeNet's helpers, a dict)."""
    while isinstance(outputs, list | tuple | dict):
        outputs = (
            outputs.get("logits", outputs.get("features"))
            if isinstance(outputs, dict)
            else outputs[0]
        )
    return outputs


def _calibrated(network: Any, norms: list[Any], batch: Array) -> Array:
    """Give each BatchNorm the statistics of what ``batch`` feeds it; the outputs after that."""
    import paddle

    with paddle.no_grad():
        for norm in norms:
            norm._momentum = 0.0  # the running statistics are then this batch's
            norm.train()
        network(paddle.to_tensor(batch))
        network.eval()
        outputs: Array = first_output(network(paddle.to_tensor(batch))).numpy()
    return outputs


def _scale_classifier(network: Any, logits: Array, logit_std: float) -> None:
    """Scale every last layer (a distilled network has two) with as many outputs as classes."""
    factor = logit_std / float(logits.std(axis=1).mean())
    for layer in network.sublayers():
        weight = layer._parameters.get("weight")
        kind = type(layer).__name__
        if weight is None or kind not in ("Linear", "Conv2D"):
            continue
        if weight.shape[1 if kind == "Linear" else 0] == logits.shape[1]:
            for parameter in filter(None.__ne__, layer._parameters.values()):
                parameter.set_value(parameter * factor)


def _drawn(stream: SeededStream, layer: Any, key: str, parameter: Any) -> Array:
    """A value for one parameter, by what its layer is and by what it starts as."""
    shape = tuple(parameter.shape)
    kind = type(layer).__name__
    if kind.startswith("Conv") and key == "weight":
        return stream.normal(shape, fan_in=int(np.prod(shape[1:])))
    if kind == "Linear" and key == "weight":  # no ReLU is sure to follow
        return stream.normal(shape, fan_in=2 * shape[0])
    start = parameter.numpy()
    count = int(np.prod(shape))
    if start.min() == start.max() != 0:  # a scale: of a norm, a branch, PReLU's negative part
        first = float(start.flat[0])
        drawn = stream.uniform(count, 0.75, 1.25) * np.float32(0.5 if 0 < first < _SMALL else first)
    elif start.ndim > 1:  # a token, a table of positions
        drawn = stream.uniform(count, -0.5, 0.5)
    else:
        drawn = stream.uniform(count, -0.125, 0.125)
    return drawn.reshape(shape).astype(np.float32)
