"""Matrix products and embeddings of ncnn in ONNX."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.layers.activation_layers import fused
from paddleport.models.ncnn.layers.int8_values import (
    per_output,
    quantized_input,
    quantized_result,
    refuse_int8,
)
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter


def _inner_product(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    outputs = layer.integer(0)
    weights = layer.values("weight_data").reshape(outputs, -1)
    if not (len(x.shape) == 2 and x.shape[1] == weights.shape[1]):  # else row after row
        x = graph.reshaped(x, (x.size,))
    shape = (*x.shape[:-1], outputs)
    x = quantized_input(graph, layer, x)
    y = graph.node("MatMul", [x, graph.constant(weights.T)], shape)
    if layer.integer(8):
        scales = per_output(layer, outputs) * layer.values("bottom_blob_int8_scales")[0]
        y = graph.node("Div", [y, graph.constant(np.where(scales == 0, 1, scales))], shape)
    if layer.weight("bias_data") is not None:
        y = graph.node("Add", [y, graph.constant(layer.values("bias_data"))], shape)
    return quantized_result(graph, layer, fused(graph, layer, y))


def _gemm(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    refuse_int8(layer, 18)
    rest = list(inputs)
    m, n, k = (layer.integer(number) for number in (7, 8, 9))
    a = _factor(graph, layer, rest, "A_data", 4, (k, m) if layer.integer(2) else (m, k))
    b = _factor(graph, layer, rest, "B_data", 5, (n, k) if layer.integer(3) else (k, n))
    if layer.integer(2):
        a = graph.node("Transpose", [a], a.shape[::-1], perm=[0, 2, 1])
    if layer.integer(3):
        b = graph.node("Transpose", [b], b.shape[::-1], perm=[0, 2, 1])
    shape = (a.shape[0], b.shape[1])
    y = graph.node("MatMul", [a, b], shape)
    c = _addend(graph, layer, rest, shape)
    alpha, beta = layer.number(0, 1.0), layer.number(1, 1.0)
    if c is not None:
        if beta != 1:
            c = graph.node("Mul", [c, graph.constant(beta)], c.shape)
        y = graph.node("Add", [y, c], shape)
    if alpha != 1:
        y = graph.node("Mul", [y, graph.constant(alpha)], shape)
    if layer.integer(14):
        y = graph.node("Transpose", [y], shape[::-1], perm=[0, 2, 1])
    return graph.reshaped(y, (y.shape[0], 1, y.shape[1])) if layer.integer(11) else y


def _factor(
    graph: OnnxWriter,
    layer: NcnnLayer,
    rest: list[Blob],
    name: str,
    number: int,
    shape: tuple[int, int],
) -> Blob:
    """A matrix of the product, constant or the next input."""
    if layer.integer(number):
        return graph.constant_blob(layer.values(name).reshape(shape))
    x = rest.pop(0)
    rows = 1 if len(x.shape) == 1 else x.shape[0]
    return graph.reshaped(x, (rows, x.shape[-1]))


def _addend(
    graph: OnnxWriter, layer: NcnnLayer, rest: list[Blob], shape: tuple[int, int]
) -> Blob | None:
    """What is added, in a shape that broadcasts."""
    m, n = shape
    if layer.integer(6):
        kind = layer.integer(10)
        if kind == -1:
            return None
        wanted = {0: (1, 1), 1: (m, 1), 2: (m, 1), 3: (m, n), 4: (1, n)}[kind]
        return graph.constant_blob(layer.values("C_data").reshape(wanted))
    if not rest:
        return None
    c = rest.pop(0)
    if len(c.shape) == 1:  # the last of ncnn's rules that fits is the one it takes
        return graph.reshaped(c, (1, n) if c.shape[0] == n else (c.shape[0], 1))
    return c


def _matrix_product(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    a, b = inputs
    row, column = len(a.shape) == 1, len(b.shape) == 1
    a = graph.reshaped(a, (1, *a.shape)) if row else a
    if column:
        b = graph.reshaped(b, (*b.shape, 1))
    elif layer.integer(0):
        axes = [*range(len(b.shape) - 1), len(b.shape), len(b.shape) - 1]
        swapped = (*b.shape[:-2], b.shape[-1], b.shape[-2])
        b = graph.node("Transpose", [b], swapped, perm=axes)
    rank = max(len(a.shape), len(b.shape))
    a, b = (graph.reshaped(x, (*[1] * (rank - len(x.shape)), *x.shape)) for x in (a, b))
    outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = graph.node("MatMul", [a, b], (*outer, a.shape[-2], b.shape[-1]))
    kept = (
        *outer,
        *([] if row else [a.shape[-2]]),
        *([] if column else [b.shape[-1]]),
    )
    return graph.reshaped(y, kept or (1,))


def _embed(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    import onnx

    refuse_int8(layer, 18)
    (x,) = inputs
    if len(x.shape) != 1:
        raise BackendUnavailableError(
            f"ncnn's layer {layer.name} looks up a table of numbers, which is not done here"
        )
    outputs, words = layer.integer(0), layer.integer(1)
    shape = (*x.shape, outputs)
    whole = graph.node("Cast", [x], x.shape, to=onnx.TensorProto.INT64)
    low, high = graph.integers(0), graph.integers(words - 1)
    known = graph.node("Min", [graph.node("Max", [whole, low], x.shape), high], x.shape)
    table = graph.constant(layer.values("weight_data").reshape(words, outputs))
    y = graph.node("Gather", [table, known], shape, axis=0)
    if layer.weight("bias_data") is None:
        return y
    return graph.node("Add", [y, graph.constant(layer.values("bias_data"))], shape)


HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob]] = {
    "Embed": _embed,
    "Gemm": _gemm,
    "InnerProduct": _inner_product,
    "MatMul": _matrix_product,
}
