"""Memory that a pass shares with its backends' processes: pictures are written there only once.

A pickled picture of 224 x 224 in float32 is copied four times on its way through a pipe, and
once more for every further backend; here a process maps what was written.
"""

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleport.tensors import Array

_IN_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True)
class SlotLayout:
    """What a process needs to map the slots.

    Attributes:
        path: the file behind them, which has no name any more once all have mapped it.
        shape: slots, pictures in each, then a picture's.
        dtype: of a picture.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str

    def mapped(self) -> Array:
        """The slots as an array that others see when it is written."""
        return np.memmap(self.path, self.dtype, "r+", shape=self.shape)


class PictureSlots:
    """Some slots, each with room for as many pictures; the file behind them is in memory."""

    def __init__(self, slots: int, pictures: int, shape: tuple[int, ...], dtype: str) -> None:
        """Reserve the memory.

        Raises:
            OSError: there is no room, neither in memory nor on the disk.
        """
        whole = (slots, pictures, *shape)
        path = _reserved(int(np.prod(whole)) * np.dtype(dtype).itemsize)
        self.layout = SlotLayout(path=path, shape=whole, dtype=dtype)
        self.arrays = self.layout.mapped()

    def unlink(self) -> None:
        """Remove the name: the memory goes with its last process, however that ends."""
        with contextlib.suppress(OSError):
            self.layout.path.unlink(missing_ok=True)


def _reserved(size_bytes: int) -> Path:
    """A file of that size whose every page is there, so that no write to it can fail."""
    places = [_IN_MEMORY, Path(tempfile.gettempdir())]
    for place in places:
        descriptor, name = -1, ""
        try:
            descriptor, name = tempfile.mkstemp(prefix="paddleport-pictures-", dir=place)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size_bytes)
            else:
                os.truncate(descriptor, size_bytes)
            return Path(name)
        except OSError:  # no such place, or a container's, which is small
            if name:
                Path(name).unlink(missing_ok=True)
            if place == places[-1]:
                raise
        finally:
            if descriptor >= 0:
                os.close(descriptor)
    raise OSError("no place for the pictures")
