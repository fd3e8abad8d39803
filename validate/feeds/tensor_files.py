"""Tensors from .npy and .npz files, of numbers alone."""

import zipfile
from pathlib import Path

import numpy as np

from paddleport.errors import FeedError
from paddleport.tensors import Array

MAX_UNPACKED_BYTES = 4 << 30
"""The most that an .npz file may unpack to."""


def load_npy(path: Path) -> Array:
    """The array in a .npy file.

    Raises:
        FeedError: the file is not a .npy of numbers.
    """
    try:
        with path.open("rb") as stream:
            tensor: Array = np.lib.format.read_array(stream, allow_pickle=False)
    except FileNotFoundError:
        raise FeedError(f"{path} does not exist") from None
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise FeedError(f"{path} is not a .npy file of numbers ({error})") from None
    return tensor


def load_npz(path: Path) -> dict[str, Array]:
    """All arrays of one .npz file, by name.

    Raises:
        FeedError: the file is not a .npz of numbers, or unpacks to more than
            ``MAX_UNPACKED_BYTES``.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(item.file_size for item in packed.infolist())
        if size > MAX_UNPACKED_BYTES:
            raise FeedError(f"{path} unpacks to {size >> 20} MB; at most 4096 MB are taken")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise FeedError(f"{path} does not exist") from None
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise FeedError(f"{path} is not a .npz file of numbers ({error})") from None
