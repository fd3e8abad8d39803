"""Settings of operators that come out wrong and have no fixup: refused by name."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from paddleport.convert.paddle2onnx.fixups.pir_operations import (
    Operation,
    has_equal_windows,
    missing_rows,
)

_EXACT_IN_FLOAT32 = 1 << 24


@dataclass(frozen=True)
class UnsupportedSetting:
    """A setting of an operator that comes out wrong and has no fixup.

    Attributes:
        operators: the operators that it is about.
        setting: completes "Paddle2ONNX gets <operator> wrong <setting>".
        applies: whether an operation has it, at an opset.
    """

    operators: tuple[str, ...]
    setting: str
    applies: Callable[[Operation, int], bool]


def _is_average_of_uneven_padding(operation: Operation, opset: int) -> bool:
    if operation.attribute("pooling_type") != "avg" or operation.attribute("exclusive"):
        return False
    if operation.attribute("adaptive") or operation.attribute("global_pooling"):
        return False
    pads = operation.attribute("paddings")
    rank = len(operation.attribute("strides"))
    uneven = len(pads) > rank and pads[0::2] != pads[1::2]
    return uneven or bool(operation.attribute("padding_algorithm") == "SAME")


def _is_lost_output_size(operation: Operation, opset: int) -> bool:
    if operation.attribute("padding_algorithm") == "SAME":
        return True
    source = operation.source(2)
    size = source.attribute("value", True) if source else operation.attribute("output_size")
    missing = missing_rows(operation)
    if operation.attribute("padding_algorithm") == "VALID":
        return bool(size)
    return (bool(size) and missing is None) or bool(missing and any(missing))


def _is_odd_norm(operation: Operation, opset: int) -> bool:
    order, shape = operation.attribute("porder"), operation.shape()
    everything = operation.attribute("asvector") and shape is not None and len(shape) > 1
    return everything or order == 0 or math.isinf(order)


def _is_inexact_for_integers(operation: Operation, opset: int) -> bool:
    source = operation.source(1)
    factor = source.attribute("value", 1.0) if source and source.kind == "full" else 1.0
    values = (float(factor), float(operation.attribute("bias", 0.0)))
    inexact = any(value % 1 or abs(value) > _EXACT_IN_FLOAT32 for value in values)
    return operation.dtype() in ("i32", "i64") and inexact


def _is_channels_last(operation: Operation, opset: int) -> bool:
    return operation.attribute("data_format") in ("NHWC", "NDHWC", "NLC", "NWC")


def _has_window_beyond(operation: Operation, opset: int) -> bool:
    """Whether the last window may begin behind the picture.

    With size n, window k, stride s, padding p and q it begins at ``s ceil((n+p+q-k)/s) - p``.
    """
    shape, strides = operation.shape(), operation.attribute("strides")
    if not operation.attribute("ceil_mode") or operation.attribute("adaptive") or shape is None:
        return False
    source = operation.source(1)
    kernel = operation.attribute("kernel_size") or (source and source.attribute("value"))
    if not kernel:
        return True
    pads = operation.attribute("paddings")
    if len(pads) == len(strides):
        pads = [pad for pad in pads for _ in range(2)]
    for axis, (size, window, stride) in enumerate(zip(shape[2:], kernel, strides, strict=True)):
        before, after = pads[2 * axis : 2 * axis + 2]
        if size < 0 and stride + after > window:
            return True
        if size >= 0 and -(-(size + before + after - window) // stride) * stride - before >= size:
            return True
    return False


def _is_wrong_roi_align(operation: Operation, opset: int) -> bool:
    shape = operation.shape()
    return shape is None or shape[0] != 1


UNSUPPORTED_SETTINGS = (
    UnsupportedSetting(
        ("pool2d", "pool3d"),
        "when an average counts padding that is not the same on both sides (exclusive=False)",
        _is_average_of_uneven_padding,
    ),
    UnsupportedSetting(
        ("conv2d_transpose", "depthwise_conv2d_transpose", "conv3d_transpose"),
        "with padding SAME, or with an output_size that output_padding can't express",
        _is_lost_output_size,
    ),
    UnsupportedSetting(
        ("nearest_interp",),
        "with align_corners",
        lambda op, opset: bool(op.attribute("align_corners")),
    ),
    UnsupportedSetting(
        ("p_norm",), "over all axes at once or of order 0 or infinity", _is_odd_norm
    ),
    UnsupportedSetting(
        ("deformable_conv",),
        "without a mask (version 1)",
        lambda op, opset: len(op.operands) < 4 or op.operands[3] == 0,
    ),
    UnsupportedSetting(
        ("scale",),
        "on integers by a fraction or by more than 2^24",
        _is_inexact_for_integers,
    ),
    UnsupportedSetting(
        ("batch_norm", "batch_norm_", "group_norm", "instance_norm", "prelu", "pixel_shuffle"),
        "where channels come last",
        _is_channels_last,
    ),
    UnsupportedSetting(
        ("pool2d", "pool3d", "max_pool2d_with_index", "max_pool3d_with_index"),
        "when ceil_mode lets the last window begin behind the picture",
        _has_window_beyond,
    ),
    UnsupportedSetting(
        ("rnn",),
        "as a plain recurrent network (SimpleRNN)",
        lambda op, opset: str(op.attribute("mode")).startswith("RNN"),
    ),
    UnsupportedSetting(
        ("rnn",),
        "with sequence lengths, which it ignores",
        lambda op, opset: op.operands[3] != 0,
    ),
    UnsupportedSetting(
        ("rnn",),
        "when the last states of several layers are used",
        lambda op, opset: op.attribute("num_layers") > 1 and op.is_used(2),
    ),
    UnsupportedSetting(
        ("roi_align",), "for a batch that is not fixed to one picture", _is_wrong_roi_align
    ),
    UnsupportedSetting(
        ("roi_align",),
        "with aligned=True below opset 16",
        lambda op, opset: bool(op.attribute("aligned")) and opset < 16,
    ),
    UnsupportedSetting(
        ("max_pool2d_with_index", "max_pool3d_with_index"),
        "when its mask is used",
        lambda op, opset: op.is_used(1),
    ),
    UnsupportedSetting(
        ("pool3d", "max_pool3d_with_index"),
        "when adaptive to a size that does not divide the input",
        lambda op, opset: bool(op.attribute("adaptive")) and not _divides(op),
    ),
)


def _divides(operation: Operation) -> bool:
    x, result = operation.shape(), operation.result_shape()
    return (
        x is not None
        and result is not None
        and all(
            count == 1 or (size > 0 and has_equal_windows(size, count))
            for size, count in zip(x[2:], result[2:], strict=True)
        )
    )
