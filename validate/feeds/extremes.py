"""Pictures at the edge of what a network may meet: black, white, saturated, one hot pixel."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from paddleport.models.card import Preprocess
from paddleport.runners.preprocessing.prepare_image import preprocess_image
from paddleport.tensors import Array

_BLOCK = 8  # pixels on the side of a saturated patch
_SEED = 20_261_124
_NORMALISED = (-2.0, 2.5)  # of black and white, where the preprocessing is not known


def extreme_pictures(
    shape: tuple[int, int, int, int], dtype: str, preprocess: Preprocess | None
) -> Iterator[tuple[str, Array]]:
    """Name and tensor of every extreme, at the model's own input size.

    Args:
        shape: [N, C, H, W] of the input; every batch position gets the same picture.
        dtype: of the input.
        preprocess: how pixels become values; where it is unknown black is -2 and white 2.5.
    """
    batch, channels, height, width = shape
    for name, mask in extreme_masks(height, width, channels):
        yield name, np.stack([_normalised(mask, preprocess).astype(dtype)] * batch)


def extreme_masks(
    height: int, width: int, channels: int = 3
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Name of every extreme, and where it is white and not black: [height, width, channels]."""
    generator = np.random.Generator(np.random.PCG64(_SEED))
    blocks = generator.random((-(-height // _BLOCK), -(-width // _BLOCK), channels)) < 0.5
    saturated = blocks.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:height, :width]
    hot = np.zeros((height, width, channels), np.bool_)
    hot[height // 2, width // 2] = True
    yield "black", np.zeros_like(hot)
    yield "white", np.ones_like(hot)
    yield "saturated", saturated
    yield "one hot pixel", hot


def _normalised(mask: NDArray[np.bool_], preprocess: Preprocess | None) -> Array:
    """[H, W, C] of black and white as [C, H, W] of the values that the model is fed."""
    if preprocess is None or mask.shape[2] != 3:
        return np.where(mask, *reversed(_NORMALISED)).transpose(2, 0, 1)
    pixels = np.where(mask, 255, 0).astype(np.uint8)
    as_it_is = replace(preprocess, resize_short=None, resize=None, crop=None)
    return preprocess_image(pixels, as_it_is)
