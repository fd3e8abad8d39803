"""Labelled pictures on their way to the rows: decoded once, ahead of the rows, in equal chunks.

A chunk is so many pictures of the listing, readable or not. So the chunks of a pass that goes on
are those of one that was never interrupted, and so are the batches in them.
"""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paddleport.errors import ImageError, UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.in_order import Pending, in_order
from paddleport.runners.preprocessing.prepare_image import decode_image, fed_picture, takes_pixels
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.labelled.labelled_data import LabelledPicture

SLOTS = 2  # one is read by the rows while the other is filled
_SLOT_BYTES = 24 << 20
_MOST = 64


@dataclass(frozen=True, kw_only=True)
class PictureChunk:
    """Pictures that lie in a slot.

    Attributes:
        slot: which.
        names, sources, labels: of those that could be read, in the slot's order; int64 [n].
        unreadable: name and reason of those that could not.
        end: how many pictures of the listing are through with this chunk.
    """

    slot: int
    names: tuple[str, ...]
    sources: tuple[Path | bytes, ...]
    labels: NDArray[np.int64]
    unreadable: tuple[tuple[str, str], ...]
    end: int


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    picture: LabelledPicture
    tensors: tuple[Array, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class PictureReader:
    """Decodes a picture once and prepares it for every kind of input that a row has.

    Attributes:
        preprocess: what is done to it.
        inputs: one input of each kind: normalised floats, or 8-bit pixels.
    """

    preprocess: Preprocess
    inputs: tuple[TensorSpec, ...]

    @property
    def shapes(self) -> list[tuple[tuple[int, ...], str]]:
        """Shape and dtype of a picture for each input.

        Raises:
            UsageError: they have no size of their own.
        """
        size = self.preprocess.size
        if size is None:
            raise UsageError(
                "evaluate takes pictures that all come to one size, and this model's "
                "preprocessing has neither a crop nor a size: write a CropImage into its "
                "inference.yml"
            )
        floats = (self.preprocess.channel_num, *size)
        return [
            ((*size, 3), "uint8") if takes_pixels(spec) else (floats, "float32")
            for spec in self.inputs
        ]

    def chunk_size(self, batch: int) -> int:
        """How many pictures a chunk has: whole batches, and no more than a slot should hold."""
        largest = max(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in self.shapes)
        fitting = max(1, min(_MOST, _SLOT_BYTES // largest))
        return max(batch, fitting - fitting % batch)

    def read(self, picture: LabelledPicture) -> _Prepared:
        """Decode and preprocess, or say why that can't be; in any thread."""
        name = picture.name
        try:
            image = decode_image(picture.source, name=name)
            tensors = tuple(
                fed_picture(image, self.preprocess, spec, name=name) for spec in self.inputs
            )
        except ImageError as failure:
            return _Prepared(picture=picture, error=str(failure))
        return _Prepared(picture=picture, tensors=tensors)


def picture_chunks(
    pictures: Iterator[LabelledPicture],
    reader: PictureReader,
    slots: Sequence[Array],
    *,
    start: int,
    workers: int,
) -> Generator[PictureChunk, None, None]:
    """Chunks in their slots, each filled when it is asked for; pictures are read ahead of that.

    At most ``2 * workers`` and a chunk of pictures are read and not yet in a slot.

    Args:
        pictures: from the first that is wanted on.
        reader: decodes them.
        slots: for each of the reader's inputs [SLOTS, chunk, ...].
        start: how many pictures of the listing are through already.
        workers: threads that decode.
    """
    size = slots[0].shape[1]
    pool = ThreadPoolExecutor(workers, thread_name_prefix="paddleport-picture")

    def read(picture: LabelledPicture) -> Pending[_Prepared]:
        return pool.submit(reader.read, picture)

    try:
        with closing(in_order(read, pictures, 2 * workers + size)) as prepared:
            slot, end = 0, start
            while listed := list(islice(prepared, size)):
                end += len(listed)
                yield _filled(listed, slots, slot, end)
                slot = (slot + 1) % SLOTS
    finally:
        pool.shutdown(cancel_futures=True)


def _filled(
    listed: Sequence[_Prepared], slots: Sequence[Array], slot: int, end: int
) -> PictureChunk:
    readable = [item for item in listed if not item.error]
    for place, item in enumerate(readable):
        for array, tensor in zip(slots, item.tensors, strict=True):
            array[slot, place] = tensor
    return PictureChunk(
        slot=slot,
        names=tuple(item.picture.name for item in readable),
        sources=tuple(item.picture.source for item in readable),
        labels=np.array([item.picture.label for item in readable], np.int64),
        unreadable=tuple((item.picture.name, item.error) for item in listed if item.error),
        end=end,
    )
