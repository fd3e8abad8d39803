"""Tensors as the protocol's raw bytes, both ways, without a copy where that is possible."""

import math
import struct
from collections.abc import Sequence

import numpy as np

from paddleport.serve.open_inference.datatypes import (
    BF16,
    BYTES,
    NUMPY,
    ProtocolError,
    width_of,
)
from paddleport.tensors import Array

Raw = bytes | bytearray | memoryview
_LENGTH = struct.Struct("<I")
_MOST_AXES, _MOST_ELEMENTS = 32, 2**48


def checked_shape(name: str, shape: Sequence[object]) -> tuple[int, ...]:
    """The sizes as whole numbers.

    Raises:
        ProtocolError: one is none, or is less than 0; or there are too many.
    """
    if len(shape) > _MOST_AXES:
        raise ProtocolError(f"input {name} has {len(shape)} axes, and {_MOST_AXES} is the most")
    found: list[int] = []
    for size in shape:
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
            raise ProtocolError(
                f"input {name} has a shape with {size!r:.40}: whole numbers, please"
            )
        found.append(size)
    if math.prod(size for size in found if size) >= _MOST_ELEMENTS:  # though another axis be 0
        raise ProtocolError(f"input {name} has a shape of more elements than there are: {found}")
    return tuple(found)


def read_raw(name: str, datatype: str, shape: tuple[int, ...], raw: Raw) -> Array:
    """A tensor's values; numbers are a read-only view of ``raw``, but for BF16.

    Raises:
        ProtocolError: the bytes are more or fewer than the shape says.
    """
    count = math.prod(shape)
    width = width_of(datatype)
    if datatype == BYTES:
        return _read_elements(name, count, raw).reshape(shape)
    if len(raw) != count * width:
        raise ProtocolError(
            f"input {name} has {len(raw)} bytes, and {datatype} of its shape {list(shape)} are "
            f"{count * width}"
        )
    if datatype == BF16:
        return _from_bf16(np.frombuffer(raw, "<u2")).reshape(shape)
    if datatype == "BOOL" and count and np.frombuffer(raw, np.uint8).max() > 1:
        raise ProtocolError(f"input {name} has a byte that is neither 0 nor 1, and it is BOOL")
    values: Array = np.frombuffer(raw, NUMPY[datatype]).reshape(shape)
    values.flags.writeable = False
    return values


def write_raw(datatype: str, values: Array) -> Raw:
    """A tensor's bytes; of contiguous numbers a view."""
    if datatype == BYTES:
        return b"".join(
            part for item in values.ravel().tolist() for part in (_LENGTH.pack(len(item)), item)
        )
    if datatype == BF16:
        return _to_bf16(values).tobytes()
    plain = np.ascontiguousarray(values, NUMPY[datatype])
    return plain.reshape(-1).view(np.uint8).data if plain.size else b""


def as_bf16(values: Array) -> Array:
    """float32 values rounded to those that BF16 has."""
    return _from_bf16(_to_bf16(values)).reshape(values.shape)


def _read_elements(name: str, count: int, raw: Raw) -> Array:
    """Elements of BYTES, each after its length in 4 bytes."""
    view = memoryview(raw)
    if count * _LENGTH.size > len(view):  # before anything of that size is made
        raise ProtocolError(f"input {name} is said to have {count} elements in {len(view)} bytes")
    found = np.empty(count, object)
    place = 0
    for index in range(count):
        end = place + _LENGTH.size
        length = _LENGTH.unpack_from(view, place)[0] if end <= len(view) else 0
        if end + length > len(view) or end > len(view):
            raise ProtocolError(f"input {name} ends within its element {index}")
        found[index] = bytes(view[end : end + length])
        place = end + length
    if place != len(view):
        raise ProtocolError(f"input {name} has {len(view) - place} bytes after its last element")
    return found


def _from_bf16(halves: Array) -> Array:
    found: Array = (halves.astype(np.uint32) << 16).view(np.float32)
    return found


def _to_bf16(values: Array) -> Array:
    """To the nearest, to even at a tie; what is no number stays none."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    found: Array = np.where(np.isnan(values), (bits >> 16) | 0x40, rounded).astype("<u2")
    return found
