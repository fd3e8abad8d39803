"""What a Paddle program computes, operation by operation, read without importing Paddle."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError
from paddleport.models import protobuf


@dataclass(frozen=True, kw_only=True)
class ProgramOperation:
    """One operation, its values by name.

    Attributes:
        kind: Paddle's name of it, which may differ between the formats (``lookup_table_v2`` is
            ``embedding`` in PIR).
        inputs: values by slot, ``Ids`` and ``W``; in PIR, which has none, by place: ``0``, ``1``.
        outputs: values, in the order that they stand in.
        attributes: numbers, texts, and lists of them.
    """

    kind: str
    inputs: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def arguments(self, *slots: str) -> tuple[str, ...]:
        """The values of the first of these slots that has any."""
        return next((found for slot in slots if (found := self.inputs.get(slot))), ())

    def argument(self, *slots: str) -> str:
        """The first of ``arguments``, empty where there is none."""
        return next(iter(self.arguments(*slots)), "")


@dataclass(frozen=True, kw_only=True)
class ProgramGraph:
    """The operations of a program in the order that they run in, those of inner blocks among them.

    Attributes:
        inputs: name of each input to the value that it is.
        shapes: declared shape of each value, -1 for what is free.
        parameters: the values that are read from the parameter file.
        operations: all but feeds and fetches.
    """

    inputs: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    parameters: frozenset[str]
    operations: tuple[ProgramOperation, ...]


def read_program_graph(path: Path) -> ProgramGraph:
    """Read a program file of either format.

    Raises:
        ModelFileError: it is no Paddle program.
    """
    data = path.read_bytes()
    try:
        if data.lstrip()[:1] == b"{":
            return _read_pir(json.loads(data))
        return _read_protobuf(memoryview(data))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path} is not a Paddle program, or is damaged ({error})") from None


def _read_pir(document: Any) -> ProgramGraph:
    inputs: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    parameters: set[str] = set()
    operations: list[ProgramOperation] = []
    for op in _pir_operations(document["program"]["regions"]):
        kind = op["#"].rpartition(".")[2]
        results = op["O"] if isinstance(op["O"], list) else [op["O"]]
        names = tuple(f"%{result['%']}" for result in results)
        for name, result in zip(names, results, strict=True):
            if result["TT"]["#"].endswith("t_dtensor"):
                shapes[name] = tuple(result["TT"]["D"][1])
        if kind == "p":
            parameters.update(names)
            continue
        attributes = {item["N"]: _pir_value(item["AT"]) for item in op["A"]}
        if kind in ("data", "feed"):
            inputs[attributes["name"]] = names[0]
        elif kind != "fetch":
            given = {str(place): (f"%{item['%']}",) for place, item in enumerate(op.get("I", []))}
            operations.append(
                ProgramOperation(kind=kind, inputs=given, outputs=names, attributes=attributes)
            )
    return ProgramGraph(
        inputs=inputs,
        shapes=shapes,
        parameters=frozenset(parameters),
        operations=tuple(operations),
    )


def _pir_operations(regions: Any, given: Sequence[Any] = ()) -> Iterator[Any]:
    """All of them, and an ``assign`` for each value that a loop hands to its body at first."""
    for region in regions:
        for block in region["blocks"]:
            for argument, value in zip(block.get("args", []), given, strict=False):
                result = {"%": argument["#"], "TT": argument["TT"]}
                yield {"#": "1.assign", "I": [value], "O": [result], "A": []}
            for op in block["ops"]:
                yield op
                carried = op["I"][1:] if op["#"].endswith(".while") else ()
                yield from _pir_operations(op.get("regions", []), carried)


def _pir_value(attribute: Any) -> Any:
    value = attribute.get("D")
    if attribute["#"].endswith("a_array"):
        return [_pir_value(item) for item in value]
    return value


def _read_protobuf(data: memoryview) -> ProgramGraph:
    # ProgramDesc: 1 blocks. BlockDesc: 3 vars, 4 ops.
    inputs: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    parameters: set[str] = set()
    operations: list[ProgramOperation] = []
    for block in protobuf.messages(data, 1):
        for variable in protobuf.messages(block, 3):
            name, shape = protobuf.text(variable, 1), _variable_shape(variable)
            if shape is not None:
                shapes.setdefault(name, shape)
            if 1 in protobuf.integers(variable, 3):
                parameters.add(name)
        for message in protobuf.messages(block, 4):
            op = _operation(message)
            if op.kind == "feed":
                inputs[op.outputs[0]] = op.outputs[0]
            elif op.kind != "fetch":
                operations.append(op)
    return ProgramGraph(
        inputs=inputs,
        shapes=shapes,
        parameters=frozenset(parameters),
        operations=tuple(operations),
    )


def _variable_shape(variable: memoryview) -> tuple[int, ...] | None:
    # VarDesc: 2 type. VarType: 3 lod_tensor. LoDTensorDesc: 1 tensor. TensorDesc: 2 dims.
    for kind in protobuf.messages(variable, 2):
        for lod_tensor in protobuf.messages(kind, 3):
            for tensor in protobuf.messages(lod_tensor, 1):
                return tuple(protobuf.integers(tensor, 2))
    return None


def _operation(message: memoryview) -> ProgramOperation:
    # OpDesc: 1 inputs, 2 outputs, 3 type, 4 attributes. OpDesc.Var: 1 parameter, 2 arguments.
    given, made = (
        {
            protobuf.text(item, 1): tuple(
                bytes(name).decode() for name in protobuf.messages(item, 2)
            )
            for item in protobuf.messages(message, number)
        }
        for number in (1, 2)
    )
    return ProgramOperation(
        kind=protobuf.text(message, 3),
        inputs=given,
        outputs=tuple(name for names in made.values() for name in names),
        attributes={
            protobuf.text(item, 1): _attribute(item) for item in protobuf.messages(message, 4)
        },
    )


def _attribute(message: memoryview) -> Any:
    # OpDesc.Attr: 2 type, 3 i, 4 f, 5 s, 6 ints, 7 floats, 10 b, 13 l, 15 longs; AttrType: 0 INT,
    # 1 FLOAT, 2 STRING, 3 INTS, 4 FLOATS, 6 BOOLEAN, 9 LONG, 11 LONGS
    kind = (protobuf.integers(message, 2) or [0])[0]
    if kind in (0, 6, 9):
        return (protobuf.integers(message, {0: 3, 6: 10, 9: 13}[kind]) or [0])[0]
    if kind in (3, 11):
        return protobuf.integers(message, {3: 6, 11: 15}[kind])
    if kind == 1:
        return struct.unpack("<f", next(protobuf.messages(message, 4)))[0]
    return protobuf.text(message, 5) if kind == 2 else None
