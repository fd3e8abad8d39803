"""A .pdmodel in the form that Paddle Lite takes, which computes the same on native Paddle.

Paddle writes only those attributes and outputs that its own operators still need, and Paddle
Lite's definitions are older: what is left out is put back. An operator that Paddle Lite computes
wrong is written as another. Nothing else is touched, the parameters least of all.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from paddleport.models import protobuf

# framework.proto. ProgramDesc: 1 blocks. BlockDesc: 3 vars, 4 ops. OpDesc: 1 inputs, 2 outputs,
# 3 type, 4 attrs. OpDesc.Var: 1 parameter, 2 arguments. VarDesc: 1 name, 2 type. VarType: 1 type,
# 3 lod_tensor. LoDTensorDesc: 1 tensor. TensorDesc: 1 data_type, 2 dims.
_BLOCKS, _VARIABLES, _OPERATORS = 1, 3, 4
_INPUTS, _OUTPUTS, _KIND, _ATTRIBUTES = 1, 2, 3, 4
_LOD_TENSOR, _INT64 = 7, 3  # VarType.Type

_ATTRIBUTE_FIELDS = {bool: (6, 10), int: (0, 3), float: (1, 4)}
"""Type of a value to AttrType's number and to the field of OpDesc.Attr that holds it."""

LACKED_ATTRIBUTES: Mapping[str, Mapping[str, bool | int | float]] = {
    "relu6": {"threshold": 6.0},
    "swish": {"beta": 1.0},
}
"""By operator: what Paddle Lite reads, Paddle 3 no longer writes, and always meant."""

LACKED_OUTPUTS: Mapping[str, str] = {
    "flatten_contiguous_range": "XShape",
}
"""By operator: an output that Paddle Lite writes a shape to and nothing reads."""


_SQUARED = "pow with factor=2 is written as square, since pow of a negative number is wrong on x86"


@dataclass(frozen=True)
class LiteProgram:
    """A program's new bytes, and a sentence on each kind of thing that was changed."""

    content: bytes
    fixups: tuple[str, ...]


def lite_form(program: bytes) -> LiteProgram:
    """Add to every operator what Paddle Lite asks of it, and write what it gets wrong otherwise.

    Raises:
        ValueError: this is no program.
    """
    added: dict[str, int] = {}
    written = bytearray()
    for number, value, raw in protobuf.raw_fields(memoryview(program)):
        if number == _BLOCKS and isinstance(value, memoryview):
            written += protobuf.bytes_field(number, _block(value, added))
        else:
            written += raw
    return LiteProgram(
        bytes(written), tuple(f"{what} ({count} times)" for what, count in added.items())
    )


def _block(block: memoryview, added: dict[str, int]) -> bytes:
    written, variables = bytearray(), bytearray()
    for number, value, raw in protobuf.raw_fields(block):
        if number != _OPERATORS or not isinstance(value, memoryview):
            written += raw
            continue
        if _is_square(value):
            added[_SQUARED] = added.get(_SQUARED, 0) + 1
            written += protobuf.bytes_field(number, _as_square(value))
            continue
        more = bytearray()
        for addition in _additions(value):
            more += addition.field
            variables += addition.variable
            added[addition.sentence] = added.get(addition.sentence, 0) + 1
        written += protobuf.bytes_field(number, bytes(value) + bytes(more))
    return bytes(written + variables)  # repeated fields may stand anywhere


def _is_square(operator: memoryview) -> bool:
    """Whether it is ``pow`` with a factor of 2 that no tensor replaces."""
    if protobuf.text(operator, _KIND) != "pow":
        return False
    attributes = {protobuf.text(item, 1): item for item in protobuf.messages(operator, _ATTRIBUTES)}
    factor = next(protobuf.messages(attributes.get("factor", memoryview(b"")), 4), None)
    given = [item for item in protobuf.messages(operator, _INPUTS) if protobuf.text(item, 1) != "X"]
    replaced = any(protobuf.text(item, 2) for item in given)
    return factor is not None and bytes(factor) == struct.pack("<f", 2.0) and not replaced


def _as_square(operator: memoryview) -> bytes:
    """Its X and Out, as ``square``, with the attributes that every operator has."""
    written = bytearray(protobuf.bytes_field(_KIND, b"square"))
    for number, value, raw in protobuf.raw_fields(operator):
        name = protobuf.text(value, 1) if isinstance(value, memoryview) and number != _KIND else ""
        if number != _KIND and not (number == _INPUTS and name != "X") and name != "factor":
            written += raw
    return bytes(written)


@dataclass(frozen=True)
class _Addition:
    sentence: str
    field: bytes
    variable: bytes = b""


def _additions(operator: memoryview) -> Iterator[_Addition]:
    kind = protobuf.text(operator, _KIND)
    own = {protobuf.text(item, 1) for item in protobuf.messages(operator, _ATTRIBUTES)}
    for name, value in LACKED_ATTRIBUTES.get(kind, {}).items():
        if name not in own:
            sentence = f"{kind} is given the attribute {name}={value}"
            yield _Addition(sentence, _attribute(name, value))
    output = LACKED_OUTPUTS.get(kind)
    made = {protobuf.text(item, 1): item for item in protobuf.messages(operator, _OUTPUTS)}
    if output and not any(protobuf.messages(made.get(output, memoryview(b"")), 2)):
        first = next((protobuf.text(item, 2) for item in made.values()), "")
        variable = f"{first}.lite_{output}"
        sentence = f"{kind} is given the output {output}"
        yield _Addition(sentence, _output(output, variable), _variable(variable))


def _attribute(name: str, value: bool | int | float) -> bytes:
    kind, place = _ATTRIBUTE_FIELDS[type(value)]
    content = protobuf.bytes_field(1, name.encode()) + protobuf.varint_field(2, kind)
    if isinstance(value, float):
        content += protobuf.float_field(place, value)
    else:
        content += protobuf.varint_field(place, value)
    return protobuf.bytes_field(_ATTRIBUTES, content)


def _output(parameter: str, argument: str) -> bytes:
    content = protobuf.bytes_field(1, parameter.encode())
    return protobuf.bytes_field(_OUTPUTS, content + protobuf.bytes_field(2, argument.encode()))


def _variable(name: str) -> bytes:
    tensor = protobuf.varint_field(1, _INT64) + protobuf.varint_field(2, 0)
    lod_tensor = protobuf.bytes_field(1, tensor)
    kind = protobuf.varint_field(1, _LOD_TENSOR) + protobuf.bytes_field(3, lod_tensor)
    content = protobuf.bytes_field(1, name.encode()) + protobuf.bytes_field(2, kind)
    return protobuf.bytes_field(_VARIABLES, content)
