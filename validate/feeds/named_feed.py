"""A feed by name, and the pictures that feeds are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from paddleport.models.synthetic.samples import sample_pictures
from paddleport.runners.preprocessing.prepare_image import decode_image
from paddleport.tensors import Array, Feed

SAMPLE_SIZE = (192, 224)  # height and width of drawn pictures: quick to draw, and resized
Kind = Literal["picture", "drawn", "noise", "extreme", "batch", "given"]


@dataclass(frozen=True)
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
    kind: Kind
    tensors: Feed
    parts: tuple[int, ...] = ()
    picture: Array | None = field(default=None, repr=False, compare=False)
    pixels: Array | None = field(default=None, repr=False, compare=False)

    @property
    def to_file(self) -> Feed:
        """What the ONNX file is fed, still under Paddle's names; ``tensors`` or the pixels."""
        return self.tensors if self.pixels is None else dict.fromkeys(self.tensors, self.pixels)


def named_pictures(pictures: Sequence[Path], samples: int) -> list[tuple[str, Array]]:
    """Name and picture of every file, or of ``samples`` that the package draws; BGR.

    Raises:
        ImageError: a file that is no picture.
    """
    if pictures:
        return [(path.name, decode_image(path)) for path in pictures]
    drawn = sample_pictures(samples, SAMPLE_SIZE)
    return [(f"sample {index}", picture) for index, picture in enumerate(drawn)]
