"""Weights made here, the same on every machine, that load a network as trained ones do.

Everything random is an integer from PCG64's raw stream, which numpy keeps stable (its
distributions may change, NEP 19). Everything computed is rounded so coarsely that the last
bits of a BLAS can't show.
"""

import hashlib

import numpy as np

from paddleport.models.weights.forward import convolve, normalise, pooled_features
from paddleport.models.zoo.mobilenet_v2 import Architecture, ConvNorm, State
from paddleport.tensors import Array

RECIPE = 1
"""Raise it when the weights change: caches are named after it."""

PICTURES = 6
"""Pictures that set the statistics, and between which the logits differ."""

LOGIT_STD = 3.0
"""Of each class over pictures: with 1000 classes the best has a probability of 0.1 to 0.8."""

_IMAGE_SIDE = 224
_SCALES = (1.5, 2.5)  # with these and the offsets 0.5 to 3 % of a layer's values
_OFFSETS = (0.5, 2.0)  # are above 6, and 25 to 35 % below 0
_LINEAR_SCALES = (0.5, 1.0)  # up to three shortcuts add to a layer that has unit scale
_LINEAR_OFFSETS = (-0.5, 0.5)
_STATISTIC_BITS = 10
_DEPTHWISE_MEAN = 0.75  # standard deviations


def seeded_state(name: str, model: Architecture) -> dict[str, Array]:
    """Make the state dict of a network: float32, keys as PaddleClas has them.

    Convolutions are He-normal (https://arxiv.org/abs/1502.01852), the depthwise ones around a
    positive mean. Layer by layer, the statistics of the batch normalisation are those of sample
    pictures passing through in float64. Scales and offsets make ReLU6 cut at both ends. The
    classifier is centred, so that logits differ between pictures with a standard deviation of
    about ``LOGIT_STD``.

    Args:
        name: seeds the generator: another name, other weights.
        model: the network.
    """
    stream = _Stream(name)
    state: dict[str, Array] = {}

    def calibrate(layer: ConvNorm, x: Array) -> Array:
        weight = _kernel(layer, stream)
        y = convolve(layer, weight, x)
        mean, variance = _statistics(y)
        state[f"{layer.key}._conv.weight"] = weight
        norm = f"{layer.key}._batch_norm"
        scales = _SCALES if layer.relu6 else _LINEAR_SCALES
        offsets = _OFFSETS if layer.relu6 else _LINEAR_OFFSETS
        state[f"{norm}.weight"] = stream.uniform(layer.outputs, *scales)
        state[f"{norm}.bias"] = stream.uniform(layer.outputs, *offsets)
        state[f"{norm}._mean"] = mean
        state[f"{norm}._variance"] = variance
        return normalise(layer, state, y)

    features = pooled_features(model, calibrate, _sample_input())
    weight = stream.normal((model.head.outputs, model.classes), fan_in=model.head.outputs)
    centre = features.mean(axis=0)
    spread = float(np.std((features - centre) @ weight))
    weight *= np.float32(_rounded(np.array(LOGIT_STD / spread)))
    state["out.weight"] = weight
    state["out.bias"] = _on_grid(-(centre @ weight.astype(np.float64)), LOGIT_STD)
    return state


def _kernel(layer: ConvNorm, stream: "_Stream") -> Array:
    """He-normal; a depthwise kernel blurs a little, as trained ones do.

    Around 0 they would sharpen everything, and 17 in a row amplify the rounding errors of
    float32 a hundredfold (trained weights: threefold, and so with this mean).
    """
    fan_in = layer.weight_shape[1] * layer.kernel**2
    weight = stream.normal(layer.weight_shape, fan_in=fan_in)
    if layer.groups > 1:
        weight += np.float32(_DEPTHWISE_MEAN * np.sqrt(2 / fan_in))
    return weight


def state_digest(state: State) -> str:
    """The sha256 of a state dict: keys, shapes and bytes in order."""
    digest = hashlib.sha256()
    for key, value in state.items():
        digest.update(f"{key} {value.dtype} {value.shape}\n".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _statistics(y: Array) -> tuple[Array, Array]:
    """Mean and variance of each channel, float32, the mean on a grid fit for the deviation."""
    flat = y.reshape(len(y), -1)
    variance = _rounded(flat.var(axis=1))
    return _on_grid(flat.mean(axis=1), np.sqrt(variance)), variance.astype(np.float32)


def _rounded(values: Array) -> Array:
    """To ``_STATISTIC_BITS`` significant bits."""
    fraction, exponent = np.frexp(values)
    rounded: Array = np.ldexp(
        np.rint(np.ldexp(fraction, _STATISTIC_BITS)), exponent - _STATISTIC_BITS
    )
    return rounded


def _on_grid(values: Array, deviation: Array | float) -> Array:
    """To multiples of a power of two about 2**-_STATISTIC_BITS of the deviation, in float32.

    Significant bits would not do here: a mean near 0 has few that are the same everywhere.
    """
    exponent = np.frexp(deviation)[1] - _STATISTIC_BITS
    rounded: Array = np.ldexp(np.rint(np.ldexp(values, -exponent)), exponent).astype(np.float32)
    return rounded


def _sample_input() -> Array:
    """The sample pictures as PaddleClas feeds them, channels x N x height x width, float64."""
    from paddleport.models.card import Preprocess
    from paddleport.models.synthetic.samples import sample_pictures

    steps = Preprocess()
    pictures = sample_pictures(PICTURES, (_IMAGE_SIDE, _IMAGE_SIDE))
    rgb = np.stack(pictures)[..., ::-1] * steps.scale
    return np.ascontiguousarray(((rgb - steps.mean) / steps.std).transpose(3, 0, 1, 2))


class _Stream:
    """Numbers that depend on the seed alone: integers from PCG64, scaled exactly."""

    def __init__(self, name: str) -> None:
        digest = hashlib.sha256(f"paddleport {RECIPE} {name}".encode()).digest()
        self._bits = np.random.PCG64(int.from_bytes(digest[:16], "big"))

    def normal(self, shape: tuple[int, ...], *, fan_in: int) -> Array:
        """Mean 0, variance ``2 / fan_in``: the sum of eight bytes, normal but for tails past 4.9.

        The sum of eight integers uniform over 0..255 has the mean 1020 and the variance
        ``8 * (256**2 - 1) / 12 = 43690``.
        """
        raw = self._bits.random_raw(int(np.prod(shape)))
        sums = raw.view(np.uint8).reshape(-1, 8).sum(axis=1, dtype=np.int16)
        unit = np.float32(np.sqrt(2 / fan_in / 43690))
        weight: Array = (sums - np.int16(1020)).astype(np.float32) * unit
        return weight.reshape(shape)

    def uniform(self, count: int, low: float, high: float) -> Array:
        """Multiples of 1/256 of the way from ``low`` to ``high``; both should be such as well."""
        steps = self._bits.random_raw(count) >> np.uint64(56)
        values: Array = low + (high - low) * steps.astype(np.float64) / 256
        return values.astype(np.float32)
