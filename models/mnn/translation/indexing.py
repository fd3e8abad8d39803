"""Operators that pick numbers by their places, and reductions along axes."""

import itertools

import numpy as np

from paddleport.models.mnn.folded_values import folded
from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.models.mnn.onnx_builder import OnnxBuilder
from paddleport.models.mnn.unknown_setting import refused

_REDUCTIONS = {
    "SUM": "ReduceSum", "ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "MEAN": "ReduceMean",
    "MAXIMUM": "ReduceMax", "MINIMUM": "ReduceMin", "PROD": "ReduceProd",
    "ANY": "ReduceMax", "ALL": "ReduceMin",
}  # fmt: skip
_SCATTERED = {"-1": "none", "ADD": "add", "MUL": "mul", "MAXIMUM": "max", "MINIMUM": "min"}


def _reduction(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, *given = op.inputs
    dims = op.parameters["dim"]
    if given:
        axes = [builder.int64(given[0])]
    else:
        axes = [] if dims is None or not dims.size else [builder.sizes(dims.tolist())]
    operator = _REDUCTIONS[op.parameters["operation"]]
    return [builder.add(operator, [x, *axes], keepdims=int(op.parameters["keepDims"]))]


def _slice_by_size(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    """From each beginning so many, or to the end where the size is -1."""
    x, begin, size = op.inputs
    beginnings, sizes = builder.int64(begin), builder.int64(size)
    ends = builder.add("Add", [beginnings, sizes])
    zero, all_others = builder.sizes([0]), builder.add("Equal", [sizes, builder.sizes([-1])])
    from_end = builder.add("Less", [beginnings, zero])  # where 0 would be the first place
    to_end = builder.add("And", [from_end, builder.add("Equal", [ends, zero])])
    last = builder.sizes([np.iinfo(np.int64).max])
    ends = builder.add("Where", [builder.add("Or", [all_others, to_end]), last, ends])
    return [builder.add("Slice", [x, beginnings, ends])]


def _strided_slice(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    masks = [name for name in op.parameters if name.endswith("Mask") and op.parameters[name]]
    if masks:
        raise refused(op, ", ".join(masks))
    x, begin, end, *others = (
        name if place == 0 else builder.int64(name) for place, name in enumerate(op.inputs)
    )
    if op.parameters["fromType"] == 1:  # as ONNX orders them: axes, then steps
        return [builder.add("Slice", [x, begin, end, *others])]
    return [builder.add("Slice", [x, begin, end, "", *others])]


def _split(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    axis, count, points = op.parameters["axis"], len(op.outputs), op.parameters["slicePoints"]
    x, *given = op.inputs
    if given:
        return builder.add_several("Split", [x, builder.int64(given[0])], count, axis=axis)
    source = op.parameters["sourceType"]
    if points is None or not points.size or (source == "TENSORFLOW" and points.size == 1):
        return builder.add_several("Split", [x], count, axis=axis, num_outputs=count)
    if source == "CAFFE":
        return _cut(builder, x, axis, points.tolist())
    return builder.add_several("Split", [x, builder.sizes(points.tolist())], count, axis=axis)


def _cut(builder: OnnxBuilder, x: str, axis: int, points: list[int]) -> list[str]:
    """Cut at each point, the last part to the end."""
    along, last = builder.sizes([axis]), np.iinfo(np.int64).max
    bounds = itertools.pairwise([0, *points, last])
    return [
        builder.add("Slice", [x, builder.sizes([begin]), builder.sizes([end]), along])
        for begin, end in bounds
    ]


def _gather(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, places, *axis = op.inputs
    along = op.parameters.get("axis", 0)
    if axis:
        along = _known(builder, op, axis[0])
    value = folded(builder, places)  # its rank says that of the result
    places = builder.int64(places) if value is None else builder.constant(value.astype(np.int64))
    return [builder.add("Gather", [x, places], axis=along)]


def _gather_elements(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, places, *axis = op.inputs
    along = _known(builder, op, axis[0]) if axis else 0
    return [builder.add("GatherElements", [x, builder.int64(places)], axis=along)]


def _gather_nd(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, places = op.inputs
    return [builder.add("GatherND", [x, builder.int64(places)])]


def _scatter_elements(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, places, updates, *axis = op.inputs
    kind = op.parameters.get("opType", "-1")
    if kind not in _SCATTERED:
        raise refused(op, kind)
    along = _known(builder, op, axis[0]) if axis else 0
    return [
        builder.add(
            "ScatterElements",
            [x, builder.int64(places), updates],
            axis=along,
            reduction=_SCATTERED[kind],
        )
    ]


def _known(builder: OnnxBuilder, op: MnnOp, name: str) -> int:
    axis = folded(builder, name)
    if axis is None:
        raise refused(op, "an axis that depends on what is fed")
    return int(axis.reshape(-1)[0])


def _greatest(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    if op.parameters["outMaxVal"] or op.parameters["topK"] > 1:
        raise refused(op, "several places, or the values")
    axis = op.parameters["axis"]
    return [builder.int32(builder.add(op.type, op.inputs, axis=axis, keepdims=0))]


def _largest(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, count, *largest = op.inputs
    wanted = _known(builder, op, largest[0]) if largest else 1
    number = builder.add("Reshape", [builder.int64(count), builder.sizes([1])])
    values, places = builder.add_several("TopK", [x, number], 2, axis=-1, largest=wanted)
    return [values, builder.int32(places)]


def _one_hot(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    places, depth, on, off = op.inputs
    scalar = builder.sizes([1])
    ends = [builder.add("Reshape", [name, scalar]) for name in (off, on)]
    values = builder.add("Concat", ends, axis=0)
    result = builder.add(
        "OneHot", [builder.int64(places), depth, values], axis=op.parameters["axis"]
    )
    (builder.integers.add if on in builder.integers else builder.integers.discard)(result)
    return [result]


def _scatter_nd(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    """Into a tensor that is given, or added up in one of zeros."""
    places, updates, shape, *given = op.inputs
    kind = op.parameters.get("opType", "-1")
    if given and kind in _SCATTERED:
        options = {"reduction": _SCATTERED[kind]}
        return [builder.add("ScatterND", [given[0], builder.int64(places), updates], **options)]
    if given:
        raise refused(op, kind)
    zeros = builder.add("Expand", [builder.number(0), builder.int64(shape)])
    return [builder.add("ScatterND", [zeros, builder.int64(places), updates], reduction="add")]


def _cumulative(builder: OnnxBuilder, op: MnnOp) -> list[str]:
    x, axis = op.inputs
    options = {name: int(op.parameters[name]) for name in ("exclusive", "reverse")}
    return [builder.add("CumSum", [x, builder.int64(axis)], **options)]


TRANSLATORS = {
    "Reduction": _reduction,
    "SliceTf": _slice_by_size,
    "StridedSlice": _strided_slice,
    "Slice": _split,
    "Gather": _gather,
    "GatherV2": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterElements": _scatter_elements,
    "ArgMax": _greatest,
    "ArgMin": _greatest,
    "CumSum": _cumulative,
    "TopKV2": _largest,
    "OneHot": _one_hot,
    "ScatterNd": _scatter_nd,
}
