"""A tensor's first picture, small enough to stand in a report."""

import base64
import io

import numpy as np
from numpy.typing import NDArray

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array


def thumbnail(tensor: Array, *, side: int = 96, preprocess: Preprocess | None = None) -> str:
    """The first picture of ``tensor`` as a PNG data URI.

    With a preprocessing it is undone, so that white is white; what lies outside of 0 to 255 is
    cut. Without one, the values are stretched from their minimum to their maximum.

    Args:
        tensor: [N, 3, H, W] or [N, 1, H, W] of floats, N at least 1.
        side: most pixels each way; larger pictures are sampled, not averaged.
        preprocess: how pictures become the model's input, and in which order of channels.

    Returns:
        ``""`` for any other shape or type, for no elements, and where a value is not finite.
    """
    if tensor.ndim != 4 or not tensor.size or tensor.shape[1] not in (1, 3):
        return ""
    if tensor.dtype.kind != "f" or not np.isfinite(tensor[0]).all():
        return ""
    step = max(1, -(-max(tensor.shape[2:]) // side))
    channels = tensor[0].astype(np.float64)
    bgr = preprocess is not None and preprocess.channels == "BGR"
    if preprocess is not None and preprocess.scale and len(channels) == 3:
        levels = _undone(channels[:, ::step, ::step], preprocess)
    else:
        levels = _stretched(channels, step)
    pixels = np.rint(levels).astype(np.uint8).transpose(1, 2, 0)
    return _png(pixels[:, :, ::-1] if bgr else pixels)


def _undone(channels: NDArray[np.float64], preprocess: Preprocess) -> NDArray[np.float64]:
    """The pixels, 0 to 255, that become ``channels``, which are ``(pixel * scale - mean) / std``.

    Cut before it is multiplied: an extreme may be as large as float64 goes.
    """
    mean, std = (np.array(values)[:, None, None] for values in (preprocess.mean, preprocess.std))
    limit = 255.0 * np.abs(preprocess.scale / std) + np.abs(mean / std) + 1
    near = np.clip(channels, -limit, limit)
    pixels: NDArray[np.float64] = np.clip((near * std + mean) / preprocess.scale, 0, 255)
    return pixels


def _stretched(channels: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    low, high = float(channels.min()), float(channels.max())
    half = high / 2 - low / 2  # halved first: the difference of two extremes may overflow
    sampled = channels[:, ::step, ::step]
    return 255 * (sampled / 2 - low / 2) / half if half else np.zeros_like(sampled)


def _png(pixels: Array) -> str:
    from PIL import Image

    grey = pixels.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels))
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
