"""8-bit pixels to a normalised float32 tensor, looked up in a table for each channel."""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from paddleport.models.preprocess import Preprocess

if TYPE_CHECKING:
    Picture = NDArray[np.uint8]
    Tensor = NDArray[np.float32]


def normalize_into(out: "Tensor", picture: "Picture", preprocess: Preprocess) -> None:
    """Fill ``out`` with ``(pixel * scale - mean) / std`` of each channel.

    A pixel has 256 values, so each result is computed once, by the same float32 operations,
    and looked up: the bits are those of computing it.

    Args:
        out: (3, height, width) float32, C-contiguous, channels as ``preprocess.channels`` says.
        picture: (height, width, 3) uint8, BGR.
        preprocess: the rules.
    """
    import cv2

    rows = normalization_table(preprocess)
    for channel in range(3):
        place = 2 - channel if preprocess.channels == "RGB" else channel
        plane = cv2.extractChannel(picture, channel)
        cv2.LUT(plane, rows[place : place + 1], dst=out[place])


def normalization_table(preprocess: Preprocess) -> "Tensor":
    """What each pixel value becomes: (3, 256) float32, channels as ``preprocess.channels``."""
    values = (preprocess.scale, preprocess.mean, preprocess.std)
    # Keyed by bytes: -0.0 equals 0.0, and gives other bits.
    return _table(*(np.asarray(value, np.float32).tobytes() for value in values))


@lru_cache(maxsize=16)
def _table(scale: bytes, mean: bytes, std: bytes) -> "Tensor":
    factor, shift, divisor = (np.frombuffer(value, np.float32) for value in (scale, mean, std))
    pixels = np.arange(256, dtype=np.uint8).astype(np.float32)[:, None]
    # Which values overflow is no news: a picture may hold none of them.
    with np.errstate(all="ignore"):
        made = (pixels * factor - shift) / divisor
    table = np.ascontiguousarray(made.T)
    table.flags.writeable = False
    return table
