"""Some places of an axis, every second or in another order, by operators that pnnx converts."""

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from paddleport.convert.ncnn.fixed_graph import FixedGraph, axes_of, setting
from paddleport.errors import ConversionError

if TYPE_CHECKING:
    import onnx


def strided_slice(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """Whole first, with a step of one; then each strided axis by a pooling that skips places."""
    from onnx import helper

    source, result = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
    if source is None or result is None or len(node.input) < 5:  # without steps
        return []
    found = [graph.value(name) for name in (*node.input[1:3], node.input[4])]
    axes = axes_of(graph, node, 3)
    if axes is None or any(item is None for item in found):
        return []
    starts, ends, steps = ([int(size) for size in item] for item in found if item is not None)
    if all(step == 1 for step in steps) or min(steps) < 1:
        return []
    whole = graph.new_name()
    inputs = [node.input[0], *(graph.constant(item) for item in (starts, ends, axes))]
    nodes = [helper.make_node("Slice", inputs, [whole])]
    shape = [
        len(range(source[axis])[starts[at] : ends[at]])
        for at, axis in enumerate(item % len(source) for item in axes)
    ]
    sizes = list(source)
    for axis, size in zip(axes, shape, strict=True):
        sizes[axis] = size
    for axis, step in zip((item % len(source) for item in axes), steps, strict=True):
        if step > 1:
            added, whole = _every(graph, whole, sizes, axis, step)
            sizes[axis] = -(-sizes[axis] // step)
            nodes += added
    if tuple(sizes) != tuple(result):
        raise ConversionError(f"Slice {node.name} gives {sizes}, and ONNX infers {list(result)}")
    nodes.append(helper.make_node("Identity", [whole], [node.output[0]]))
    return nodes


def _every(
    graph: FixedGraph, name: str, sizes: list[int], axis: int, step: int
) -> tuple[list["onnx.NodeProto"], str]:
    """Nodes that take every ``step``-th place of an axis, and what they give."""
    from onnx import helper

    names = [graph.new_name() for _ in range(3)]
    before, after = prod(sizes[:axis]), prod(sizes[axis + 1 :])
    flat = graph.constant([1, before, sizes[axis], after])
    full = graph.constant([*sizes[:axis], -(-sizes[axis] // step), *sizes[axis + 1 :]])
    return [
        helper.make_node("Reshape", [name, flat], [names[0]]),
        helper.make_node("MaxPool", [names[0]], [names[1]], kernel_shape=[1, 1], strides=[step, 1]),
        helper.make_node("Reshape", [names[1], full], [names[2]]),
    ], names[2]


def scattered_row(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """Updates that lie side by side take the place of what was there."""
    from onnx import helper

    data, updates = (graph.shapes.get(node.input[place]) for place in (0, 2))
    indices = graph.value(node.input[1])
    if data is None or updates is None or indices is None:
        return []
    if setting(node, "reduction", b"none") != b"none":
        return []
    axis = setting(node, "axis", 0) % len(data)
    row = np.moveaxis(indices, axis, -1).reshape(-1, updates[axis])
    first = int(row[0, 0]) if row.size else 0
    wanted = np.arange(first, first + updates[axis])
    others = [size for place, size in enumerate(data) if place != axis]
    if others != [size for place, size in enumerate(updates) if place != axis]:
        return []
    if not (row == wanted).all() or first < 0 or wanted[-1] >= data[axis]:
        return []
    nodes, parts = [], [node.input[2]]
    for begin, end, at in ((0, first, 0), (first + updates[axis], data[axis], len(parts) + 1)):
        if begin < end:
            name = graph.new_name()
            bounds = [graph.constant([item]) for item in (begin, end, axis)]
            nodes.append(helper.make_node("Slice", [node.input[0], *bounds], [name]))
            parts.insert(at, name)
    return [*nodes, helper.make_node("Concat", parts, [node.output[0]], axis=axis)]


def chosen_places(graph: FixedGraph, node: "onnx.NodeProto") -> list["onnx.NodeProto"]:
    """Cut into runs of neighbours, which are put together again in the order asked for.

    pnnx takes only the first of several indices, and says nothing.
    """
    from onnx import helper

    data, indices = graph.shapes.get(node.input[0]), graph.value(node.input[1])
    if data is None or indices is None or indices.ndim != 1 or not indices.size:
        return []
    axis = setting(node, "axis", 0) % len(data)
    if graph.value(node.input[0]) is not None:
        return []
    places = [int(item) % data[axis] for item in indices]
    starts = [0, *(at for at in range(1, len(places)) if places[at] != places[at - 1] + 1)]
    runs = [
        (places[at], places[end - 1] + 1)
        for at, end in zip(starts, [*starts[1:], len(places)], strict=True)
    ]
    cuts = sorted({0, data[axis], *(place for run in runs for place in run)})
    names = {begin: graph.new_name() for begin in cuts[:-1]}
    sizes = [end - begin for begin, end in pairwise(cuts)]
    parts = [names[cut] for first, last in runs for cut in cuts if first <= cut < last]
    return [
        graph.split(node.input[0], sizes, axis, list(names.values())),
        helper.make_node("Concat", parts, [node.output[0]], axis=axis),
    ]
