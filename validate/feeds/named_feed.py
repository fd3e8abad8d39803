"""A feed by name, and the pictures that feeds are made of: files, drawn samples, extremes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import sample_pictures
from paddleport.runners.preprocessing.prepare_image import decode_image, preprocess_image
from paddleport.tensors import Array, Feed

DEFAULT_SIZE = 224  # of a free height or width
DEFAULT_LENGTH = 16  # of any other free dimension
SAMPLE_SIZE = (192, 224)  # height and width of drawn pictures: quick to draw, and resized
FeedKind = Literal["picture", "drawn", "noise", "extreme", "batch", "given"]

_BLOCK = 8  # pixels on the side of a saturated patch
_SEED = 20_261_124
_NORMALISED = (-2.0, 2.5)  # of black and white, where the preprocessing is not known


@dataclass(frozen=True, kw_only=True)
class NamedFeed:
    """One feed and where it came from.

    Attributes:
        name: to tell it by in a report.
        kind: where it came from; a ``batch`` is made of feeds that stand before it.
        tensors: input name to tensor.
        parts: of a batch, the indices of the feeds that it is made of, by batch position.
        picture: the picture that it was made from, [H, W, 3] uint8 BGR, if there is one.
        pixels: what goes in the place of the only tensor to a file that normalises pictures
            itself, [N, H, W, 3] uint8; ``None`` for any other file.
    """

    name: str
    kind: FeedKind
    tensors: Feed
    parts: tuple[int, ...] = ()
    picture: Array | None = field(default=None, repr=False, compare=False)
    pixels: Array | None = field(default=None, repr=False, compare=False)

    @property
    def batch(self) -> int:
        """How many examples it holds: rows of its first tensor that has any; else 1."""
        return next((len(tensor) for tensor in self.tensors.values() if tensor.ndim), 1)

    @property
    def to_file(self) -> Feed:
        """What the ONNX file is fed, still under Paddle's names; ``tensors`` or the pixels."""
        return self.tensors if self.pixels is None else dict.fromkeys(self.tensors, self.pixels)


def named_pictures(
    pictures: Sequence[Path], samples: int, size: tuple[int, int] = SAMPLE_SIZE
) -> list[tuple[str, Array]]:
    """Name and picture of every file, or of ``samples`` that the package draws; BGR.

    Args:
        pictures: files.
        samples: how many to draw where there are none.
        size: height and width of a drawn picture.

    Raises:
        ImageError: a file that is no picture.
    """
    if pictures:
        return [(path.name, decode_image(path)) for path in pictures]
    drawn = sample_pictures(samples, size)
    return [(f"sample {index}", picture) for index, picture in enumerate(drawn)]


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


def renamed(feed: Feed, names: Sequence[str]) -> dict[str, Array]:
    """A feed under other names, in their order, unless it has them already."""
    if set(feed) == set(names) or len(feed) != len(names):
        return dict(feed)
    return dict(zip(names, feed.values(), strict=True))
