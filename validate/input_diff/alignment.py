"""Where a part lies in a whole: normalised cross-correlation, over all offsets at once."""

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.input_diff.kernels import Size

_FLAT = 1e-9  # of the largest variance: a window without detail, which everything resembles


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


def best_offset(whole: Array, part: Array) -> tuple[float, tuple[int, int]]:
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
