"""Intermediate values on disk: computed once by a child, read one at a time by the parent."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.bisect.located import TensorRange

_NUMBERS = "fiub"  # numpy's kinds that can be compared


@dataclass(frozen=True)
class Stored:
    """One value: the file it lies in, numpy's name of its type, and its shape."""

    file: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Values:
    """Named values in a folder, which someone else removes.

    Attributes:
        folder: where the files are.
        stored: by name.
    """

    folder: Path
    stored: Mapping[str, Stored]

    def __contains__(self, name: object) -> bool:
        return name in self.stored

    def load(self, name: str) -> Array:
        """A value, mapped and not read; raises KeyError for one that is not here."""
        path = self.folder / self.stored[name].file
        # an empty file cannot be mapped
        mode = "r" if self.stored[name].size else None
        tensor: Array = np.load(path, mmap_mode=mode, allow_pickle=False)  # type: ignore[arg-type]
        return tensor

    def range_of(self, name: str) -> TensorRange:
        """Shape, minimum and maximum of a value; NaN for both where no element is finite."""
        tensor = self.load(name).astype(np.float64)
        finite = tensor[np.isfinite(tensor)]
        low, high = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
        return TensorRange(name, tuple(tensor.shape), float(low), float(high))


class Store:
    """Writes values into a folder one by one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.stored: dict[str, Stored] = {}

    def add(self, name: str, value: object) -> None:
        """Keep ``value`` if it is a tensor of numbers; anything else is left out."""
        tensor = np.asarray(value)
        if tensor.dtype.kind in _NUMBERS:
            file = f"{len(self.stored)}.npy"
            np.save(self._folder / file, tensor, allow_pickle=False)
            self.stored[name] = Stored(file, tensor.dtype.name, tuple(tensor.shape))
