"""Walk protobuf's wire format: enough to read Paddle's ProgramDesc without importing Paddle.

Source of the format: protobuf's "Encoding" page; of the fields: Paddle's framework.proto.
"""

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Value = int | memoryview


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield (field number, value): an int for varints, bytes for everything else.

    Raises:
        ValueError: this is not protobuf, or it ends in the middle of a field.
    """
    for number, value, _ in raw_fields(message):
        yield number, value


def raw_fields(message: memoryview) -> Iterator[tuple[int, Value, memoryview]]:
    """The same with the whole field as it stands in the message.

    Raises:
        ValueError: as ``fields``.
    """
    position = 0
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise ValueError("field number 0")
        if wire_type == VARINT:
            value, position = _varint(message, position)
            yield number, value, message[start:position]
            continue
        if wire_type == BYTES:
            size, position = _varint(message, position)
        elif wire_type in (FIXED64, FIXED32):
            size = 8 if wire_type == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if position + size > len(message):
            raise ValueError("ends in the middle of a field")
        yield number, message[position : position + size], message[start : position + size]
        position += size


def tag(number: int, size: int) -> bytes:
    """What stands before the ``size`` bytes of a field that is bytes or a message."""
    return _written(number << 3 | BYTES) + _written(size)


def bytes_field(number: int, content: bytes) -> bytes:
    """A whole field that is bytes, a text or a message."""
    return tag(number, len(content)) + content


def varint_field(number: int, value: int) -> bytes:
    """A whole field that is a number, a truth value or one of an enumeration."""
    return _written(number << 3 | VARINT) + _written(value % (1 << 64))


def float_field(number: int, value: float) -> bytes:
    """A whole field that is a float32."""
    return _written(number << 3 | FIXED32) + struct.pack("<f", value)


def messages(message: memoryview, number: int) -> Iterator[memoryview]:
    """Yield every length-delimited value of field ``number``."""
    for found, value in fields(message):
        if found == number and isinstance(value, memoryview):
            yield value


def text(message: memoryview, number: int) -> str:
    """The string in field ``number``, empty where there is none."""
    return bytes(next(messages(message, number), memoryview(b""))).decode()


def integers(message: memoryview, number: int) -> list[int]:
    """Every int64 of field ``number``, packed or not."""
    found: list[int] = []
    for field, value in fields(message):
        if field != number:
            continue
        if isinstance(value, int):
            found.append(value)
            continue
        position = 0
        while position < len(value):
            item, position = _varint(value, position)
            found.append(item)
    return [item - (1 << 64) if item >= 1 << 63 else item for item in found]


def _written(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while position < len(message) and shift < 70:
        byte = message[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
    raise ValueError("ends in the middle of a number")
