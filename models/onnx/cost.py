"""What one inference of an ONNX file costs: parameters and floating-point operations."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.models.onnx.graph_walk import subgraphs
from paddleport.models.onnx.onnx_file import read_onnx_proto
from paddleport.models.onnx.static_shapes import Shape, static_shapes

if TYPE_CHECKING:
    import onnx

ShapeOf = Callable[[int], Shape]  # of a node's input by position, or of its output by -1

_ONNX_DOMAINS = ("", "ai.onnx")
_WITHOUT_RULE = {"Attention", "DFT", "DeformConv", "STFT"}  # they multiply and add as well


@dataclass(frozen=True)
class Cost:
    """What one inference costs.

    Attributes:
        parameters: elements of all stored weights and biases; not of scalars, and not of
            integers above 8 bits or booleans, which are shapes, indices and accumulators.
        flops: two for each multiply-add of the convolutions, matrix products and recurrent
            layers; ``None`` where a shape that it depends on is not known. Elementwise
            operators, pooling, normalisation and the adding of biases are not counted.
        uncounted: what multiplies and adds and is not in ``flops``, or what kept it from being
            known; empty where all is counted.
    """

    parameters: int
    flops: int | None
    uncounted: tuple[str, ...]


def cost(path: Path, shapes: Mapping[str, Sequence[int]]) -> Cost:
    """Count an ONNX file's parameters, and its operations for inputs of the given shapes.

    Args:
        path: the file.
        shapes: input name to full shape; an input that is left out has its shape in the file.

    Raises:
        ModelNotFoundError, ModelFileError: the file is not there, or no ONNX file.
        UsageError: a shape for an input that is not there, or of another rank.
    """
    import onnx.inliner

    proto = read_onnx_proto(path)
    if proto.functions:
        proto = onnx.inliner.inline_local_functions(proto)
    parameters = sum(math.prod(tensor.dims) for tensor in _parameters(proto.graph))
    known = static_shapes(proto, shapes)
    flops: int | None = 0
    uncounted: dict[str, None] = {}  # in order, each once
    for node in proto.graph.node:
        rule = _RULES.get(node.op_type) if node.domain in _ONNX_DOMAINS else None
        if rule is None:
            uncounted |= dict.fromkeys(_left_out(node))
            continue
        try:
            multiply_adds = rule(node, partial(_shape_of, known, node))
        except LookupError:
            uncounted[f"{node.op_type} of unknown shape"] = None
            flops = None
            continue
        if flops is not None:
            flops += 2 * multiply_adds
    return Cost(parameters, flops, tuple(uncounted))


def _shape_of(known: Mapping[str, Shape], node: "onnx.NodeProto", place: int) -> Shape:
    return known[node.output[0] if place == -1 else node.input[place]]


def _parameters(graph: "onnx.GraphProto") -> Iterator["onnx.TensorProto"]:
    """Stored tensors that are weights, of the graph and of the bodies inside it."""
    import onnx

    kinds = ("INT16", "INT32", "INT64", "UINT16", "UINT32", "UINT64", "BOOL", "STRING")
    not_weights = {onnx.TensorProto.DataType.Value(kind) for kind in kinds}
    stored = list(graph.initializer)
    for node in graph.node:
        if node.op_type == "Constant":
            stored += [item.t for item in node.attribute if item.HasField("t")]
        for body in subgraphs(node):
            yield from _parameters(body)
    yield from (item for item in stored if item.dims and item.data_type not in not_weights)


def _left_out(node: "onnx.NodeProto") -> Iterator[str]:
    if node.domain not in _ONNX_DOMAINS:
        yield f"{node.domain}.{node.op_type}"
    elif node.op_type in _WITHOUT_RULE:
        yield node.op_type
    for body in subgraphs(node):
        for inner in body.node:
            found = [inner.op_type] if inner.op_type in _RULES else [*_left_out(inner)]
            yield from (f"{name} inside {node.op_type}" for name in found)


def _convolution(weight: int) -> Callable[["onnx.NodeProto", ShapeOf], int]:
    """Each output element takes a kernel of all the input channels of its group."""
    return lambda node, shape: math.prod(shape(-1)) * math.prod(shape(weight)[1:])


def _product(node: "onnx.NodeProto", shape: ShapeOf) -> int:
    return math.prod(shape(-1)) * shape(0)[-1]


def _transposed_convolution(node: "onnx.NodeProto", shape: ShapeOf) -> int:
    """Each input element goes into a kernel of all the output channels of its group."""
    return math.prod(shape(0)) * math.prod(shape(1)[1:])


def _gemm(node: "onnx.NodeProto", shape: ShapeOf) -> int:
    transposed = any(item.name == "transA" and item.i for item in node.attribute)
    return math.prod(shape(-1)) * shape(0)[0 if transposed else 1]


def _recurrent(node: "onnx.NodeProto", shape: ShapeOf) -> int:
    """Each step of each sequence takes all weights of input and state, in every direction."""
    steps, sequences, _ = shape(0)  # in either order
    return steps * sequences * (math.prod(shape(1)) + math.prod(shape(2)))


def _einsum(node: "onnx.NodeProto", shape: ShapeOf) -> int:
    """Two operands: one multiply-add for each combination of all indices."""
    equation = next(item.s.decode() for item in node.attribute if item.name == "equation")
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    if len(terms) == 1:
        return 0
    if len(terms) != 2 or "." in equation:
        raise LookupError(equation)  # how it is computed, or over what, is not to be seen here
    sizes: dict[str, int] = {}
    for place, term in enumerate(terms):
        sizes |= dict(zip(term, shape(place), strict=True))
    return math.prod(sizes.values())


_RULES: dict[str, Callable[["onnx.NodeProto", ShapeOf], int]] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "ConvTranspose": _transposed_convolution,
    "Einsum": _einsum,
    "GRU": _recurrent,
    "Gemm": _gemm,
    "LSTM": _recurrent,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearConv": _convolution(3),
    "QLinearMatMul": _product,
    "RNN": _recurrent,
}
