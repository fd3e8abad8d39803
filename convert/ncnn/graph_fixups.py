"""What pnnx breaks, or has no answer to, written so that it converts it.

Each was seen on a network of PaddleClas: the strided slice and the normalised rows on LeViT, the
scattered sum on ReXNet, the chosen channels on MicroNet, the moved batch on every ViT, and windows
of five axes on Swin.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from paddleport.convert.ncnn.chosen_places import chosen_places, scattered_row, strided_slice
from paddleport.convert.ncnn.explicit_padding import explicit_padding
from paddleport.convert.ncnn.fewer_axes import (
    constant_before_reshape,
    joined_axes,
    squeezed_reshape,
    taken_before_reshape,
)
from paddleport.convert.ncnn.fixed_graph import FixedGraph
from paddleport.convert.ncnn.moved_batch import batch_stays_first, normalized_rows
from paddleport.models.onnx.static_shapes import static_shapes

if TYPE_CHECKING:
    import onnx

    Fixup = Callable[[FixedGraph, onnx.NodeProto], list[onnx.NodeProto]]

_BEFORE = "what is taken of a Transpose is taken before it"
_PADDED = "padding that is uneven or follows from sizes written out"
_AT_ONCE = "Reshape of a Reshape as one"
_FIXUPS: "dict[str, tuple[tuple[Fixup, str], ...]]" = {
    "Slice": (
        (batch_stays_first, _BEFORE),
        (taken_before_reshape, "what is taken of a Reshape is taken before it"),
        (strided_slice, "strided Slice as MaxPool with a window of one"),
    ),
    "Squeeze": ((batch_stays_first, _BEFORE), (squeezed_reshape, _AT_ONCE)),
    "Reshape": ((squeezed_reshape, _AT_ONCE),),
    "Add": ((constant_before_reshape, "what is added to a Reshape is added before it"),),
    "Split": ((batch_stays_first, _BEFORE),),
    "Transpose": ((joined_axes, "Transpose with neighbours as one axis"),),
    "Gather": (
        (batch_stays_first, _BEFORE),
        (chosen_places, "Gather of several places as Split and Concat"),
    ),
    "AveragePool": ((explicit_padding, _PADDED),),
    "MaxPool": ((explicit_padding, _PADDED),),
    "Conv": ((explicit_padding, _PADDED),),
    "ScatterElements": ((scattered_row, "ScatterElements into neighbours as Concat"),),
    "BatchNormalization": ((normalized_rows, "BatchNormalization of rows as Mul and Add"),),
}


def fix_for_pnnx(proto: "onnx.ModelProto", given: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Write ``proto`` anew where pnnx would go wrong, for inputs of the shapes ``given``.

    Returns:
        What was done, in words, once each.
    """
    graph = FixedGraph(proto, static_shapes(proto, given))
    done: dict[str, None] = {}
    nodes: list[onnx.NodeProto] = []
    for node in proto.graph.node:
        nodes += _written(graph, node, done)
    if done:
        del proto.graph.node[:]
        proto.graph.node.extend(_used(nodes, [item.name for item in proto.graph.output]))
    return tuple(done)


def _written(
    graph: FixedGraph, node: "onnx.NodeProto", done: dict[str, None]
) -> list["onnx.NodeProto"]:
    """A node as it is, or what takes its place, in which there may be more to write anew."""
    for fixup, what in _FIXUPS.get(node.op_type, ()):
        if found := fixup(graph, node):
            done[what] = None
            graph.add(found)
            return [item for part in found for item in _written(graph, part, done)]
    return [node]


def _used(nodes: list["onnx.NodeProto"], outputs: list[str]) -> Iterator["onnx.NodeProto"]:
    """Those whose results somebody takes, in their order."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    return reversed(kept)
