"""Read the table of contents of a combined parameter file (.pdiparams) without Paddle.

Layout, from Paddle's ``SerializeToStream`` for DenseTensor: uint32 version 0; uint64 number of
LoD levels, each a uint64 size and its bytes; uint32 tensor version 0; int32 size of a
TensorDesc message (1: data type, 2: dims); the raw data. Tensors follow one another.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from paddleport.errors import ModelFileError
from paddleport.models import protobuf

# framework.proto, VarType.Type: number -> (numpy's name, bytes each)
DATA_TYPES = {
    0: ("bool", 1),
    1: ("int16", 2),
    2: ("int32", 4),
    3: ("int64", 8),
    4: ("float16", 2),
    5: ("float32", 4),
    6: ("float64", 8),
    20: ("uint8", 1),
    21: ("int8", 1),
    22: ("bfloat16", 2),
    23: ("complex64", 8),
    24: ("complex128", 16),
}
_MAX_DESC_BYTES = 1024
_MAX_LOD_LEVELS = 16


@dataclass(frozen=True)
class ParameterSpec:
    """Data type (numpy's name) and shape of one stored parameter."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class StoredParameter:
    """Where a parameter stands in its file, in bytes from its beginning.

    Attributes:
        spec: data type and shape.
        start: of its header.
        data: of its elements, row by row, which end where the next header starts.
        size_bytes: of its elements.
    """

    spec: ParameterSpec
    start: int
    data: int
    size_bytes: int


def looks_like_params(head: bytes) -> bool:
    """Whether a file that begins with ``head`` (32 bytes or more) is a combined parameter file."""
    if len(head) < 24 or head[:4] != b"\0\0\0\0":
        return False
    (levels,) = struct.unpack_from("<Q", head, 4)
    if levels:
        return bool(levels <= _MAX_LOD_LEVELS)
    version, size = struct.unpack_from("<Ii", head, 12)
    return version == 0 and 2 <= size <= _MAX_DESC_BYTES and head[20] == 0x08


def read_parameter_specs(path: Path) -> list[ParameterSpec]:
    """List every parameter in a combined file, in order, reading only the headers.

    Raises:
        ModelFileError: the file is no parameter file, or ends before its last tensor does.
    """
    return [item.spec for item in read_stored_parameters(path)]


def read_stored_parameters(path: Path) -> list[StoredParameter]:
    """The same, with the place of each in the file.

    Raises:
        ModelFileError: as ``read_parameter_specs``.
    """
    size = path.stat().st_size
    found: list[StoredParameter] = []
    with path.open("rb") as stream:
        while stream.tell() < size:
            try:
                found.append(_read_stored(stream, size))
            except _Truncated:
                raise ModelFileError(
                    f"{path} is truncated: parameter {len(found) + 1} ends beyond the file's "
                    f"{size:,} bytes; copy or download it again"
                ) from None
            except (ValueError, KeyError):
                raise ModelFileError(
                    f"{path} is not a Paddle parameter file (at parameter {len(found) + 1})"
                ) from None
    return found


def parameter_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """What stands before a parameter's elements.

    Args:
        dtype: numpy's name, one of ``DATA_TYPES``.
        shape: each dimension below 128, as one byte holds it.
    """
    number = next(key for key, (name, _) in DATA_TYPES.items() if name == dtype)
    desc = bytes([0x08, number, *(byte for size in shape for byte in (0x10, size))])
    return struct.pack("<IQIi", 0, 0, 0, len(desc)) + desc


class _Truncated(Exception):
    pass


def _read_stored(stream: IO[bytes], file_size: int) -> StoredParameter:
    start = stream.tell()
    version, levels = struct.unpack("<IQ", _take(stream, 12))
    if version or levels > _MAX_LOD_LEVELS:
        raise ValueError
    for _ in range(levels):
        (level_size,) = struct.unpack("<Q", _take(stream, 8))
        _skip(stream, level_size, file_size)
    version, desc_size = struct.unpack("<Ii", _take(stream, 8))
    if version or not 0 < desc_size <= _MAX_DESC_BYTES:
        raise ValueError
    desc = memoryview(_take(stream, desc_size))
    dtype, itemsize = DATA_TYPES[next(_varints(desc, 1))]
    shape = tuple(protobuf.integers(desc, 2))
    count = 1
    for dimension in shape:
        if dimension < 0:
            raise ValueError
        count *= dimension
    data = stream.tell()
    _skip(stream, count * itemsize, file_size)
    return StoredParameter(
        spec=ParameterSpec(dtype, shape), start=start, data=data, size_bytes=count * itemsize
    )


def _varints(message: memoryview, number: int) -> Iterator[int]:
    for found, value in protobuf.fields(message):
        if found == number and isinstance(value, int):
            yield value
    raise ValueError


def _take(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise _Truncated
    return data


def _skip(stream: IO[bytes], size: int, file_size: int) -> None:
    if stream.tell() + size > file_size:
        raise _Truncated
    stream.seek(size, 1)
