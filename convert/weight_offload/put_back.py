"""Weights that were kept out of Paddle2ONNX, put back into what it wrote.

It writes the NaNs that it got for a weight as a constant, and nowhere else: that is looked up.
They become a reference to the weight's bytes in the file that it was saved in.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.convert.weight_offload.kept_out import COUNT, TYPES, KeptOut, nans
from paddleport.convert.weight_offload.references import set_reference, unique_offsets
from paddleport.models import protobuf

if TYPE_CHECKING:
    import onnx


def why_not_passed_by(content: bytes, kept: Sequence[KeptOut]) -> str:
    """Why what Paddle2ONNX wrote can't get its weights back; empty if it can.

    Each must be one constant of the main graph as it was given, and no other place may hold it.
    """
    wanted = {(item.name, TYPES[item.spec.dtype], (COUNT,), nans(item.spec.dtype)) for item in kept}
    found = list(_constants(memoryview(content)))
    for entry in wanted:
        if found.count(entry) != 1:
            return f"Paddle2ONNX did not pass on {entry[0]} as it was given"
    for dtype in TYPES:
        count = sum(item.spec.dtype == dtype for item in kept)
        if count and content.count(nans(dtype)) != count:
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


def refer(proto: "onnx.ModelProto", kept: Sequence[KeptOut], params: Path) -> None:
    """Make the constants of the weights references to their bytes in ``params``.

    Equal weights refer to the same bytes, so that they compare equal by reference.
    """
    offsets = unique_offsets(params, [(item.offset, item.size_bytes) for item in kept])
    wanted = {item.name: item for item in kept}
    for node in proto.graph.node:
        if node.op_type != "Constant" or node.output[0] not in wanted:
            continue
        item = wanted[node.output[0]]
        tensor = node.attribute[0].t
        tensor.dims[:] = item.spec.shape
        set_reference(tensor, params, offsets[item.offset], item.size_bytes)
