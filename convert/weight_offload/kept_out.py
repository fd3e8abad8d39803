"""Large weights that Paddle2ONNX is not given: it would hold each five times, and reads none.

It writes a weight into the graph under its name and takes its shape from the program. So the
parameter file that it gets holds a few NaNs in the place of a large weight; put_back.py sees
to the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle.params import (
    ParameterSpec,
    StoredParameter,
    parameter_header,
    read_stored_parameters,
)

LEAST_TOTAL_BYTES = 64 << 20
"""Of all parameters; below, a conversion is small beside what it imports."""

LEAST_BYTES = 1 << 20
"""Of one weight that is kept out."""

READS_NO_VALUE = frozenset(
    {
        ("conv2d", 1),
        ("depthwise_conv2d", 1),
        ("conv3d", 1),
        ("conv2d_transpose", 1),
        ("depthwise_conv2d_transpose", 1),
        ("matmul", 0),
        ("matmul", 1),
        ("embedding", 1),
    }
)
"""Operator and operand of which Paddle2ONNX 2.1.0 asks name, type and shape only.

Source: its mappers conv2d.cc, conv3d.cc, conv2d_transpose.cc, matmul_v2.cc, lookup_table.cc.
"""

COUNT = 8  # NaNs: no other constant of a network begins with as many
TYPES = {"float16": 10, "float32": 1, "float64": 11}  # numpy's name: TensorProto.DataType


@dataclass(frozen=True)
class KeptOut:
    """A weight that is in its parameter file only.

    Attributes:
        name: of the parameter, and of its tensor in the graph.
        spec: data type and shape.
        offset: of its elements in the file, in bytes.
        size_bytes: of its elements.
    """

    name: str
    spec: ParameterSpec
    offset: int
    size_bytes: int


def keep_out(document: dict[str, Any], program: Path, params: Path, target: Path) -> list[KeptOut]:
    """Write ``target``, the parameters with a few NaNs in the place of each large weight.

    Args:
        document: the PIR program that Paddle2ONNX is given, parsed.
        program: its file.
        params: the parameters.
        target: written only where something is kept out.

    Returns:
        What is kept out: nothing for a small model, or where the file is not plainly the
        program's.
    """
    if params.stat().st_size < LEAST_TOTAL_BYTES:
        return []
    declared, stored = read_program(program).parameters, read_stored_parameters(params)
    names = sorted(declared)  # as Paddle2ONNX, too, assigns them
    if [declared[name] for name in names] != [item.spec for item in stored]:
        return []
    unread = set(_unread(document))
    kept = {
        name: KeptOut(name, item.spec, item.data, item.size_bytes)
        for name, item in zip(names, stored, strict=True)
        if name in unread and item.spec.dtype in TYPES and item.size_bytes >= LEAST_BYTES
    }
    if kept:
        are_kept = [name in kept for name in names]
        _write_light(params, list(zip(stored, are_kept, strict=True)), target)
    return list(kept.values())


def _unread(document: dict[str, Any]) -> Iterator[str]:
    """Parameters that only operators of ``READS_NO_VALUE`` use, in the main block."""
    block, *others = document["program"]["regions"][0]["blocks"]
    if others:
        return
    names: dict[int, str] = {}
    declared: list[str] = []
    uses: dict[int, set[tuple[str, int]]] = {}
    for op in block["ops"]:
        kind = op["#"].partition(".")[2]
        if op["#"] == "p":
            names[op["O"]["%"]] = op["A"][3]
            declared.append(op["A"][3])
            continue
        padded = kind == "embedding" and any(
            item["N"] == "padding_idx" and item["AT"]["D"] != -1 for item in op["A"]
        )
        for index, operand in enumerate(op["I"]):
            uses.setdefault(operand["%"], set()).add(("" if padded else kind, index))
        for value in _used_inside(op.get("regions", [])):
            uses.setdefault(value, set()).add(("", 0))
    for value, name in names.items():
        found = uses.get(value)
        if found and found <= READS_NO_VALUE and declared.count(name) == 1:
            yield name


def _used_inside(regions: list[dict[str, Any]]) -> Iterator[int]:
    for region in regions:
        for block in region["blocks"]:
            for op in block["ops"]:
                yield from (operand["%"] for operand in op.get("I", []))
                yield from _used_inside(op.get("regions", []))


def nans(dtype: str) -> bytes:
    """What stands in the place of a weight."""
    return np.full(COUNT, np.nan, dtype).tobytes()


def _write_light(
    params: Path, parameters: Sequence[tuple[StoredParameter, bool]], target: Path
) -> None:
    with params.open("rb") as source, target.open("wb") as stream:
        for item, is_kept in parameters:
            if is_kept:
                stream.write(parameter_header(item.spec.dtype, (COUNT,)) + nans(item.spec.dtype))
                continue
            source.seek(item.start)
            stream.write(source.read(item.data - item.start + item.size_bytes))
