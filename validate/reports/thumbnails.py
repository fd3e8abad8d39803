"""A tensor's first picture, small enough to stand in a report."""

import base64
import io

import numpy as np

from paddleport.tensors import Array


def thumbnail(tensor: Array, *, side: int = 96, bgr: bool = False) -> str:
    """The first picture of ``tensor`` as a PNG data URI, stretched from its minimum to maximum.

    Args:
        tensor: [N, 3, H, W] or [N, 1, H, W] of floats, N at least 1.
        side: most pixels each way; larger pictures are sampled, not averaged.
        bgr: channels come blue, green, red.

    Returns:
        ``""`` for any other shape or type, for no elements, and where a value is not finite.
    """
    if tensor.ndim != 4 or not tensor.size or tensor.shape[1] not in (1, 3):
        return ""
    if tensor.dtype.kind != "f" or not np.isfinite(tensor[0]).all():
        return ""
    step = max(1, -(-max(tensor.shape[2:]) // side))
    channels = tensor[0].astype(np.float64)
    low, high = float(channels.min()), float(channels.max())
    # halved first: the difference of two float64 extremes may overflow
    half = high / 2 - low / 2
    share = (
        (channels[:, ::step, ::step] / 2 - low / 2) / half
        if half
        else np.zeros_like(channels[:, ::step, ::step])
    )
    pixels = np.rint(share * 255).astype(np.uint8).transpose(1, 2, 0)
    return _png(pixels[:, :, ::-1] if bgr else pixels)


def _png(pixels: Array) -> str:
    from PIL import Image

    grey = pixels.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels))
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
