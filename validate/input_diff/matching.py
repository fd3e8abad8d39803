"""How well pixels explain a tensor: each channel an affine function of some colour."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from paddleport.tensors import Array

COLOURS = "BGRY"
"""Blue, green, red, and grey made of them; an order of channels is three indices into this."""

GREY = (3, 3, 3)
_GREY_WEIGHTS = np.array(
    [0.114, 0.587, 0.299]
)  # ITU-R BT.601 for B, G, R, as OpenCV and Pillow take it
_NOTHING = 1e-20  # variance that is only rounding
_UNLIKE = 255.0  # levels: a colour without variation explains nothing that varies


@dataclass(frozen=True)
class Fit:
    """A tensor's channels as ``gain * pixel + offset``.

    Attributes:
        gains, offsets: one a channel, in tensor units; where the picture's colour does not vary
            the gain is 0 and the offset the channel's value.
        lows, highs: the range of the pixels that each channel was fitted on, in levels.
        worst: the largest distance in levels (of 255) that the pixels leave unexplained.
        mean: the mean of it.
        worst_in_units: the largest distance in tensor units.
    """

    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    worst: float
    mean: float
    worst_in_units: float


def colour_orders(ours: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every order of three colours, ours first, then its reverse; all grey last."""
    orders = [ours, ours[::-1], *permutations((0, 1, 2)), GREY]
    return list(dict.fromkeys(orders))


def with_grey(pixels: Array) -> Array:
    """[..., 3] BGR as float64 [n, 4], the last its grey, rounded as for 8 bits."""
    flat = pixels.reshape(-1, 3)
    made = np.empty((len(flat), 4))
    made[:, :3] = flat
    np.rint(made[:, :3] @ _GREY_WEIGHTS, out=made[:, 3])
    return made


def unexplained(theirs: Array, pixels: Array) -> tuple[Array, Array]:
    """How far each colour leaves each channel unexplained.

    Args:
        theirs: [n, 3].
        pixels: [n, 4], from ``with_grey``.

    Returns:
        [channel, colour]: the root mean square in levels of what is left of the colour after
        regressing it on the channel. [colour]: its standard deviation in levels.
    """
    both = np.concatenate([theirs - theirs[0], pixels - pixels[0]], axis=1)
    means = np.ones(len(both)) @ both / len(both)  # faster than a mean along the first axis
    moments = both.T @ both / len(both) - np.outer(means, means)
    tt, pp, tp = moments.diagonal()[:3, None], moments.diagonal()[None, 3:], moments[:3, 3:]
    explained = np.divide(tp * tp, tt, out=np.zeros_like(tp), where=tt > _NOTHING)
    left = np.sqrt(np.maximum(pp - explained, 0.0))
    found: Array = np.where((pp <= _NOTHING) & (tt > _NOTHING), _UNLIKE, left)
    return found, np.sqrt(np.maximum(pp[0], 0.0))


def order_scores(left: Array, orders: list[tuple[int, ...]]) -> Array:
    """Root mean square in levels for each order of the channels, from ``unexplained``."""
    channels = np.arange(3)
    scores: Array = np.sqrt(np.square(left[channels, np.array(orders)]).mean(axis=1))
    return scores


def fit(theirs: Array, pixels: Array, order: tuple[int, ...]) -> Fit:
    """Least squares, channel by channel.

    Args:
        theirs: [..., 3], any numbers.
        pixels: [..., 3] BGR of the same places.
        order: the colour that each channel is made of.
    """
    t = np.asarray(theirs, np.float64).reshape(-1, 3)
    p = with_grey(pixels)[:, list(order)]
    t0, p0 = t.mean(axis=0), p.mean(axis=0)
    tc, pc = t - t0, p - p0
    tt, pp, tp = (tc * tc).sum(axis=0), (pc * pc).sum(axis=0), (tc * pc).sum(axis=0)
    gains = np.divide(tp, pp, out=np.zeros(3), where=pp > 0)
    offsets = t0 - gains * p0
    back = np.divide(tp, tt, out=np.zeros(3), where=tt > 0)
    levels = np.abs(pc - back * tc)
    units = np.abs(t - (gains * p + offsets))
    return Fit(
        _floats(gains),
        _floats(offsets),
        _floats(p.min(axis=0)),
        _floats(p.max(axis=0)),
        float(levels.max()),
        float(levels.mean()),
        float(units.max()),
    )


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
