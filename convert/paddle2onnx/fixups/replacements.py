"""Operators that are written in ONNX here, since Paddle2ONNX lacks them or gets them wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from paddleport.convert.paddle2onnx.fixups import onnx_subgraphs
from paddleport.convert.paddle2onnx.fixups.onnx_subgraphs import SubgraphWriter
from paddleport.convert.paddle2onnx.fixups.pir_operations import Operation, has_equal_windows


@dataclass(frozen=True)
class OperatorReplacement:
    """An operator that is written in ONNX here.

    Attributes:
        operators: the operators that it is about.
        sentence: what is wrong without it, for the report.
        subgraph: how to write it; ``None`` where Paddle2ONNX gets it right.
    """

    operators: tuple[str, ...]
    sentence: str
    subgraph: Callable[[Operation], SubgraphWriter | None]


def _pool_windows(operation: Operation) -> tuple[list[int], list[int]] | None:
    """Sizes and counts of an adaptive 2D pool whose windows Paddle2ONNX gets wrong."""
    x, result = operation.shape(), operation.result_shape()
    if not operation.attribute("adaptive") or x is None or result is None or len(x) != 4:
        return None
    sizes, counts = x[2:], result[2:]
    if -1 in sizes or operation.attribute("data_format", "NCHW") != "NCHW":
        return None  # Paddle2ONNX refuses both
    if all(has_equal_windows(*pair) for pair in zip(sizes, counts, strict=True)):
        return None
    return sizes, counts


def _adaptive_pool(operation: Operation) -> SubgraphWriter | None:
    found = _pool_windows(operation)
    if found is None or (len(operation.results) > 1 and operation.is_used(1)):
        return None
    if operation.attribute("pooling_type", "max") == "avg":
        return onnx_subgraphs.adaptive_average(*found)
    return onnx_subgraphs.adaptive_maximum(*found)


def _softplus(operation: Operation) -> SubgraphWriter | None:
    beta, threshold = operation.attribute("beta"), operation.attribute("threshold")
    if (beta, threshold) == (1, 20) or beta <= 0:
        return None
    return onnx_subgraphs.softplus(beta, threshold)


def _reduce(kind: str) -> Callable[[Operation], SubgraphWriter | None]:
    def subgraph(operation: Operation) -> SubgraphWriter | None:
        shape = operation.shape()
        if shape is None or operation.dtype() != "f32":
            return None
        axes = operation.attribute("axis") or range(len(shape))
        return onnx_subgraphs.reduce(
            kind, [axis % len(shape) for axis in axes], operation.attribute("keepdim")
        )

    return subgraph


def _channel_shuffle(operation: Operation) -> SubgraphWriter | None:
    shape = operation.shape()
    if shape is None or shape[1] < 0 or operation.attribute("data_format") != "NCHW":
        return None
    return onnx_subgraphs.channel_shuffle(shape[1], operation.attribute("groups"))


def _roll(operation: Operation) -> SubgraphWriter | None:
    shifts, axes, shape = operation.source(1), operation.attribute("axis"), operation.shape()
    given = shifts.attribute("value") if shifts and shifts.kind == "full_int_array" else None
    if not axes or shape is None or given is None or all(shape[axis] >= 0 for axis in axes):
        return None
    return onnx_subgraphs.roll(given, [axis % len(shape) for axis in axes])


def _fill_like(operation: Operation) -> SubgraphWriter | None:
    if operation.attribute("dtype") != "float32" or operation.dtype() != "f32":
        return None
    return onnx_subgraphs.fill_like(
        operation.attribute("value"),
        operation.attribute("shape"),
        operation.attribute("input_dim_idx"),
        operation.attribute("output_dim_idx"),
    )


def _thresholded_relu(operation: Operation) -> SubgraphWriter | None:
    value = operation.attribute("value", 0.0)
    return onnx_subgraphs.thresholded(operation.attribute("threshold"), value) if value else None


REPLACEMENTS = (
    OperatorReplacement(
        ("thresholded_relu",),
        "thresholded_relu loses its value below the threshold: written out",
        _thresholded_relu,
    ),
    OperatorReplacement(
        ("gelu",),
        "gelu(approximate=True) comes out as the exact gelu: written with tanh",
        lambda op: onnx_subgraphs.gelu_tanh if op.attribute("approximate") else None,
    ),
    OperatorReplacement(
        ("hardtanh",),
        "hardtanh loses its limits: written as Clip",
        lambda op: onnx_subgraphs.clip(op.attribute("t_min"), op.attribute("t_max")),
    ),
    OperatorReplacement(
        ("softplus",),
        "Paddle2ONNX has no softplus with another beta or threshold: written out",
        _softplus,
    ),
    OperatorReplacement(
        ("celu",),
        "Paddle2ONNX has no celu: written out",
        lambda op: (
            onnx_subgraphs.celu(op.attribute("alpha")) if op.attribute("alpha") > 0 else None
        ),
    ),
    OperatorReplacement(
        ("stanh",),
        "Paddle2ONNX has no stanh: written out",
        lambda op: onnx_subgraphs.stanh(op.attribute("scale_a"), op.attribute("scale_b")),
    ),
    OperatorReplacement(
        ("logit",),
        "Paddle2ONNX has no logit: written out",
        lambda op: onnx_subgraphs.logit(op.attribute("eps")),
    ),
    OperatorReplacement(
        ("logsigmoid",),
        "log_sigmoid is minus infinity below -88: written with Softplus",
        lambda op: onnx_subgraphs.log_sigmoid,
    ),
    OperatorReplacement(
        ("roll",),
        "roll over a free side loses values where the shift is longer: written with Mod",
        _roll,
    ),
    OperatorReplacement(
        ("full_batch_size_like",),
        "Paddle2ONNX has no full_batch_size_like, which 1 / x becomes: written out",
        _fill_like,
    ),
    OperatorReplacement(
        ("amax",), "Paddle2ONNX has no amax: written as ReduceMax", _reduce("ReduceMax")
    ),
    OperatorReplacement(
        ("amin",), "Paddle2ONNX has no amin: written as ReduceMin", _reduce("ReduceMin")
    ),
    OperatorReplacement(
        ("channel_shuffle",),
        "Paddle2ONNX has no channel_shuffle: written as Gather",
        _channel_shuffle,
    ),
    OperatorReplacement(
        ("pool2d", "max_pool2d_with_index"),
        "adaptive pooling to a size that does not divide the input comes out with other "
        "windows: written window by window",
        _adaptive_pool,
    ),
)
