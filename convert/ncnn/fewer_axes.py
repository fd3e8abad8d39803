"""Tensors of more axes than ncnn has, which are four without the batch, written with fewer."""

from math import prod
from typing import TYPE_CHECKING

from paddleport.convert.ncnn.fixed_graph import FixedGraph, axes_of, setting

if TYPE_CHECKING:
    import onnx

_MOST = 5  # with the batch
_BOUNDS = 4  # inputs of a Slice that names its axes


def taken_before_reshape(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """One place of an axis that a Reshape makes out of a part of another: taken of that one.

    An attention layer over windows makes [windows, tokens, 3, heads, depth] of its input, which
    are five axes and none of them a batch, and takes query, key and value of that.
    """
    from onnx import helper

    maker = graph.makers.get(node.input[0])
    source = graph.shapes.get(maker.input[0]) if maker and maker.op_type == "Reshape" else None
    whole, result = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
    axes = axes_of(graph, node, _BOUNDS - 1)
    if maker is None or source is None or whole is None or result is None or not axes:
        return []
    axis = axes[0] % len(whole)
    starts = graph.value(node.input[1])
    if len(axes) > 1 or len(whole) < _MOST or result[axis] != 1 or starts is None:
        return []
    cuts = [at for at in range(len(source)) if prod(source[:at]) == prod(whole[:axis])]
    if not cuts or source[cuts[-1]] % whole[axis]:
        return []
    if prod(source[cuts[-1] + 1 :]) > prod(whole[axis + 1 :]):
        return []
    width = source[cuts[-1]] // whole[axis]
    first = int(starts[0]) % whole[axis] * width
    name = graph.new_name()
    bounds = [graph.constant([item]) for item in (first, first + width, cuts[-1])]
    return [
        helper.make_node("Slice", [maker.input[0], *bounds], [name]),
        helper.make_node("Reshape", [name, graph.constant(result)], [node.output[0]]),
    ]


def squeezed_reshape(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """A Squeeze or Reshape of what a Reshape gives, in one step."""
    from onnx import helper

    maker, result = graph.makers.get(node.input[0]), graph.shapes.get(node.output[0])
    whole = graph.shapes.get(node.input[0], ())
    if maker is None or maker.op_type != "Reshape" or result is None or len(whole) < _MOST:
        return []
    inputs = [maker.input[0], graph.constant(result)]
    return [helper.make_node("Reshape", inputs, list(node.output))]


def constant_before_reshape(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """A constant on what a Reshape has only put an axis of one before: on what was there before.

    Attention over shifted windows adds its mask so, to [1, windows, heads, tokens, tokens].
    """
    import onnx
    from onnx import helper

    for place in (0, 1):
        maker, other = graph.makers.get(node.input[place]), graph.value(node.input[1 - place])
        whole = graph.shapes.get(node.input[place], ())
        if maker is None or maker.op_type != "Reshape" or other is None or len(whole) < _MOST:
            continue
        source = graph.shapes.get(maker.input[0])
        if source is None or whole != (1, *source) or other.ndim > len(whole):
            continue
        if other.ndim == len(whole):
            if other.shape[0] != 1:
                continue
            other = other[0]
        constant, result = graph.new_name(), graph.new_name()
        graph.proto.graph.initializer.append(onnx.numpy_helper.from_array(other, constant))
        inputs = [maker.input[0], constant] if place == 0 else [constant, maker.input[0]]
        graph.shapes[result] = source
        return [
            helper.make_node(node.op_type, inputs, [result]),
            helper.make_node("Reshape", [result, graph.constant(whole)], list(node.output)),
        ]
    return []


def joined_axes(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """A Transpose in which axes that stay neighbours are one, and those of one place none.

    Of five axes only where one Transpose follows another: pnnx takes a shuffle of shuffled
    channels for one shuffle.
    """
    from onnx import helper

    source, result = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
    order = list(setting(node, "perm", ()))
    if source is None or result is None or len(order) < _MOST or order[0]:
        return []
    if len(order) == _MOST and not graph.in_row(node):
        return []
    wide = [axis for axis, size in enumerate(source) if size > 1 or not axis]
    groups: list[list[int]] = []
    for axis in (item for item in order if item in wide):
        before = wide[wide.index(axis) - 1] if wide.index(axis) else None
        if groups and groups[-1][-1] == before and groups[-1] != [0]:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    if len(groups) == len(order):
        return []
    places = sorted(groups)
    sizes = [prod(source[axis] for axis in group) for group in places]
    fewer, moved = graph.new_name(), graph.new_name()
    return [
        helper.make_node("Reshape", [node.input[0], graph.constant(sizes)], [fewer]),
        helper.make_node("Transpose", [fewer], [moved], perm=[places.index(g) for g in groups]),
        helper.make_node("Reshape", [moved, graph.constant(result)], list(node.output)),
    ]
