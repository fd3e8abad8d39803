"""The .bin file: the weights one after another, with words that say how each is stored.

Source of the format: ncnn's ModelBinFromDataReader::load.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paddleport.errors import ModelFileError
from paddleport.models.ncnn.ncnn_graph import (
    FP16_FLAG,
    INT8_FLAG,
    SCALED_FLAG,
    NcnnWeight,
)
from paddleport.tensors import Array

_ALIGNED = 4  # bytes
_TABLE = 256  # float32 of a quantised array


class WeightReader:
    """Takes one weight after another from a .bin file.

    Attributes:
        path: the file.
        left: how many bytes were not taken yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data: NDArray[np.uint8] = (
                np.memmap(path, np.uint8, mode="r")
                if path.stat().st_size
                else np.zeros(0, np.uint8)
            )
        except OSError as error:
            raise ModelFileError(f"{path} can't be read: {error}") from None
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self._data) - self._at

    def take(self, layer: str, name: str, count: int, *, flagged: bool) -> NcnnWeight:
        """The next array.

        Args:
            layer: whose it is, for messages.
            name: that of ncnn's documentation.
            count: of its values, as the layer's parameters say.
            flagged: whether a word before it says how it is stored; else it is float32.

        Raises:
            ModelFileError: the file ends before.
        """
        if count < 0:
            raise ModelFileError(f"{self.path} does not fit: {layer} says {count} for {name}")
        of = f"{name} of layer {layer}"
        if not flagged:
            return NcnnWeight(name=name, flag=None, stored=self._array(of, "<f4", count))
        flag = int(self._array(of, "<u4", 1)[0])
        dtype, table = "<f4", None
        if flag == FP16_FLAG:
            dtype = "<f2"
        elif flag == INT8_FLAG:
            dtype = "i1"
        elif flag != SCALED_FLAG and sum(flag.to_bytes(4, "little")) % (1 << 32):
            dtype, table = "u1", self._array(of, "<f4", _TABLE)
        stored = self._array(of, dtype, count)
        padding = self._array(of, "u1", -stored.nbytes % _ALIGNED).tobytes()
        return NcnnWeight(name=name, flag=flag, stored=stored, table=table, padding=padding)

    def _array(self, of: str, dtype: str, count: int) -> Array:
        size = np.dtype(dtype).itemsize * count
        if size > self.left:
            raise ModelFileError(
                f"{self.path} is cut off, or belongs to another .param file: {of} needs {size} "
                f"bytes and {self.left} are left"
            )
        part = self._data[self._at : self._at + size]
        self._at += size
        return np.frombuffer(part.tobytes(), dtype)


def weight_bytes(weight: NcnnWeight) -> bytes:
    """One array as it is stored."""
    flag = b"" if weight.flag is None else weight.flag.to_bytes(4, "little")
    table = b"" if weight.table is None else weight.table.tobytes()
    return flag + table + weight.stored.tobytes() + weight.padding


def int8_weight(name: str, values: Array) -> NcnnWeight:
    """Whole numbers of -127 to 127 as ncnn2int8 stores them."""
    stored = values.astype(np.int8).reshape(-1)
    padding = bytes(-stored.nbytes % _ALIGNED)
    return NcnnWeight(name=name, flag=INT8_FLAG, stored=stored, padding=padding)


def raw_weight(name: str, values: Array) -> NcnnWeight:
    """Float32 without a word before it."""
    return NcnnWeight(name=name, flag=None, stored=values.astype("<f4").reshape(-1))
