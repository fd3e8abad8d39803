"""Weights made from a name for any network of pictures: every layer keeps the scale.

A layer's kernel has the variance that keeps its input's, scales and biases differ in every
channel, and BatchNorm's statistics are those of one batch of drawn pictures. All numbers come
from PCG64's raw stream; the statistics are Paddle's, whose last bits depend on the machine.
"""

from typing import Any

import numpy as np

from paddleport.errors import UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import sample_pictures
from paddleport.models.zoo.seeding import LOGIT_STD as LOGIT_STD
from paddleport.models.zoo.seeding import SeededStream
from paddleport.tensors import Array, TensorSpec

RECIPE = 2
"""Raise it when other weights come out."""

CALIBRATION_PICTURES = 8
FREE_SIDE = 224  # pixels, of a side that the card leaves free
_CONTRASTS = (0.25, 0.5, 1.5, 2.0)
_SMALL = 0.1  # a scale that starts below this switches its branch off (ConvNeXt: 1e-6)


def seed_network(
    network: Any, stream: SeededStream, fed: TensorSpec, logit_std: float | None
) -> None:
    """Set every parameter, then the statistics of every BatchNorm; the network is in eval mode.

    Args:
        network: a ``paddle.nn.Layer`` as its constructor left it.
        stream: where the numbers come from.
        fed: its input, a batch of pictures.
        logit_std: of a picture's logits; None for a network that ends in no classifier.

    Raises:
        UsageError: it is fed with something else than pictures.
    """
    batch = calibration_batch(fed)
    norms = batch_norms(network)
    statistics = {id(value) for norm in norms for value in (norm._mean, norm._variance)}
    for layer in network.sublayers(include_self=True):
        for key, parameter in layer._parameters.items():
            if parameter is not None and id(parameter) not in statistics:
                statistics.add(id(parameter))  # shared ones are drawn once
                parameter.set_value(_drawn(stream, layer, key, parameter))
    network.eval()
    logits = _calibrated(network, norms, batch)
    if logit_std is not None:
        _scale_classifier(network, logits, logit_std)


def calibration_batch(fed: TensorSpec) -> Array:
    """Drawn pictures as PaddleClas feeds them, N x 3 x height x width, float32, each twice.

    The second time in other colours and with another contrast: a network of random weights grows
    beyond all scale on pictures that are outside of what its statistics are from.

    Args:
        fed: the input; a side that is free is ``FREE_SIDE``.

    Raises:
        UsageError: it takes something else.
    """
    if len(fed.shape) != 4 or fed.shape[1] != 3 or fed.dtype != "float32":
        raise UsageError(
            f"the input {fed} is no batch of pictures, by which a network is seeded: --weights "
            "with your own FILE.pdparams or FOLDER"
        )
    steps = Preprocess()
    height, width = (side or FREE_SIDE for side in fed.shape[2:])
    rgb = np.stack(sample_pictures(CALIBRATION_PICTURES, (height, width)))[..., ::-1]
    scaled = ((rgb * steps.scale - steps.mean) / steps.std).transpose(0, 3, 1, 2)
    contrasts = np.resize(_CONTRASTS, (CALIBRATION_PICTURES, 1, 1, 1))
    both = np.concatenate([scaled, scaled[:, ::-1] * contrasts])
    return np.ascontiguousarray(both, np.float32)


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
    """Centre and scale every last layer: those with as many outputs as there are classes.

    A distilled network has two. Between pictures each logit then has a deviation of
    ``logit_std``; where no bias can centre them (a convolution before a ReLU), between classes.
    """
    heads = [layer for layer in network.sublayers() if _outputs_of(layer) == logits.shape[1]]
    centre = logits[:CALIBRATION_PICTURES].mean(axis=0)  # of pictures as they are drawn
    centred = all(type(layer).__name__ == "Linear" and layer.bias is not None for layer in heads)
    spread = (logits - centre if centred else logits).std(axis=1).mean()
    factor = float(logit_std / spread)
    for layer in heads:
        if centred:
            layer.bias.set_value(layer.bias.numpy() - centre)
        for parameter in filter(None.__ne__, layer._parameters.values()):
            parameter.set_value(parameter * factor)


def _outputs_of(layer: Any) -> int | None:
    """Of a linear layer or a convolution."""
    kind, weight = type(layer).__name__, layer._parameters.get("weight")
    if weight is None or kind not in ("Linear", "Conv2D"):
        return None
    return int(weight.shape[1 if kind == "Linear" else 0])


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
