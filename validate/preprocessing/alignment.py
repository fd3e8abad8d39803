"""Where a part lies in a whole: normalised cross-correlation, over all offsets at once."""

import numpy as np

from paddleport.tensors import Array

_FLAT = 1e-9  # of the largest variance: a window without detail, which everything resembles


def luminance(pixels: Array) -> Array:
    """Its channels' sum, each at unit variance: [H, W], whatever their order and scale."""
    values = np.asarray(pixels, np.float64)
    values = values - values.mean(axis=(0, 1))
    spread = values.std(axis=(0, 1))
    plane: Array = (values / np.where(spread > 0, spread, 1.0)).sum(axis=2)
    return plane


def block_means(plane: Array, factor: int) -> Array:
    """Means over ``factor`` x ``factor`` blocks; what is left over at the far edges is dropped."""
    height, width = (size // factor for size in plane.shape)
    blocks = plane[: height * factor, : width * factor].reshape(height, factor, width, factor)
    means: Array = blocks.mean(axis=(1, 3))
    return means


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
    centred = part - part.mean()
    norm = np.sqrt(np.sum(centred * centred))
    whole = whole - whole.mean()
    products = np.fft.irfft2(
        np.fft.rfft2(whole) * np.conj(np.fft.rfft2(centred, whole.shape)), whole.shape
    )[: whole.shape[0] - height + 1, : whole.shape[1] - width + 1]
    sums = _window_sums(whole, height, width)
    variances = _window_sums(whole * whole, height, width) - sums * sums / count
    flat = variances <= _FLAT * max(float(variances.max()), 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(flat, 0.0, np.abs(products) / (np.sqrt(np.abs(variances)) * norm))
    if norm == 0:
        return 0.0, (0, 0)
    index = int(np.argmax(found))
    top, left = divmod(index, found.shape[1])
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
