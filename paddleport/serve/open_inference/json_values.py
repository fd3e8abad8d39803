"""Tensors as the protocol's JSON, in both directions."""

import math
import re
from typing import Any, cast

import msgspec
import numpy as np

from paddleport.serve.open_inference.datatypes import BF16, BYTES, NUMPY, ProtocolError
from paddleport.serve.open_inference.messages import texts
from paddleport.tensors import Array

MOST_VALUES = 2_000_000
"""Of one output: everybody waits while they are written."""

_OPENING = re.compile(rb"(?:\s*\[)*")
_LEAVES: dict[str, type[Any]] = {"b": bool, "i": int, "u": int, "f": float}
_NOTHING_IN_JSON = "have no form in JSON: send them as binary data"


def read_json(name: str, datatype: str, shape: tuple[int, ...], data: bytes) -> Array:
    """A tensor's values out of JSON: a flat list in row-major order, or lists within lists.

    Raises:
        ProtocolError: they are of another type, or more or fewer than the shape says.
    """
    if datatype == BF16:
        raise ProtocolError(f"input {name} is {BF16}, whose values {_NOTHING_IN_JSON}")
    leaf = str if datatype == BYTES else _LEAVES[NUMPY[datatype].kind]
    depth = cast("re.Match[bytes]", _OPENING.match(data))[0].count(b"[")
    if depth not in (1, len(shape)):
        raise ProtocolError(
            f"input {name} has data in {depth} lists: 1, or {len(shape)} as its shape has axes"
        )
    kind: Any = leaf
    for _ in range(depth):
        kind = list[kind]
    try:
        listed = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ProtocolError(f"input {name} has data that are no {datatype}: {error}") from None
    values = _flat(name, datatype, listed, depth)
    if values.size != math.prod(shape):
        raise ProtocolError(
            f"input {name} has {values.size} values, and its shape {list(shape)} takes "
            f"{math.prod(shape)}"
        )
    if depth > 1 and values.shape != shape and datatype != BYTES:
        raise ProtocolError(
            f"input {name} has data of shape {list(values.shape)}, and says {list(shape)}"
        )
    return values.reshape(shape)


def write_json(name: str, datatype: str, values: Array) -> list[Any]:
    """A flat list in row-major order.

    Raises:
        ProtocolError: JSON has no such values, or they are more than ``MOST_VALUES``.
    """
    if values.size > MOST_VALUES:
        raise ProtocolError(
            f"output {name} has {values.size} values, and {MOST_VALUES} are the most in JSON: ask "
            "for it as binary data"
        )
    if datatype == BYTES:
        try:
            return [item.decode() for item in values.ravel().tolist()]
        except UnicodeDecodeError:
            raise ProtocolError(f"output {name} has bytes that {_NOTHING_IN_JSON}") from None
    if datatype == BF16:
        raise ProtocolError(f"output {name} is {BF16}, whose values {_NOTHING_IN_JSON}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ProtocolError(f"output {name} has NaN or infinity, which {_NOTHING_IN_JSON}")
    listed: list[Any] = values.ravel().tolist()
    return listed


def _flat(name: str, datatype: str, listed: list[Any], depth: int) -> Array:
    if datatype == BYTES:
        for _ in range(depth - 1):
            listed = [item for row in listed for item in row]
        return texts(listed)
    dtype = NUMPY[datatype]
    wide = {"f": np.float64, "u": np.uint64, "i": np.int64, "b": np.bool_}[dtype.kind]
    try:
        values: Array = np.array(listed, wide)
    except (ValueError, OverflowError, TypeError) as error:
        raise ProtocolError(f"input {name} has data that make no {datatype}: {error}") from None
    with np.errstate(over="ignore"):
        found = values.astype(dtype)
    fits = np.isfinite(found).all() if dtype.kind == "f" else np.array_equal(found, values)
    if not fits:
        raise ProtocolError(f"input {name} has a value beyond {datatype}")
    return found
