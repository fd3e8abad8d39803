"""Large weights that Paddle2ONNX is not given: it would hold each five times, and reads none.

It writes a weight into the graph under its name and takes its shape from the program. So the
parameter file that it gets holds a few NaNs in the place of a large weight. It writes them as a
constant, and nowhere else: that is looked up, and the constant becomes a reference to the
weight's bytes in the file that it was saved in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.convert.paddle2onnx.external_data import set_external, unique_offsets
from paddleport.models import protobuf
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle.parameter_check import belongs_to
from paddleport.models.paddle.params import (
    ParameterSpec,
    StoredParameter,
    parameter_header,
    read_stored_parameters,
)

if TYPE_CHECKING:
    import onnx

LEAST_TOTAL_BYTES = 64 << 20
"""Of all parameters; below, a conversion is small beside what it imports."""

LEAST_BYTES = 1 << 20
"""Of one weight that is offloaded."""

_READS_NO_VALUE = frozenset(
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

_PLACEHOLDER_COUNT = 8  # NaNs: no other constant of a network begins with as many
_ONNX_TYPES = {"float16": 10, "float32": 1, "float64": 11}  # numpy's name: TensorProto.DataType


@dataclass(frozen=True, kw_only=True)
class OffloadedWeight:
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


def offload_weights(
    document: dict[str, Any], program: Path, params: Path, target: Path
) -> list[OffloadedWeight]:
    """Write ``target``, the parameters with a few NaNs in the place of each large weight.

    Args:
        document: the PIR program that Paddle2ONNX is given, parsed.
        program: its file.
        params: the parameters.
        target: written only where something is offloaded.

    Returns:
        What is offloaded: nothing for a small model, or where the file is not plainly the
        program's.
    """
    if params.stat().st_size < LEAST_TOTAL_BYTES:
        return []
    if not belongs_to(description := read_program(program), params):
        return []
    stored = read_stored_parameters(params)
    names = sorted(description.parameters)  # as Paddle2ONNX, too, assigns them
    unread = set(_unread(document))
    kept = {
        name: OffloadedWeight(
            name=name, spec=item.spec, offset=item.data, size_bytes=item.size_bytes
        )
        for name, item in zip(names, stored, strict=True)
        if name in unread and item.spec.dtype in _ONNX_TYPES and item.size_bytes >= LEAST_BYTES
    }
    if kept:
        are_kept = [name in kept for name in names]
        _write_reduced(params, list(zip(stored, are_kept, strict=True)), target)
    return list(kept.values())


def _unread(document: dict[str, Any]) -> Iterator[str]:
    """Parameters that only operators of ``_READS_NO_VALUE`` use, in the main block."""
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
        if found and found <= _READS_NO_VALUE and declared.count(name) == 1:
            yield name


def _used_inside(regions: list[dict[str, Any]]) -> Iterator[int]:
    for region in regions:
        for block in region["blocks"]:
            for op in block["ops"]:
                yield from (operand["%"] for operand in op.get("I", []))
                yield from _used_inside(op.get("regions", []))


def _placeholder(dtype: str) -> bytes:
    """The elements in the place of a weight's."""
    return np.full(_PLACEHOLDER_COUNT, np.nan, dtype).tobytes()


def _write_reduced(
    params: Path, parameters: Sequence[tuple[StoredParameter, bool]], target: Path
) -> None:
    with params.open("rb") as source, target.open("wb") as stream:
        for item, is_kept in parameters:
            if is_kept:
                stream.write(
                    parameter_header(item.spec.dtype, (_PLACEHOLDER_COUNT,))
                    + _placeholder(item.spec.dtype)
                )
                continue
            source.seek(item.start)
            stream.write(source.read(item.data - item.start + item.size_bytes))


def why_not_restorable(content: bytes, offloaded: Sequence[OffloadedWeight]) -> str:
    """Why what Paddle2ONNX wrote can't get its weights back; empty if it can.

    Each must be one constant of the main graph as it was given, and no other place may hold it.
    """
    wanted = {
        (
            item.name,
            _ONNX_TYPES[item.spec.dtype],
            (_PLACEHOLDER_COUNT,),
            _placeholder(item.spec.dtype),
        )
        for item in offloaded
    }
    found = list(_constants(memoryview(content)))
    for entry in wanted:
        if found.count(entry) != 1:
            return f"Paddle2ONNX did not pass on {entry[0]} as it was given"
    for dtype in _ONNX_TYPES:
        count = sum(item.spec.dtype == dtype for item in offloaded)
        if count and content.count(_placeholder(dtype)) != count:
            return f"Paddle2ONNX copied a weight of {dtype}"
    return ""


def _constants(content: memoryview) -> Iterator[tuple[str, int, tuple[int, ...], bytes]]:
    """Name, type, shape and bytes of small tensors in Constant nodes of the main graph."""
    # ModelProto: 7 graph. GraphProto: 1 node. NodeProto: 2 output, 4 op_type, 5 attribute.
    # AttributeProto: 5 t. TensorProto: 1 dims, 2 data_type, 9 raw_data.
    for graph in protobuf.messages(content, 7):
        for node in protobuf.messages(graph, 1):
            if protobuf.text(node, 4) != "Constant":
                continue
            for attribute in protobuf.messages(node, 5):
                for tensor in protobuf.messages(attribute, 5):
                    data = next(protobuf.messages(tensor, 9), memoryview(b""))
                    kind = (protobuf.integers(tensor, 2) or [0])[0]
                    dims = tuple(protobuf.integers(tensor, 1))
                    yield protobuf.text(node, 2), kind, dims, bytes(data[:4096])


def restore_weights(
    proto: "onnx.ModelProto", offloaded: Sequence[OffloadedWeight], params: Path
) -> None:
    """Make the constants of the weights references to their bytes in ``params``.

    Equal weights refer to the same bytes, so that they compare equal by reference.
    """
    offsets = unique_offsets(params, [(item.offset, item.size_bytes) for item in offloaded])
    wanted = {item.name: item for item in offloaded}
    for node in proto.graph.node:
        if node.op_type != "Constant" or node.output[0] not in wanted:
            continue
        item = wanted[node.output[0]]
        tensor = node.attribute[0].t
        tensor.dims[:] = item.spec.shape
        set_external(tensor, params, offsets[item.offset], item.size_bytes)
