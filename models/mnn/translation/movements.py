"""Operators that only move numbers, and change none."""

from paddleport.models.mnn.folded_values import folded
from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.models.mnn.onnx_builder import OnnxBuilder
from paddleport.models.mnn.unknown_setting import refused

_CHANNELS_FIRST = ("NCHW", "NC4HW4")  # one order of numbers for who does not see the memory
_PAD_MODES = {"CONSTANT": "constant", "REFLECT": "reflect", "EDGE": "edge"}


def _convert(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    layouts = op.parameters["source"], op.parameters["dest"]
    if not set(layouts) <= set(_CHANNELS_FIRST):
        raise refused(op, f"{layouts[0]} to {layouts[1]}")
    return [op.inputs[0]]


def _reshape(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    if op.parameters["dimType"] not in _CHANNELS_FIRST:
        raise refused(op, op.parameters["dimType"])
    x, *shape = op.inputs
    sizes = builder.int64(shape[0]) if shape else builder.sizes(op.parameters["dims"].tolist())
    return [builder.add("Reshape", [x, sizes])]


def _flatten(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    return [builder.add("Flatten", op.inputs, axis=op.parameters["axis"])]


def _permute(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    order = op.parameters["dims"]
    attributes = {} if order is None else {"perm": order.tolist()}  # without, all are turned round
    return [builder.add("Transpose", op.inputs, **attributes)]


def _transpose(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, order = op.inputs
    places = folded(builder, order)
    if places is None:
        raise refused(op, "an order that depends on what is fed")
    return [builder.add("Transpose", [x], perm=places.tolist())]


def _squeeze(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, *given = op.inputs
    axes = op.parameters.get("squeezeDims")
    if given:
        places = [builder.int64(given[0])]
    else:
        places = [] if axes is None or not axes.size else [builder.sizes(axes.tolist())]
    return [builder.add(op.type, [x, *places])]


def _expand_dims(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, *given = op.inputs
    if given:
        axes = builder.add("Reshape", [builder.int64(given[0]), builder.sizes([-1])])
    else:
        axes = builder.sizes([op.parameters["axis"]])
    return [builder.add("Unsqueeze", [x, axes])]


def _concat(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    return [builder.add("Concat", op.inputs, axis=op.parameters["axis"])]


def _pack(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    axis = op.parameters["axis"]
    places = builder.sizes([axis])
    items = [builder.add("Unsqueeze", [name, places]) for name in op.inputs]
    return [builder.add("Concat", items, axis=axis)]


def _unpack(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    axis, count = op.parameters["axis"], len(op.outputs)
    parts = builder.add_several("Split", op.inputs, count, axis=axis, num_outputs=count)
    places = builder.sizes([axis])
    return [builder.add("Squeeze", [part, places]) for part in parts]


def _pad(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    """MNN pads before and after one dimension, then the next; ONNX before all, after all."""
    mode = op.parameters.get("mode", "CONSTANT")
    if mode not in _PAD_MODES:
        raise refused(op, mode)
    x, pads, *value = op.inputs
    if pads in builder.values:  # which says the result's shape
        stored = builder.values[pads].reshape(-1, 2).T.ravel().tolist()
        return [builder.add("Pad", [x, builder.sizes(stored), *value], mode=_PAD_MODES[mode])]
    pairs = builder.add("Reshape", [builder.int64(pads), builder.sizes([-1, 2])])
    ordered = builder.add("Transpose", [pairs], perm=[1, 0])
    flat = builder.add("Reshape", [ordered, builder.sizes([-1])])
    return [builder.add("Pad", [x, flat, *value], mode=_PAD_MODES[mode])]


def _tile(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, times = op.inputs
    return [builder.add("Tile", [x, builder.int64(times)])]


def _broadcast(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, shape = op.inputs
    return [builder.add("Expand", [x, builder.int64(shape)])]


def _depth_space(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    found = {"blocksize": op.parameters["blockSize"]}
    if op.type == "DepthToSpace":
        return [builder.add(op.type, op.inputs, mode=op.parameters["mode"], **found)]
    return [builder.add(op.type, op.inputs, **found)]


TRANSLATORS = {
    "ConvertTensor": _convert,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Permute": _permute,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _squeeze,
    "ExpandDims": _expand_dims,
    "Concat": _concat,
    "Pack": _pack,
    "Unpack": _unpack,
    "Padding": _pad,
    "Tile": _tile,
    "BroadcastTo": _broadcast,
    "DepthToSpace": _depth_space,
    "SpaceToDepth": _depth_space,
}
