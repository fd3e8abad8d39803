"""Weights made here, the same on every machine, that load a network as trained ones do.

Everything random is an integer from PCG64's raw stream, which numpy keeps stable (its
distributions may change, NEP 19). Everything computed is rounded so coarsely that the last
bits of a BLAS can't show. An architecture's ``seeded_state`` is made of what stands here.
"""

import hashlib

import numpy as np

from paddleport.tensors import Array

PICTURES = 6
"""Pictures that set the statistics, and between which the logits differ."""

LOGIT_STD = 3.0
"""Of each class over pictures: with 1000 classes the best has a probability of 0.1 to 0.8."""

_STATISTIC_BITS = 10


class SeededStream:
    """Numbers that depend on a name and a recipe alone: integers from PCG64, scaled exactly."""

    def __init__(self, name: str, recipe: int) -> None:
        digest = hashlib.sha256(f"paddleport {recipe} {name}".encode()).digest()
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


def sample_input(side: int = 224) -> Array:
    """The sample pictures as PaddleClas feeds them, channels x N x side x side, float64."""
    from paddleport.models.preprocess import Preprocess
    from paddleport.models.synthetic.samples import sample_pictures

    steps = Preprocess()
    pictures = sample_pictures(PICTURES, (side, side))
    rgb = np.stack(pictures)[..., ::-1] * steps.scale
    return np.ascontiguousarray(((rgb - steps.mean) / steps.std).transpose(3, 0, 1, 2))


def channel_statistics(y: Array) -> tuple[Array, Array]:
    """Mean and variance of each channel, float32, the mean on a grid fit for the deviation."""
    flat = y.reshape(len(y), -1)
    variance = _rounded(flat.var(axis=1))
    return _on_grid(flat.mean(axis=1), np.sqrt(variance)), variance.astype(np.float32)


def seed_classifier(features: Array, classes: int, stream: SeededStream) -> tuple[Array, Array]:
    """Weight (features x classes) and bias, float32, of a linear classifier.

    It is centred, so that logits differ between pictures with a standard deviation of about
    ``LOGIT_STD``.

    Args:
        features: what it is fed for the sample pictures, N x features in float64.
        classes: how many there are.
        stream: where the numbers come from.
    """
    width = features.shape[1]
    weight = stream.normal((width, classes), fan_in=width)
    centre = features.mean(axis=0)
    spread = float(np.std((features - centre) @ weight))
    weight *= np.float32(_rounded(np.array(LOGIT_STD / spread)))
    return weight, _on_grid(-(centre @ weight.astype(np.float64)), LOGIT_STD)


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
