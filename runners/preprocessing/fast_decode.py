"""What reduced-size JPEG decoding changes, measured on the pictures it was used for."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from paddleport.errors import ImageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing.prepare_image import crop_image, decode_image

if TYPE_CHECKING:
    Picture = NDArray[np.uint8]

MOST_PICTURES = 8
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, kw_only=True)
class FastDecodingEffect:
    """How far pictures decoded small are from the same ones decoded whole.

    Attributes:
        pictures: JPEGs decoded both ways.
        reduced: those of them that were decoded smaller; the others are the same.
        max_levels: the largest difference of a pixel before normalisation, in 8-bit levels.
        mean_levels: the mean absolute difference of all pixels of all ``pictures``.
        answers_changed: pictures that are answered in another way; ``None`` if nobody was asked.
        changed: what that means, in words.
    """

    pictures: int = 0
    reduced: int = 0
    max_levels: int = 0
    mean_levels: float = 0.0
    answers_changed: int | None = None
    changed: str = "the answer changed"

    def __str__(self) -> str:
        """One sentence for whoever asked for fast decoding."""
        if not self.pictures:
            return "fast decoding changes JPEGs alone, and none was read"
        text = (
            f"fast decoding, measured on {_jpegs(self.pictures)}, {self.reduced} of them decoded "
            f"smaller: pixels differ by up to {self.max_levels} of 255 levels and by "
            f"{self.mean_levels:.2f} on average"
        )
        if self.answers_changed is None:
            return text
        return f"{text}; {self.changed} in {self.answers_changed} of {self.pictures}"


def effect_of_fast_decoding(
    pictures: Iterable[Path],
    preprocess: Preprocess,
    same_answer: "Callable[[Picture, Picture], bool] | None" = None,
    changed: str = FastDecodingEffect.changed,
) -> FastDecodingEffect:
    """Decode the first ``MOST_PICTURES`` readable JPEGs both ways and compare what is fed.

    Args:
        pictures: files; those that are no JPEG or cannot be read are passed over.
        preprocess: what follows the decoding.
        same_answer: whether a model answers two decoded pictures alike.
        changed: what it means if it does not, in words.
    """
    differences: list[NDArray[np.int16]] = []
    reduced = others = 0
    for whole, small in islice(_decoded_both_ways(pictures, preprocess), MOST_PICTURES):
        one, other = (crop_image(image, preprocess).astype(np.int16) for image in (whole, small))
        differences.append(np.abs(one - other))
        reduced += whole.shape != small.shape
        others += same_answer is not None and not same_answer(whole, small)
    if not differences:
        return FastDecodingEffect()
    return FastDecodingEffect(
        pictures=len(differences),
        reduced=reduced,
        max_levels=max(int(difference.max()) for difference in differences),
        mean_levels=float(np.concatenate([d.ravel() for d in differences]).mean()),
        answers_changed=None if same_answer is None else others,
        changed=changed,
    )


def _decoded_both_ways(
    pictures: Iterable[Path], preprocess: Preprocess
) -> "Iterator[tuple[Picture, Picture]]":
    for path in pictures:
        try:
            if not path.is_file() or not _is_jpeg(path):
                continue
            whole, small = decode_image(path), decode_image(path, fast_for=preprocess)
            crop_image(whole, preprocess)  # refused where it is smaller than the crop
        except (ImageError, OSError):  # whoever reads the pictures says so
            continue
        yield whole, small


def _is_jpeg(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_JPEG)) == _JPEG


def _jpegs(count: int) -> str:
    return "1 JPEG" if count == 1 else f"{count} JPEGs"
