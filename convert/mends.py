"""What Paddle2ONNX 2.1.0 gets wrong: mended where a small rewrite does it, else refused by name.

Three tables. ``MENDS`` rewrite the program before Paddle2ONNX reads it; ``STAND_INS`` write the
operator in ONNX themselves; ``REFUSALS`` name what is left. Every entry has a network in
tests/operators, and a test that fails once Paddle2ONNX gets it right.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from paddleport.convert import stand_ins
from paddleport.convert.pir_operations import Operation, PirOperations
from paddleport.convert.stand_ins import Recipe
from paddleport.errors import ConversionError

_EXACT_IN_FLOAT32 = 1 << 24


@dataclass(frozen=True)
class Mend:
    """A rewrite of single operations.

    Attributes:
        operators: which it is about.
        sentence: what is wrong without it, for the report.
        rewrite: changes the operation if it needs it, and says whether it did.
    """

    operators: tuple[str, ...]
    sentence: str
    rewrite: Callable[[Operation], bool]


@dataclass(frozen=True)
class StandIn:
    """An operator that is written in ONNX here.

    Attributes:
        operators: which it is about.
        sentence: what is wrong without it, for the report.
        recipe: how to write it; ``None`` where Paddle2ONNX gets it right.
    """

    operators: tuple[str, ...]
    sentence: str
    recipe: Callable[[Operation], Recipe | None]


@dataclass(frozen=True)
class Refusal:
    """A setting of an operator that comes out wrong and has no mend.

    Attributes:
        operators: which it is about.
        setting: completes "Paddle2ONNX gets <operator> wrong <setting>".
        applies: told the operation and the opset.
    """

    operators: tuple[str, ...]
    setting: str
    applies: Callable[[Operation, int], bool]


def mend_program(
    document: dict[str, Any], opset: int, *, without: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[Recipe, ...]]:
    """Rewrite a parsed PIR program in place.

    Args:
        document: the program's JSON.
        opset: that it is to be converted at.
        without: sentences of mends to leave out, for the tests.

    Returns:
        A sentence for each mend that was needed, and the recipes of the stand-ins in order.

    Raises:
        ConversionError: an operator that comes out wrong and has no mend; it is named.
    """
    program = PirOperations(document)
    sentences: list[str] = []
    recipes: list[Recipe] = []
    for operation in program.operations:
        kind = operation.kind
        for mend in MENDS:
            concerned = kind in mend.operators and mend.sentence not in without
            if concerned and mend.rewrite(operation):
                sentences.append(mend.sentence)
        for refusal in REFUSALS:
            concerned = kind in refusal.operators and refusal.setting not in without
            if concerned and refusal.applies(operation, opset):
                raise ConversionError(
                    f"Paddle2ONNX gets the operator {kind} wrong {refusal.setting}: "
                    "write that part of the network differently and save it again"
                )
        for entry in STAND_INS:
            if kind in entry.operators and entry.sentence not in without:
                recipe = entry.recipe(operation)
                if recipe is not None:
                    operation.become_leaky_relu(stand_ins.FIRST_SLOPE + len(recipes))
                    recipes.append(recipe)
                    sentences.append(entry.sentence)
    return tuple(dict.fromkeys(sentences)), tuple(recipes)


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
    missing = _missing_rows(operation)
    if not missing or not any(missing):
        return False
    strides = operation.attribute("strides")
    if any(not 0 <= m < s for m, s in zip(missing, strides, strict=True)):
        return False
    operation.set_integers("output_padding", missing, "a_i32")
    return True


def _missing_rows(operation: Operation) -> list[int] | None:
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


def _pool_windows(operation: Operation) -> tuple[list[int], list[int]] | None:
    """Sizes and counts of an adaptive 2D pool whose windows Paddle2ONNX gets wrong."""
    x, result = operation.shape(), operation.result_shape()
    if not operation.attribute("adaptive") or x is None or result is None or len(x) != 4:
        return None
    sizes, counts = x[2:], result[2:]
    if -1 in sizes or operation.attribute("data_format", "NCHW") != "NCHW":
        return None  # Paddle2ONNX refuses both
    if all(_same_windows(*pair) for pair in zip(sizes, counts, strict=True)):
        return None
    return sizes, counts


def _same_windows(size: int, count: int) -> bool:
    """Whether equal windows with a stride of ``size // count`` are Paddle's."""
    stride = size // count
    length = size - (count - 1) * stride
    return stride > 0 and all(
        window == range(i * stride, i * stride + length)
        for i, window in enumerate(stand_ins.windows(size, count))
    )


def _adaptive_pool(operation: Operation) -> Recipe | None:
    found = _pool_windows(operation)
    if found is None or (len(operation.results) > 1 and operation.is_used(1)):
        return None
    if operation.attribute("pooling_type", "max") == "avg":
        return stand_ins.adaptive_average(*found)
    return stand_ins.adaptive_maximum(*found)


def _softplus(operation: Operation) -> Recipe | None:
    beta, threshold = operation.attribute("beta"), operation.attribute("threshold")
    if (beta, threshold) == (1, 20) or beta <= 0:
        return None
    return stand_ins.softplus(beta, threshold)


def _reduce(kind: str) -> Callable[[Operation], Recipe | None]:
    def recipe(operation: Operation) -> Recipe | None:
        shape = operation.shape()
        if shape is None or operation.dtype() != "f32":
            return None
        axes = operation.attribute("axis") or range(len(shape))
        return stand_ins.reduce(
            kind, [axis % len(shape) for axis in axes], operation.attribute("keepdim")
        )

    return recipe


def _channel_shuffle(operation: Operation) -> Recipe | None:
    shape = operation.shape()
    if shape is None or shape[1] < 0 or operation.attribute("data_format") != "NCHW":
        return None
    return stand_ins.channel_shuffle(shape[1], operation.attribute("groups"))


def _thresholded_relu(operation: Operation) -> Recipe | None:
    value = operation.attribute("value", 0.0)
    return stand_ins.thresholded(operation.attribute("threshold"), value) if value else None


STAND_INS = (
    StandIn(
        ("thresholded_relu",),
        "thresholded_relu loses its value below the threshold: written out",
        _thresholded_relu,
    ),
    StandIn(
        ("gelu",),
        "gelu(approximate=True) comes out as the exact gelu: written with tanh",
        lambda op: stand_ins.gelu_tanh if op.attribute("approximate") else None,
    ),
    StandIn(
        ("hardtanh",),
        "hardtanh loses its limits: written as Clip",
        lambda op: stand_ins.clip(op.attribute("t_min"), op.attribute("t_max")),
    ),
    StandIn(
        ("softplus",),
        "Paddle2ONNX has no softplus with another beta or threshold: written out",
        _softplus,
    ),
    StandIn(
        ("celu",),
        "Paddle2ONNX has no celu: written out",
        lambda op: stand_ins.celu(op.attribute("alpha")) if op.attribute("alpha") > 0 else None,
    ),
    StandIn(
        ("stanh",),
        "Paddle2ONNX has no stanh: written out",
        lambda op: stand_ins.stanh(op.attribute("scale_a"), op.attribute("scale_b")),
    ),
    StandIn(
        ("logit",),
        "Paddle2ONNX has no logit: written out",
        lambda op: stand_ins.logit(op.attribute("eps")),
    ),
    StandIn(("amax",), "Paddle2ONNX has no amax: written as ReduceMax", _reduce("ReduceMax")),
    StandIn(("amin",), "Paddle2ONNX has no amin: written as ReduceMin", _reduce("ReduceMin")),
    StandIn(
        ("channel_shuffle",),
        "Paddle2ONNX has no channel_shuffle: written as Gather",
        _channel_shuffle,
    ),
    StandIn(
        ("pool2d", "max_pool2d_with_index"),
        "adaptive pooling to a size that does not divide the input comes out with other "
        "windows: written window by window",
        _adaptive_pool,
    ),
)


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
    missing = _missing_rows(operation)
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


REFUSALS = (
    Refusal(
        ("pool2d", "pool3d"),
        "when an average counts padding that is not the same on both sides (exclusive=False)",
        _is_average_of_uneven_padding,
    ),
    Refusal(
        ("conv2d_transpose", "depthwise_conv2d_transpose", "conv3d_transpose"),
        "with padding SAME, or with an output_size that output_padding can't express",
        _is_lost_output_size,
    ),
    Refusal(
        ("nearest_interp",),
        "with align_corners",
        lambda op, opset: bool(op.attribute("align_corners")),
    ),
    Refusal(("p_norm",), "over all axes at once or of order 0 or infinity", _is_odd_norm),
    Refusal(
        ("deformable_conv",),
        "without a mask (version 1)",
        lambda op, opset: len(op.operands) < 4 or op.operands[3] == 0,
    ),
    Refusal(
        ("scale",),
        "on integers by a fraction or by more than 2^24",
        _is_inexact_for_integers,
    ),
    Refusal(
        ("batch_norm", "batch_norm_", "group_norm", "instance_norm", "prelu", "pixel_shuffle"),
        "where channels come last",
        _is_channels_last,
    ),
    Refusal(
        ("pool2d", "pool3d", "max_pool2d_with_index", "max_pool3d_with_index"),
        "when ceil_mode lets the last window begin behind the picture",
        _has_window_beyond,
    ),
    Refusal(
        ("rnn",),
        "as a plain recurrent network (SimpleRNN)",
        lambda op, opset: str(op.attribute("mode")).startswith("RNN"),
    ),
    Refusal(
        ("rnn",),
        "when the last states of several layers are used",
        lambda op, opset: op.attribute("num_layers") > 1 and op.is_used(2),
    ),
    Refusal(("roi_align",), "for a batch that is not fixed to one picture", _is_wrong_roi_align),
    Refusal(
        ("roi_align",),
        "with aligned=True below opset 16",
        lambda op, opset: bool(op.attribute("aligned")) and opset < 16,
    ),
    Refusal(
        ("max_pool2d_with_index", "max_pool3d_with_index"),
        "when its mask is used",
        lambda op, opset: op.is_used(1),
    ),
    Refusal(
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
            count == 1 or (size > 0 and _same_windows(size, count))
            for size, count in zip(x[2:], result[2:], strict=True)
        )
    )
