"""Rewrites of the program, made before Paddle2ONNX reads it."""

from paddleport.convert.paddle2onnx.fixups.kinds import Mend
from paddleport.convert.paddle2onnx.fixups.pir_operations import Operation


def _every_axis(operation: Operation) -> bool:
    axes, shape = operation.constant(1), operation.shape()
    if axes is None or shape is None or axes.attribute("value") or not shape:
        return False
    axes.set_constant(list(range(len(shape))))
    return True


def _final_places(operation: Operation) -> bool:
    axes, shape = operation.constant(1), operation.shape()
    if axes is None or shape is None:
        return False
    given = axes.attribute("value")
    new = [False] * len(shape)
    for axis in given:  # Paddle inserts one after the other
        new.insert(axis if axis >= 0 else axis + len(new) + 1, True)
    places = [place for place, is_new in enumerate(new) if is_new]
    if places == given:
        return False
    axes.set_constant(places)
    return True


def _only_ones(operation: Operation) -> bool:
    axes, shape = operation.constant(1), operation.shape()
    if axes is None or shape is None:
        return False
    given = axes.attribute("value")
    kept = [axis for axis in given if shape[axis] in (1, -1)]
    if kept == given or not kept:
        return False
    axes.set_constant(kept)
    return True


def _output_padding(operation: Operation) -> bool:
    missing = missing_rows(operation)
    if not missing or not any(missing):
        return False
    strides = operation.attribute("strides")
    if any(not 0 <= m < s for m, s in zip(missing, strides, strict=True)):
        return False
    operation.set_integers("output_padding", missing, "a_i32")
    return True


def missing_rows(operation: Operation) -> list[int] | None:
    """By how much a transposed convolution is larger than its output_padding makes it."""
    x, kernel, result = operation.shape(0), operation.shape(1), operation.result_shape()
    if x is None or kernel is None or result is None:
        return None
    if -1 in x[2:] or -1 in result[2:]:
        return None
    pads = operation.attribute("paddings")
    rank = len(x) - 2
    both = (
        [2 * p for p in pads]
        if len(pads) == rank
        else [pads[2 * i] + pads[2 * i + 1] for i in range(rank)]
    )
    extra = operation.attribute("output_padding") or [0] * rank
    strides, dilations = operation.attribute("strides"), operation.attribute("dilations")
    return [
        result[2 + i]
        - (
            (x[2 + i] - 1) * strides[i]
            - both[i]
            + dilations[i] * (kernel[2 + i] - 1)
            + 1
            + extra[i]
        )
        for i in range(rank)
    ]


def _short_shifts(operation: Operation) -> bool:
    shifts, axes, shape = operation.constant(1), operation.attribute("axis"), operation.shape()
    if shifts is None or shape is None or not axes:
        return False
    given = shifts.attribute("value")
    sides = [shape[axis] for axis in axes]
    short = [shift % side if side > 0 else shift for shift, side in zip(given, sides, strict=True)]
    if all(side < 0 or abs(shift) < side for shift, side in zip(given, sides, strict=True)):
        return False
    shifts.set_constant(short)
    return True


MENDS = (
    Mend(
        ("roll",),
        "roll by more than a side loses values: the shift is taken modulo the side",
        _short_shifts,
    ),
    Mend(
        ("mean",),
        "mean over all axes aborts Paddle2ONNX: the axes are written out",
        _every_axis,
    ),
    Mend(
        ("unsqueeze",),
        "unsqueeze by negative or unsorted axes comes out in other places: they are sorted",
        _final_places,
    ),
    Mend(
        ("squeeze",),
        "squeeze of an axis that is longer than 1 does nothing in Paddle and fails in ONNX: "
        "such axes are left out",
        _only_ones,
    ),
    Mend(
        ("conv2d_transpose", "depthwise_conv2d_transpose", "conv3d_transpose"),
        "a transposed convolution loses its output_size: it is given as output_padding",
        _output_padding,
    ),
)
