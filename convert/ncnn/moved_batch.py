"""Tensors whose first axis is not the batch: pnnx gives each that has one to ncnn without it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.convert.ncnn.fixed_graph import FixedGraph, axes_of, setting

if TYPE_CHECKING:
    import onnx


def batch_stays_first(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """What is taken of a transposed tensor, taken of the tensor itself and transposed then.

    An attention layer makes [3, N, heads, tokens, depth] of its input and takes query, key and
    value of that: taken before, the batch is first all the time.
    """
    from onnx import helper

    maker = graph.makers.get(node.input[0])
    order = list(setting(maker, "perm", ())) if maker and maker.op_type == "Transpose" else []
    if maker is None or not order or order[0] == 0:
        return []
    taken = _taken(graph, node, order)
    if taken is None:
        return []
    inputs, settings, left = taken
    names = [graph.new_name() for _ in node.output]
    back = [left.index(axis) for axis in range(len(left))]
    for name, output in zip(names, node.output, strict=True):
        if output in graph.shapes:
            graph.shapes[name] = tuple(graph.shapes[output][axis] for axis in back)
    nodes = [helper.make_node(node.op_type, [maker.input[0], *inputs], names, **settings)]
    for name, output in zip(names, node.output, strict=True):
        nodes.append(helper.make_node("Transpose", [name], [output], perm=left))
    return nodes


def _taken(
    graph: FixedGraph, node: "onnx.NodeProto", order: list[int]
) -> tuple[list[str], dict[str, Any], list[int]] | None:
    """Inputs and settings of the node before the Transpose, and that one's order afterwards."""
    rank = len(order)
    if node.op_type == "Split":
        axis = order[setting(node, "axis", 0) % rank]
        sizes = setting(node, "split")
        return list(node.input[1:]), {"axis": axis, **({"split": sizes} if sizes else {})}, order
    if node.op_type == "Gather":
        axis, index = order[setting(node, "axis", 0) % rank], graph.value(node.input[1])
        if index is None or index.ndim:
            return None
        return list(node.input[1:]), {"axis": axis}, _without(order, {axis})
    if node.op_type == "Squeeze":
        axes = axes_of(graph, node, 1)
        if axes is None:
            return None
        gone = {order[axis % rank] for axis in axes}
        if len(node.input) > 1:
            return [graph.constant(sorted(gone))], {}, _without(order, gone)
        return [], {"axes": sorted(gone)}, _without(order, gone)
    axes = axes_of(graph, node, 3)
    if axes is None or len(node.input) < 4:  # starts, ends, axes
        return None
    moved = graph.constant([order[axis % rank] for axis in axes])
    return [*node.input[1:3], moved, *node.input[4:]], {}, order


def _without(order: list[int], gone: set[int]) -> list[int]:
    """An order of axes when some are no more."""
    left = [axis for axis in order if axis not in gone]
    return [sorted(left).index(axis) for axis in left]


def normalized_rows(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """A normalisation over all tokens of all pictures: they are rows, and no batch."""
    import onnx
    from onnx import helper

    source = graph.shapes.get(node.input[0])
    constants = [graph.value(name) for name in node.input[1:]]
    if source is None or len(source) != 2 or source[0] == 1 or len(node.output) > 1:
        return []
    if any(item is None for item in constants):
        return []
    scale, bias, mean, variance = (np.asarray(item, np.float64) for item in constants)
    factor = scale / np.sqrt(variance + setting(node, "epsilon", 1e-5))
    names = [graph.new_name() for _ in range(3)]
    for name, value in zip(names, (factor, bias - mean * factor), strict=False):
        array = value.astype(np.float32)
        graph.proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return [
        helper.make_node("Mul", [node.input[0], names[0]], [names[2]]),
        helper.make_node("Add", [names[2], names[1]], [node.output[0]]),
    ]
