"""What Paddle2ONNX writes wrongly into the graph and a small rewrite mends, as one table."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paddleport.convert.paddle2onnx.fixups.pir_operations import PirOperations

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class GraphMend:
    """One rewrite.

    Attributes:
        name: short, for tests.
        sentence: what was wrong, for whoever reads the provenance.
        apply: changes the graph, told the program that it came from, and says in how many places.
    """

    name: str
    sentence: str
    apply: Callable[["onnx.ModelProto", PirOperations], int]


def mend_graph(
    proto: "onnx.ModelProto", document: dict[str, Any], *, without: Collection[str] = ()
) -> tuple[str, ...]:
    """Apply every mend that finds something, and give their sentences.

    Args:
        proto: what Paddle2ONNX wrote.
        document: the PIR program that it wrote it from.
        without: sentences of mends to leave out, for the tests.
    """
    program = PirOperations(document)
    return tuple(
        mend.sentence
        for mend in GRAPH_MENDS
        if mend.sentence not in without and mend.apply(proto, program)
    )


def _sampling_modes(proto: "onnx.ModelProto", program: PirOperations) -> int:
    """Call GridSample's modes as opset 20 does."""
    names = {b"bilinear": b"linear", b"bicubic": b"cubic"}
    opset = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    changed = 0
    for node in proto.graph.node:
        for attribute in node.attribute if node.op_type == "GridSample" and opset >= 20 else ():
            if attribute.name == "mode" and attribute.s in names:
                attribute.s = names[attribute.s]
                changed += 1
    return changed


def _unaligned_regions(proto: "onnx.ModelProto", program: PirOperations) -> int:
    """Tell RoiAlign not to shift by half a pixel where Paddle's aligned is false."""
    from onnx import helper

    operations = [op for op in program.operations if op.kind == "roi_align"]
    nodes = [node for node in proto.graph.node if node.op_type == "RoiAlign"]
    opset = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    changed = 0
    for operation, node in zip(operations, nodes, strict=True):
        if opset >= 16 and not operation.attribute("aligned"):
            mode = helper.make_attribute("coordinate_transformation_mode", "output_half_pixel")
            node.attribute.append(mode)
            changed += 1
    return changed


GRAPH_MENDS = (
    GraphMend(
        "sampling-modes",
        "GridSample had the names of its modes from before opset 20",
        _sampling_modes,
    ),
    GraphMend(
        "unaligned-regions",
        "RoiAlign was shifted by half a pixel where aligned is false",
        _unaligned_regions,
    ),
)
