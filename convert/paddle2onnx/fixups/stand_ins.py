"""Operators that are written in ONNX here, since Paddle2ONNX lacks them or gets them wrong."""

from collections.abc import Callable

from paddleport.convert.paddle2onnx.fixups import recipes
from paddleport.convert.paddle2onnx.fixups.kinds import StandIn
from paddleport.convert.paddle2onnx.fixups.pir_operations import Operation
from paddleport.convert.paddle2onnx.fixups.recipes import Recipe


def _pool_windows(operation: Operation) -> tuple[list[int], list[int]] | None:
    """Sizes and counts of an adaptive 2D pool whose windows Paddle2ONNX gets wrong."""
    x, result = operation.shape(), operation.result_shape()
    if not operation.attribute("adaptive") or x is None or result is None or len(x) != 4:
        return None
    sizes, counts = x[2:], result[2:]
    if -1 in sizes or operation.attribute("data_format", "NCHW") != "NCHW":
        return None  # Paddle2ONNX refuses both
    if all(same_windows(*pair) for pair in zip(sizes, counts, strict=True)):
        return None
    return sizes, counts


def same_windows(size: int, count: int) -> bool:
    """Whether equal windows with a stride of ``size // count`` are Paddle's."""
    stride = size // count
    length = size - (count - 1) * stride
    return stride > 0 and all(
        window == range(i * stride, i * stride + length)
        for i, window in enumerate(recipes.windows(size, count))
    )


def _adaptive_pool(operation: Operation) -> Recipe | None:
    found = _pool_windows(operation)
    if found is None or (len(operation.results) > 1 and operation.is_used(1)):
        return None
    if operation.attribute("pooling_type", "max") == "avg":
        return recipes.adaptive_average(*found)
    return recipes.adaptive_maximum(*found)


def _softplus(operation: Operation) -> Recipe | None:
    beta, threshold = operation.attribute("beta"), operation.attribute("threshold")
    if (beta, threshold) == (1, 20) or beta <= 0:
        return None
    return recipes.softplus(beta, threshold)


def _reduce(kind: str) -> Callable[[Operation], Recipe | None]:
    def recipe(operation: Operation) -> Recipe | None:
        shape = operation.shape()
        if shape is None or operation.dtype() != "f32":
            return None
        axes = operation.attribute("axis") or range(len(shape))
        return recipes.reduce(
            kind, [axis % len(shape) for axis in axes], operation.attribute("keepdim")
        )

    return recipe


def _channel_shuffle(operation: Operation) -> Recipe | None:
    shape = operation.shape()
    if shape is None or shape[1] < 0 or operation.attribute("data_format") != "NCHW":
        return None
    return recipes.channel_shuffle(shape[1], operation.attribute("groups"))


def _roll(operation: Operation) -> Recipe | None:
    shifts, axes, shape = operation.source(1), operation.attribute("axis"), operation.shape()
    given = shifts.attribute("value") if shifts and shifts.kind == "full_int_array" else None
    if not axes or shape is None or given is None or all(shape[axis] >= 0 for axis in axes):
        return None
    return recipes.roll(given, [axis % len(shape) for axis in axes])


def _fill_like(operation: Operation) -> Recipe | None:
    if operation.attribute("dtype") != "float32" or operation.dtype() != "f32":
        return None
    return recipes.fill_like(
        operation.attribute("value"),
        operation.attribute("shape"),
        operation.attribute("input_dim_idx"),
        operation.attribute("output_dim_idx"),
    )


def _thresholded_relu(operation: Operation) -> Recipe | None:
    value = operation.attribute("value", 0.0)
    return recipes.thresholded(operation.attribute("threshold"), value) if value else None


STAND_INS = (
    StandIn(
        ("thresholded_relu",),
        "thresholded_relu loses its value below the threshold: written out",
        _thresholded_relu,
    ),
    StandIn(
        ("gelu",),
        "gelu(approximate=True) comes out as the exact gelu: written with tanh",
        lambda op: recipes.gelu_tanh if op.attribute("approximate") else None,
    ),
    StandIn(
        ("hardtanh",),
        "hardtanh loses its limits: written as Clip",
        lambda op: recipes.clip(op.attribute("t_min"), op.attribute("t_max")),
    ),
    StandIn(
        ("softplus",),
        "Paddle2ONNX has no softplus with another beta or threshold: written out",
        _softplus,
    ),
    StandIn(
        ("celu",),
        "Paddle2ONNX has no celu: written out",
        lambda op: recipes.celu(op.attribute("alpha")) if op.attribute("alpha") > 0 else None,
    ),
    StandIn(
        ("stanh",),
        "Paddle2ONNX has no stanh: written out",
        lambda op: recipes.stanh(op.attribute("scale_a"), op.attribute("scale_b")),
    ),
    StandIn(
        ("logit",),
        "Paddle2ONNX has no logit: written out",
        lambda op: recipes.logit(op.attribute("eps")),
    ),
    StandIn(
        ("logsigmoid",),
        "log_sigmoid is minus infinity below -88: written with Softplus",
        lambda op: recipes.log_sigmoid,
    ),
    StandIn(
        ("roll",),
        "roll over a free side loses values where the shift is longer: written with Mod",
        _roll,
    ),
    StandIn(
        ("full_batch_size_like",),
        "Paddle2ONNX has no full_batch_size_like, which 1 / x becomes: written out",
        _fill_like,
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
