"""Tables of a flatbuffer, read field by field where they lie, each step kept in the file.

The flatbuffers package has no verifier in Python: it follows an offset wherever it leads. Source of
the format: FlatBuffers' "Internals"; of the fields: ``schema.json``.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_SCALARS = {"bool": "?", "byte": "b", "ubyte": "B", "int": "i", "uint": "I", "float": "f"}
_ELEMENTS = {"byte": "i1", "ubyte": "u1", "ushort": "<u2", "int": "<i4", "uint": "<u4"}
_ELEMENTS |= {"long": "<i8", "float": "<f4"}
_INT_ENUMS = (
    "OpType",
    "DataType",
    "UnaryOperation",
    "BinaryOperation",
)  # the others are of one byte
_DEEPEST = 24  # tables within tables; a conversion's have six


class DamagedBufferError(ValueError):
    """An offset that leads out of the file, or a table that can't be one."""


@cache
def schema() -> Mapping[str, Any]:
    """Tables, enumerations and the kinds of an operator's parameters."""
    found: Mapping[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text())
    return found


@cache
def _fields(kind: str) -> Mapping[str, tuple[int, str, float]]:
    """By name: the number of its entry in the vtable, its type, its default."""
    found, entry = {}, 0
    for text in schema()["tables"][kind]:
        name, type_and_default = text.split(":")
        type_, _, default = type_and_default.partition("=")
        found[name] = (entry, type_, float(default or 0))
        entry += 2 if type_ == "union" else 1  # what kind it is stands in an entry of its own
    return found


@cache
def enumeration(kind: str) -> Mapping[int, str]:
    """The names of an enumeration's numbers."""
    return {
        int(first) + index: name
        for first, names in schema()["enums"][kind].items()
        for index, name in enumerate(names)
    }


class FlatTable(Mapping[str, Any]):
    """One table: its fields by name, absent ones as their default or ``None``.

    Numbers are plain, enumerations their names, vectors of numbers numpy views of the buffer (to be
    written through where that is a bytearray), of tables lists. Of a union whose kind is unknown,
    and of a field that the schema doesn't describe, the value is ``None``.
    """

    def __init__(self, data: bytes | bytearray, start: int, kind: str, depth: int = 0) -> None:
        """The table of ``kind`` that begins at byte ``start``.

        Raises:
            DamagedBufferError: there is none.
        """
        self.kind = kind
        self._data, self._start, self._depth = data, start, depth
        if depth > _DEEPEST:
            raise DamagedBufferError("tables within tables without end")
        self._vtable = start - self._unpack("i", start)
        self._entries = (self._unpack("H", self._vtable) - 4) // 2

    def __getitem__(self, name: str) -> Any:
        entry, type_, default = _fields(self.kind)[name]
        if type_ == "union":
            return self._union(entry)
        position = self._position(entry)
        if type_ in ("string", "-") or type_[0] == "[" or type_ in schema()["tables"]:
            return None if position is None or type_ == "-" else self._object(position, type_)
        if type_ in schema()["enums"]:
            code = "i" if type_ in _INT_ENUMS else "b"
            number = int(default) if position is None else self._unpack(code, position)
            return enumeration(type_).get(number, str(number))
        if position is not None:
            return self._unpack(_SCALARS[type_], position)
        return default if type_ == "float" else bool(default) if type_ == "bool" else int(default)

    def __iter__(self) -> Iterator[str]:
        return iter(_fields(self.kind))

    def __len__(self) -> int:
        return len(_fields(self.kind))

    def position(self, name: str) -> int | None:
        """Where a field of a number begins, to be overwritten there; ``None``: it is not stored."""
        return self._position(_fields(self.kind)[name][0])

    def union_kind(self, name: str) -> str:
        """The kind of table that a union holds, ``NONE`` for none."""
        position = self._position(_fields(self.kind)[name][0])
        number = 0 if position is None else self._unpack("B", position)
        kinds = schema()["parameters"]
        return kinds[number] if number < len(kinds) else str(number)

    def plain(self) -> dict[str, Any]:
        """All fields, tables within it too, as plain dictionaries and lists."""
        return {name: _plain(value) for name, value in self.items()}

    def _union(self, entry: int) -> "FlatTable | None":
        kind = self.union_kind("main")
        position = self._position(entry + 1)
        if position is None or kind not in schema()["tables"]:
            return None
        return FlatTable(self._data, self._follow(position), kind, self._depth + 1)

    def _position(self, entry: int) -> int | None:
        if entry >= self._entries:
            return None
        offset = self._unpack("H", self._vtable + 4 + 2 * entry)
        return self._start + offset if offset else None

    def _object(self, position: int, type_: str) -> Any:
        target = self._follow(position)
        if type_ in schema()["tables"]:
            return FlatTable(self._data, target, type_, self._depth + 1)
        count = self._unpack("I", target)
        if type_ == "string":
            return self._bytes(target + 4, count).decode("utf-8", "replace")
        element = type_[1:-1]
        if element in _ELEMENTS:
            dtype = np.dtype(_ELEMENTS[element])
            self._check(target + 4, count * dtype.itemsize)
            return np.frombuffer(self._data, dtype, count, target + 4)
        self._check(target + 4, 4 * count)
        return [self._object(target + 4 + 4 * index, element) for index in range(count)]

    def _follow(self, position: int) -> int:
        offset: int = self._unpack("I", position)
        if not offset:
            raise DamagedBufferError(f"no offset at byte {position}")
        return position + offset

    def _bytes(self, position: int, count: int) -> bytes:
        self._check(position, count)
        return bytes(self._data[position : position + count])

    def _unpack(self, code: str, position: int) -> Any:
        self._check(position, struct.calcsize(code))
        return struct.unpack_from("<" + code, self._data, position)[0]

    def _check(self, position: int, count: int) -> None:
        if position < 0 or position + count > len(self._data):
            raise DamagedBufferError(f"bytes {position} to {position + count} are not there")


def root_table(data: bytes | bytearray, kind: str) -> FlatTable:
    """The table that a file is.

    Raises:
        DamagedBufferError: it is none.
    """
    if len(data) < 8:
        raise DamagedBufferError(f"{len(data)} bytes")
    return FlatTable(data, struct.unpack_from("<I", data)[0], kind)


def _plain(value: Any) -> Any:
    if isinstance(value, FlatTable):
        return value.plain()
    return [_plain(item) for item in value] if isinstance(value, list) else value
