"""Subgraphs in ONNX for operators that Paddle2ONNX lacks or gets wrong.

Such an operator goes through Paddle2ONNX as a leaky_relu with a slope that nobody uses, and the
LeakyRelu that comes out is replaced by what the operator really is.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.convert.paddle2onnx.fixups.pir_operations import pooling_windows
from paddleport.errors import SettledConversionError
from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx

FIRST_SLOPE = 1e6
"""Slope of the first placeholder; the next ones count up. A float32 holds integers to 1.6e7."""

LAST_AXES_ATTRIBUTE = 17  # ReduceMax, ReduceMin: an input from opset 18


class NodeWriter:
    """The nodes of one operator at one opset."""

    def __init__(self, prefix: str, opset: int) -> None:
        self.opset = opset
        self.written: list[onnx.NodeProto] = []
        self._prefix = prefix

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        from onnx import helper

        name = f"{self._prefix}.{len(self.written)}"
        self.written.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        return self.node("Constant", value=numpy_helper.from_array(np.asarray(value, dtype)))

    def clip(self, x: str, low: float, high: float) -> str:
        """Limit to [low, high], whose form changed at opset 11."""
        if self.opset < 11:
            return self.node("Clip", x, min=low, max=high)
        return self.node("Clip", x, self.constant(low), self.constant(high))

    def need(self, opset: int, what: str) -> None:
        """Refuse an opset that lacks the operators for it.

        Raises:
            SettledConversionError: it is lower; the lowest that works is named.
        """
        if self.opset < opset:
            raise SettledConversionError(
                f"opset {self.opset} is too low for {what}: the lowest that can express it is "
                f"{opset}. Try: --opset {opset}"
            )

    def reduce(self, kind: str, x: str, axes: Sequence[int], keepdims: bool) -> str:
        """ReduceMax or ReduceMin, whose form changed at opset 18."""
        if self.opset <= LAST_AXES_ATTRIBUTE:
            return self.node(kind, x, axes=list(axes), keepdims=int(keepdims))
        return self.node(kind, x, self.constant(list(axes), "int64"), keepdims=int(keepdims))


SubgraphWriter = Callable[[NodeWriter, str], str]
"""Writes the nodes that take the named value and returns the name of the result."""


def gelu_tanh(nodes: NodeWriter, x: str) -> str:
    """``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x³)))``, Paddle's gelu(approximate)."""
    cube = nodes.node("Mul", nodes.node("Mul", x, x), x)
    inner = nodes.node("Add", x, nodes.node("Mul", cube, nodes.constant(0.044715)))
    bent = nodes.node("Tanh", nodes.node("Mul", inner, nodes.constant(math.sqrt(2 / math.pi))))
    half = nodes.node("Mul", x, nodes.constant(0.5))
    return nodes.node("Mul", half, nodes.node("Add", bent, nodes.constant(1.0)))


def clip(low: float, high: float) -> SubgraphWriter:
    """Limit to [low, high]."""
    return lambda nodes, x: nodes.clip(x, low, high)


def softplus(beta: float, threshold: float) -> SubgraphWriter:
    """``log(1 + exp(beta x)) / beta``, and x itself where ``beta x > threshold``."""

    def write(nodes: NodeWriter, x: str) -> str:
        scaled = nodes.node("Mul", x, nodes.constant(beta))
        limit = nodes.constant(threshold)
        linear = nodes.node("Cast", nodes.node("Greater", scaled, limit), to=1)
        curve = nodes.node("Softplus", nodes.clip(scaled, -3.4e38, threshold))
        bent = nodes.node("Div", curve, nodes.constant(beta))
        rest = nodes.node("Sub", nodes.constant(1.0), linear)
        return nodes.node("Add", nodes.node("Mul", x, linear), nodes.node("Mul", bent, rest))

    return write


def thresholded(threshold: float, value: float) -> SubgraphWriter:
    """X itself where it is above the threshold, else a value."""

    def write(nodes: NodeWriter, x: str) -> str:
        above = nodes.node("Cast", nodes.node("Greater", x, nodes.constant(threshold)), to=1)
        below = nodes.node("Sub", nodes.constant(1.0), above)
        other = nodes.node("Mul", below, nodes.constant(value))
        return nodes.node("Add", nodes.node("Mul", x, above), other)

    return write


def celu(alpha: float) -> SubgraphWriter:
    """``max(0, x) + min(0, alpha (exp(x / alpha) - 1))`` for a positive alpha."""

    def write(nodes: NodeWriter, x: str) -> str:
        grown = nodes.node("Exp", nodes.node("Div", x, nodes.constant(alpha)))
        below = nodes.node("Relu", nodes.node("Sub", nodes.constant(1.0), grown))
        scaled = nodes.node("Mul", below, nodes.constant(alpha))
        return nodes.node("Sub", nodes.node("Relu", x), scaled)

    return write


def stanh(inner: float, outer: float) -> SubgraphWriter:
    """``outer * tanh(inner * x)``."""

    def write(nodes: NodeWriter, x: str) -> str:
        bent = nodes.node("Tanh", nodes.node("Mul", x, nodes.constant(inner)))
        return nodes.node("Mul", bent, nodes.constant(outer))

    return write


def logit(epsilon: float) -> SubgraphWriter:
    """``log(z / (1 - z))`` with z limited to [epsilon, 1 - epsilon]."""

    def write(nodes: NodeWriter, x: str) -> str:
        limited = nodes.clip(x, epsilon, 1 - epsilon)
        rest = nodes.node("Sub", nodes.constant(1.0), limited)
        return nodes.node("Log", nodes.node("Div", limited, rest))

    return write


def reduce(kind: str, axes: Sequence[int], keepdims: bool) -> SubgraphWriter:
    """ReduceMax or ReduceMin over axes."""
    return lambda nodes, x: nodes.reduce(kind, x, axes, keepdims)


def log_sigmoid(nodes: NodeWriter, x: str) -> str:
    """``-softplus(-x)``, which stays finite where ``log(sigmoid(x))`` does not."""
    return nodes.node("Neg", nodes.node("Softplus", nodes.node("Neg", x)))


def roll(shifts: Sequence[int], axes: Sequence[int]) -> SubgraphWriter:
    """Each axis cut at ``side - shift mod side`` and put together the other way round."""

    def write(nodes: NodeWriter, x: str) -> str:
        nodes.need(10, "roll over a side that is left free")  # Mod, and Slice by inputs
        for shift, axis in zip(shifts, axes, strict=True):
            along, start = nodes.constant([axis], "int64"), nodes.constant([0], "int64")
            side = nodes.node("Gather", nodes.node("Shape", x), along)
            wrapped = nodes.node("Mod", nodes.constant([shift], "int64"), side)
            cut = nodes.node("Sub", side, wrapped)
            parts = [(cut, side), (start, cut)]
            slices = [nodes.node("Slice", x, first, end, along) for first, end in parts]
            x = nodes.node("Concat", *slices, axis=axis)
        return x

    return write


def fill_like(value: float, shape: Sequence[int], from_axis: int, to_axis: int) -> SubgraphWriter:
    """A tensor of one number whose side ``to_axis`` is the side ``from_axis`` of another."""

    def write(nodes: NodeWriter, x: str) -> str:
        from onnx import numpy_helper

        nodes.need(9, "a tensor filled by the size of another")  # ConstantOfShape
        along = nodes.constant([from_axis], "int64")
        parts = [nodes.constant([side], "int64") for side in shape]
        parts[to_axis] = nodes.node("Gather", nodes.node("Shape", x), along)
        filled = numpy_helper.from_array(np.array([value], np.float32))
        return nodes.node("ConstantOfShape", nodes.node("Concat", *parts, axis=0), value=filled)

    return write


def channel_shuffle(channels: int, groups: int) -> SubgraphWriter:
    """Channel ``g * n + i`` goes to ``i * groups + g``, NCHW."""
    order = np.arange(channels).reshape(groups, -1).T.ravel()
    return lambda nodes, x: nodes.node("Gather", x, nodes.constant(order, "int64"), axis=1)


def adaptive_average(sizes: Sequence[int], counts: Sequence[int]) -> SubgraphWriter:
    """The means over the windows of both sides, each as one product with a matrix."""

    def write(nodes: NodeWriter, x: str) -> str:
        rows, columns = (_means(size, count) for size, count in zip(sizes, counts, strict=True))
        high = nodes.node("MatMul", nodes.constant(rows), x)
        return nodes.node("MatMul", high, nodes.constant(columns.T))

    return write


def _means(size: int, count: int) -> Array:
    matrix = np.zeros((count, size))
    for row, window in zip(matrix, pooling_windows(size, count), strict=True):
        row[window.start : window.stop] = 1 / len(window)
    return matrix


def adaptive_maximum(sizes: Sequence[int], counts: Sequence[int]) -> SubgraphWriter:
    """The maxima over the windows of both sides; shorter windows repeat their last element."""

    def write(nodes: NodeWriter, x: str) -> str:
        for axis, (size, count) in enumerate(zip(sizes, counts, strict=True), start=2):
            found = pooling_windows(size, count)
            longest = max(map(len, found))
            index = [[min(w.start + i, w.stop - 1) for i in range(longest)] for w in found]
            x = nodes.node("Gather", x, nodes.constant(index, "int64"), axis=axis)
            x = nodes.reduce("ReduceMax", x, [axis + 1], False)
        return x

    return write
