"""How well a picture's pixels explain a tensor's: by correlation, and channel by channel.

Correlation is fast and finds the offset; regressing every channel on a colour decides, and finds
the order of the channels. Neither minds how the tensor was scaled and shifted.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.input_diff.resampling import Size

COLOURS = "BGRY"
"""Blue, green, red, and grey made of them; an order of channels is three indices into this."""

GREY = (3, 3, 3)
GREY_WEIGHTS = (0.114, 0.587, 0.299)
"""Of blue, green and red: ITU-R BT.601, as OpenCV and Pillow take it."""

_NOTHING = 1e-20  # variance that is only rounding
_UNLIKE = 255.0  # levels: a colour without variation explains nothing that varies
_BETTER = 0.98  # of a misfit: one not below it does not outweigh more differences from the model
_FLAT = 1e-9  # of the largest variance: a window without detail, which everything resembles


@dataclass(frozen=True, kw_only=True)
class PixelMatch:
    """How well pixels explain a tensor.

    Attributes:
        order: the colour of every channel.
        reversible: the reverse order fits as well.
        error: root mean square in levels of what is left unexplained.
        spread: standard deviation in levels of the pixels.
        floor: error in levels that the tensor's own precision makes.
    """

    order: tuple[int, ...]
    reversible: bool
    error: float
    spread: float
    floor: float

    @property
    def exact(self) -> bool:
        """Whether nothing is left unexplained."""
        return self.error <= self.floor < self.spread

    @property
    def misfit(self) -> float:
        """The error as a share of the spread: a part without detail resembles everything."""
        error = max(self.error, self.floor)
        return error / self.spread if self.spread > error else 1.0

    @property
    def likeness(self) -> float:
        """The share of the variance that is explained, 0 to 1."""
        return 1 - self.misfit**2

    def is_as_good_as(self, other: "PixelMatch") -> bool:
        """Whether it fits as well, or better."""
        return self.misfit * _BETTER <= other.misfit


def luminance(pixels: Array) -> Array:
    """Its channels' sum, each at unit variance: [H, W] float32, whatever their order and scale."""
    values = np.asarray(pixels, np.float64).reshape(-1, 3)
    values = values - values[0]
    ones = np.ones(len(values))
    means = ones @ values / len(values)
    variances = np.maximum(ones @ np.square(values) / len(values) - np.square(means), 0.0)
    weights = np.divide(1.0, np.sqrt(variances), out=np.zeros(3), where=variances > 0)
    plane: Array = (values @ weights - means @ weights).reshape(pixels.shape[:2])
    return plane.astype(np.float32)


def block_means(plane: Array, factor: int) -> Array:
    """Means over ``factor`` x ``factor`` blocks; what is left over at the far edges is dropped."""
    height, width = (size // factor for size in plane.shape)
    blocks = plane[: height * factor, : width * factor].reshape(height, factor, width, factor)
    means: Array = blocks.mean(axis=(1, 3))
    return means


def resized_block_means(
    plane: Array, box: tuple[float, float, float, float], size: Size, factor: int
) -> Array:
    """``block_means`` of a box of a plane after its resize by area, in one step.

    Args:
        plane: [H, W] float32.
        box: (top, left, height, width), in fractions of pixels.
        size: (height, width) that the box is resized to.
        factor: side of the blocks.
    """
    from PIL import Image

    top, left, height, width = box
    rows, columns = size[0] // factor, size[1] // factor
    bottom = top + height * rows * factor / size[0]
    right = left + width * columns * factor / size[1]
    inside = (left, top, min(right, plane.shape[1]), min(bottom, plane.shape[0]))
    made = Image.fromarray(plane).resize((columns, rows), Image.Resampling.BOX, inside)
    return np.asarray(made)


def best_offset(whole: Array, part: Array) -> tuple[float, Size]:
    """The offset (top, left) at which ``part`` correlates best with ``whole``, and how well.

    Args:
        whole: [H, W].
        part: [h, w], no larger.

    Returns:
        The size of Pearson's correlation, 0 to 1 (an inverted picture is found as well).

    Source: Lewis, Fast Normalized Cross-Correlation, 1995.
    """
    height, width = part.shape
    count = height * width
    centred = part - part.mean(dtype=np.float64)
    norm = np.sqrt(np.sum(centred * centred))
    if norm == 0:
        return 0.0, (0, 0)
    whole = whole - whole.mean(dtype=np.float64)
    products = np.fft.irfft2(
        np.fft.rfft2(whole) * np.conj(np.fft.rfft2(centred, whole.shape)), whole.shape
    )[: whole.shape[0] - height + 1, : whole.shape[1] - width + 1]
    sums = _window_sums(whole, height, width)
    variances = _window_sums(whole * whole, height, width) - sums * sums / count
    flat = variances <= _FLAT * max(float(variances.max()), 1e-300)
    scaled = np.sqrt(np.abs(variances)) * norm
    found = np.divide(np.abs(products), scaled, out=np.zeros_like(products), where=~flat)
    top, left = divmod(int(np.argmax(found)), found.shape[1])
    return float(min(found[top, left], 1.0)), (top, left)


def _window_sums(plane: Array, height: int, width: int) -> Array:
    table = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1))
    table[1:, 1:] = plane.cumsum(axis=0).cumsum(axis=1)
    sums: Array = (
        table[height:, width:]
        - table[:-height, width:]
        - table[height:, :-width]
        + table[:-height, :-width]
    )
    return sums


def colour_orders(ours: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every order of three colours, ours first, then its reverse; all grey last."""
    orders = [ours, ours[::-1], *permutations((0, 1, 2)), GREY]
    return list(dict.fromkeys(orders))


def with_grey(pixels: Array) -> Array:
    """[..., 3] BGR as float64 [n, 4], the last its grey, rounded as for 8 bits."""
    flat = pixels.reshape(-1, 3)
    made = np.empty((len(flat), 4))
    made[:, :3] = flat
    np.rint(made[:, :3] @ np.array(GREY_WEIGHTS), out=made[:, 3])
    return made


def match_pixels(
    theirs: Array, pixels: Array, orders: list[tuple[int, ...]], floor: float
) -> PixelMatch:
    """The best order of the channels: the first of those that fit alike.

    Args:
        theirs: [..., 3], the tensor.
        pixels: [..., 3] BGR of the same places.
        orders: the colour of every channel, of each order.
        floor: error in levels that the tensor's own precision makes.
    """
    left, spreads = _unexplained(theirs.reshape(-1, 3), with_grey(pixels))
    scores = _order_scores(left, orders)
    alike = np.flatnonzero(scores <= max(float(scores.min()), floor) / _BETTER)
    order = orders[alike[0]]
    reversible = order[::-1] in [orders[index] for index in alike]
    spread = float(np.sqrt(np.mean(spreads[list(order)] ** 2)))
    return PixelMatch(
        order=order,
        reversible=reversible,
        error=float(scores[alike[0]]),
        spread=spread,
        floor=floor,
    )


def _unexplained(theirs: Array, pixels: Array) -> tuple[Array, Array]:
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


def _order_scores(left: Array, orders: list[tuple[int, ...]]) -> Array:
    """Root mean square in levels for each order of the channels, from ``_unexplained``."""
    channels = np.arange(3)
    scores: Array = np.sqrt(np.square(left[channels, np.array(orders)]).mean(axis=1))
    return scores
