"""What is rewritten in the graph that Paddle2ONNX wrote: placeholders, and one small table."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paddleport.convert.paddle2onnx.fixups.onnx_subgraphs import (
    FIRST_SLOPE,
    NodeWriter,
    SubgraphWriter,
)
from paddleport.convert.paddle2onnx.fixups.pir_operations import PirOperations
from paddleport.errors import ConversionError
from paddleport.models.onnx.graph_walk import all_nodes, subgraphs

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class GraphFixup:
    """One rewrite.

    Attributes:
        name: short, for tests.
        sentence: what was wrong, for whoever reads the provenance.
        apply: changes the graph by the program that it came from, and says in how many places.
    """

    name: str
    sentence: str
    apply: Callable[["onnx.ModelProto", PirOperations], int]


def fix_graph(
    proto: "onnx.ModelProto", document: dict[str, Any], *, without: Collection[str] = ()
) -> tuple[str, ...]:
    """Apply every fixup that finds something, and give their sentences.

    Args:
        proto: what Paddle2ONNX wrote.
        document: the PIR program that it wrote it from.
        without: sentences of fixups to leave out, for the tests.
    """
    program = PirOperations(document)
    return tuple(
        fixup.sentence
        for fixup in GRAPH_FIXUPS
        if fixup.sentence not in without and fixup.apply(proto, program)
    )


def _sampling_modes(proto: "onnx.ModelProto", program: PirOperations) -> int:
    """Call GridSample's modes as opset 20 does."""
    names = {b"bilinear": b"linear", b"bicubic": b"cubic"}
    opset = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    changed = 0
    for node in all_nodes(proto.graph):
        for attribute in node.attribute if node.op_type == "GridSample" and opset >= 20 else ():
            if attribute.name == "mode" and attribute.s in names:
                attribute.s = names[attribute.s]
                changed += 1
    return changed


def _unaligned_regions(proto: "onnx.ModelProto", program: PirOperations) -> int:
    """Tell RoiAlign not to shift by half a pixel where Paddle's aligned is false."""
    from onnx import helper

    operations = [op for op in program.operations if op.kind == "roi_align"]
    nodes = [node for node in all_nodes(proto.graph) if node.op_type == "RoiAlign"]
    opset = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    changed = 0
    for operation, node in zip(operations, nodes, strict=True):
        if opset >= 16 and not operation.attribute("aligned"):
            mode = helper.make_attribute("coordinate_transformation_mode", "output_half_pixel")
            node.attribute.append(mode)
            changed += 1
    return changed


GRAPH_FIXUPS = (
    GraphFixup(
        "sampling-modes",
        "GridSample had the names of its modes from before opset 20",
        _sampling_modes,
    ),
    GraphFixup(
        "unaligned-regions",
        "RoiAlign was shifted by half a pixel where aligned is false",
        _unaligned_regions,
    ),
)


def write_replacements(
    proto: "onnx.ModelProto", writers: Sequence[SubgraphWriter], opset: int
) -> None:
    """Put each subgraph in the place of the LeakyRelu that its operator passed as.

    Raises:
        ConversionError: a placeholder did not come out of Paddle2ONNX.
    """
    if not writers:
        return
    found = _write_into(proto.graph, writers, opset)
    if found != set(range(len(writers))):
        raise ConversionError("Paddle2ONNX lost an operator that stands for another")


def _write_into(
    graph: "onnx.GraphProto", writers: Sequence[SubgraphWriter], opset: int
) -> set[int]:
    """Write the subgraphs of a graph and of the bodies inside it; which ones there were."""
    from onnx import helper

    written: list[onnx.NodeProto] = []
    found: set[int] = set()
    for node in graph.node:
        for body in subgraphs(node):
            found |= _write_into(body, writers, opset)
        slope = node.attribute[0].f if node.op_type == "LeakyRelu" and node.attribute else 0.0
        if slope < FIRST_SLOPE:
            written.append(node)
            continue
        index = round(slope - FIRST_SLOPE)
        found.add(index)
        nodes = NodeWriter(f"paddleport.{index}", opset)
        result = writers[index](nodes, node.input[0])
        written += [*nodes.written, helper.make_node("Identity", [result], [node.output[0]])]
    copies = helper.make_graph(written, "", [], []).node  # before the old ones are freed
    del graph.node[:]
    graph.node.extend(copies)
    return found
