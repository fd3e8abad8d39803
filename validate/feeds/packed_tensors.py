"""Tensors as JSON texts, whole or at fixed places, and read again from files of anybody's."""

import base64
import binascii
import hashlib
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from paddleport.tensors import Array, format_shape

_KINDS = "biuf"  # booleans, integers, floats: what numpy itself reads without pickle
_MOST_BYTES = 1 << 24  # of one tensor that is unpacked
_STRIDE = 2_654_435_761  # 2^32 by the golden ratio: Knuth, The Art of Computer Programming, 6.4


def is_packable(tensor: Array) -> bool:
    """Whether a tensor is of plain numbers."""
    return tensor.dtype.kind in _KINDS and tensor.dtype.name in np.sctypeDict


def digest(tensors: Mapping[str, Array]) -> str:
    """The sha256 of tensors' types, shapes and bytes, in their order."""
    found = hashlib.sha256()
    for tensor in tensors.values():
        found.update(f"{tensor.dtype.name} [{format_shape(tensor.shape)}]\n".encode())
        found.update(_little(tensor).tobytes())
    return found.hexdigest()


def places(size: int, most: int) -> Array:
    """The flat indices that are kept of ``size`` values: all, or ``most`` scattered ones."""
    if size <= most:
        return np.arange(size)
    return (np.arange(most, dtype=np.uint64) * np.uint64(_STRIDE) % np.uint64(size)).astype(int)


def pack(tensor: Array, most: int | None = None) -> dict[str, Any]:
    """A tensor as JSON values; above ``most`` values only those at ``places``."""
    packed: dict[str, Any] = {"dtype": tensor.dtype.name, "shape": list(tensor.shape)}
    if most is not None and tensor.size > most:
        packed["places"] = most
        tensor = tensor.ravel()[places(tensor.size, most)]
    data = zlib.compress(_little(tensor).tobytes(), 9)
    return {**packed, "data": base64.b64encode(data).decode("ascii")}


def unpack(packed: Any) -> tuple[Array, tuple[int, ...], int | None]:
    """The values, the whole tensor's shape, and how many places were kept of it, if not all.

    Raises:
        ValueError: it is not what ``pack`` gives.
    """
    try:
        dtype, shape = np.dtype(str(packed["dtype"])), tuple(packed["shape"])
        kept, text = packed.get("places"), packed["data"]
        if dtype.kind not in _KINDS or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("a type or shape that no tensor has")
        if kept is not None and (type(kept) is not int or not 0 < kept < math.prod(shape)):
            raise ValueError("places that are none")
        size = kept or math.prod(shape)
        if size * dtype.itemsize > _MOST_BYTES:
            raise ValueError("a tensor too large to be stored")
        reader = zlib.decompressobj()
        data = reader.decompress(base64.b64decode(text, validate=True), size * dtype.itemsize + 1)
        if len(data) != size * dtype.itemsize:
            raise ValueError("another number of values than its shape has")
        values = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    except (KeyError, TypeError, AttributeError, binascii.Error, zlib.error) as error:
        raise ValueError(f"a tensor that can't be read ({type(error).__name__})") from None
    return values if kept else values.reshape(shape), shape, kept


def _little(tensor: Array) -> Array:
    return np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<"))
