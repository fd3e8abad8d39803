"""Prepared examples in a temporary file: one at a time is in memory."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Generic, NamedTuple, TypeVar, overload

import numpy as np

from paddleport.errors import FeedError
from paddleport.tensors import Array

T = TypeVar("T")
DISK_SHARE = 0.5  # of what is free, for all examples together


class ListedOnDemand(Sequence[T], Generic[T]):
    """A sequence whose items are made whenever they are asked for; a slice is a list of them."""

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._make(place) for place in range(self._count)[index]]
        return self._make(range(self._count)[index])

    def __iter__(self) -> Iterator[T]:
        return (self._make(place) for place in range(self._count))


class _Stored(NamedTuple):
    """Where a tensor's bytes are."""

    offset: int
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


class StoredExamples:
    """A file without a name, which is gone with the process.

    Decoding and preparing a picture takes longer than reading it back, and every candidate is
    given all of them.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as this
        weakref.finalize(self, self._file.close)
        self._places: list[tuple[_Stored, ...]] = []
        self._end = 0

    def add(self, example: Sequence[Array], count: int) -> None:
        """Write one of ``count`` examples.

        Raises:
            FeedError: ``count`` of them are more than there is room for.
        """
        size = sum(tensor.nbytes for tensor in example)
        if not self._places:
            _check_room(size, count)
        places = []
        self._file.seek(self._end)
        for tensor in example:
            places.append(_Stored(self._end, tensor.dtype, tensor.shape))
            self._file.write(np.ascontiguousarray(tensor).data)
            self._end += tensor.nbytes
        self._places.append(tuple(places))

    def examples(self) -> Sequence[tuple[Array, ...]]:
        """All that were added, in order, each read when it is asked for."""
        return ListedOnDemand(len(self._places), self._read)

    def _read(self, index: int) -> tuple[Array, ...]:
        tensors = []
        for place in self._places[index]:
            tensor: Array = np.empty(place.shape, place.dtype)
            self._file.seek(place.offset)
            self._file.readinto(tensor.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]  # of BufferedRandom
            tensors.append(tensor)
        return tuple(tensors)


def _check_room(size: int, count: int) -> None:
    folder = tempfile.gettempdir()
    room = int(shutil.disk_usage(folder).free * DISK_SHARE)
    if size * count > room:
        raise FeedError(
            f"{count} examples of {size} bytes are more than the {room >> 20} MB that {folder} has "
            f"room for: give at most {room // size}, or name a larger disk: {_TMPDIR}=DIR"
        )


_TMPDIR = "TMP" if os.name == "nt" else "TMPDIR"
