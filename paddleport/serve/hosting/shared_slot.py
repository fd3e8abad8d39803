"""Memory that the server and one worker both map: a request's tensors, then its answer's."""

import mmap
import os
import struct
import tempfile
from collections.abc import Mapping

import msgspec
import numpy as np

from paddleport.tensors import Array

LARGEST_BYTES = 1 << 31
"""Of one request's tensors, or of one answer's."""
KEPT_BYTES = 16 << 20
"""What an idle slot keeps; the rest of a larger request's goes back to the system."""

_BEGAN = struct.Struct("<d")
_HEAD_BYTES, _ALIGNED_BYTES = 64, 64  # a cache line, and what vectorised kernels read best


class Placed(msgspec.Struct, frozen=True, array_like=True):
    """Where one tensor lies in a slot."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int


class SharedSlot:
    """One request's memory; it grows by what is put, and goes with its last process.

    Attributes:
        descriptor: the open file behind it, which has no name.
        size: bytes of the file, as far as this process knows.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.size = descriptor, 0
        self._memory: mmap.mmap | None = None

    @classmethod
    def create(cls) -> "SharedSlot":
        """An empty one."""
        if hasattr(os, "memfd_create"):  # not /dev/shm, of which containers have 64 MB
            return cls(os.memfd_create("paddleport-slot"))
        with tempfile.TemporaryFile() as file:
            return cls(os.dup(file.fileno()))

    def put(self, tensors: Mapping[str, Array]) -> tuple[Placed, ...]:
        """Copy tensors to it.

        Raises:
            OSError: there is no memory for them.
            ValueError: they are too large, or hold objects.
        """
        placed, end = [], _HEAD_BYTES
        for name, tensor in tensors.items():
            if tensor.dtype.hasobject:
                raise ValueError(f"{name} holds Python's objects, no numbers")
            dtype = tensor.dtype.name if tensor.dtype.kind == "V" else tensor.dtype.str
            placed.append(Placed(name, dtype, tensor.shape, end))
            end += -(-tensor.nbytes // _ALIGNED_BYTES) * _ALIGNED_BYTES
        if end > LARGEST_BYTES:
            raise ValueError(f"{end} bytes at a time, {LARGEST_BYTES} are possible")
        if end > self.size:
            self._resize(end)
        for place, tensor in zip(placed, tensors.values(), strict=True):
            self.view(place)[...] = tensor
        return tuple(placed)

    def view(self, place: Placed) -> Array:
        """A tensor that was put by either process, not copied."""
        array: Array = np.ndarray(place.shape, place.dtype, self._mapped(), place.offset)
        return array

    def seen(self, size: int) -> None:
        """The other process has made the file of this size."""
        if size != self.size:
            self._map(size)

    def begin(self, at: float) -> None:
        """Note when the request was begun, on the monotonic clock; 0 is not yet."""
        _BEGAN.pack_into(self._mapped(), 0, at)

    @property
    def began(self) -> float:
        """What ``begin`` has noted."""
        found: float = _BEGAN.unpack_from(self._mapped(), 0)[0]
        return found

    def trim(self) -> None:
        """Give back what is only needed for large requests; nobody uses it now."""
        if self.size > KEPT_BYTES:
            os.ftruncate(self.descriptor, KEPT_BYTES)
            self._map(KEPT_BYTES)

    def close(self) -> None:
        """This process's part; a second call does nothing."""
        self._memory = None  # unmapped with the last view of it
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _mapped(self) -> mmap.mmap:
        if self._memory is None:
            self._resize(mmap.PAGESIZE)
        assert self._memory is not None
        return self._memory

    def _resize(self, size: int) -> None:
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        if hasattr(os, "posix_fallocate"):  # a page that can't be had would be a SIGBUS later
            os.posix_fallocate(self.descriptor, 0, size)
        else:
            os.ftruncate(self.descriptor, size)
        self._map(size)

    def _map(self, size: int) -> None:
        self._memory = mmap.mmap(self.descriptor, size)
        self.size = size
