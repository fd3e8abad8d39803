"""Pooling of ncnn in ONNX, with every kind of padding, global and adaptive."""

from collections.abc import Callable, Mapping, Sequence
from math import prod

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter
from paddleport.tensors import Array

_MAXIMUM, _AVERAGE = 0, 1
_FULL, _VALID, _SAME_UPPER, _SAME_LOWER = range(4)
_LOWEST = -3.4028234663852886e38
_KEPT = -233


def _pooling(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    if layer.operator.endswith("3D"):
        raise BackendUnavailableError(f"ncnn's {layer.operator} ({layer.name}) is not done here")
    rank = 1 if layer.operator.endswith("1D") else 2
    kind = layer.integer(0)
    if kind not in (_MAXIMUM, _AVERAGE):
        raise BackendUnavailableError(f"ncnn's pooling {kind} ({layer.name}) is not known here")
    if layer.integer(4):
        return _over_all(graph, x, kind)
    if layer.integer(7):
        return _adaptive(graph, layer, x, rank, kind)
    return _windows(graph, layer, x, rank, kind)


def _over_all(graph: OnnxWriter, x: Blob, kind: int) -> Blob:
    operator = "ReduceMax" if kind == _MAXIMUM else "ReduceMean"
    axes = graph.integers(*range(2, len(x.shape) + 1))
    return graph.node(operator, [x, axes], x.shape[:1], keepdims=0)


def _adaptive(graph: OnnxWriter, layer: NcnnLayer, x: Blob, rank: int, kind: int) -> Blob:
    width = layer.integer(8)
    wanted = (layer.integer(18, width), width)[2 - rank :]
    for at, size in enumerate(wanted):
        if size != _KEPT:
            x = _adaptive_axis(graph, x, len(x.shape) - rank + at, size, kind)
    return x


def _adaptive_axis(graph: OnnxWriter, x: Blob, place: int, count: int, kind: int) -> Blob:
    """Along one axis, in ``count`` windows that may overlap."""
    size, parts = x.shape[place], []
    operator = "ReduceMax" if kind == _MAXIMUM else "ReduceMean"
    one = (*x.shape[:place], 1, *x.shape[place + 1 :])
    for at in range(count):
        first, last = size * at // count, -(-size * (at + 1) // count)
        bounds = [graph.integers(item) for item in (first, last, place + 1)]
        window = (*x.shape[:place], last - first, *x.shape[place + 1 :])
        part = graph.node("Slice", [x, *bounds], window)
        parts.append(graph.node(operator, [part, graph.integers(place + 1)], one, keepdims=1))
    shape = (*x.shape[:place], count, *x.shape[place + 1 :])
    return graph.node("Concat", parts, shape, axis=place + 1)


def _windows(graph: OnnxWriter, layer: NcnnLayer, x: Blob, rank: int, kind: int) -> Blob:
    kernel = (layer.integer(11, layer.integer(1)), layer.integer(1))[2 - rank :]
    strides = (layer.integer(12, layer.integer(2, 1)), layer.integer(2, 1))[2 - rank :]
    left = layer.integer(3)
    top = layer.integer(13, left)
    before = [top, left][2 - rank :]
    after = [layer.integer(15, top), layer.integer(14, left)][2 - rank :]
    asked = list(zip(before, after, strict=True))
    pads = _pads(layer, x.shape[1:], kernel, strides, asked)
    sizes = [size + sum(pad) for size, pad in zip(x.shape[1:], pads, strict=True)]
    padded = (x.shape[0], *sizes)
    if any(map(any, pads)):
        around = graph.integers(0, 0, *(a for a, _ in pads), 0, 0, *(b for _, b in pads))
        value = graph.constant(_LOWEST if kind == _MAXIMUM else 0.0)
        x = graph.node("Pad", [x, around, value], padded)
    shape = (
        x.shape[0],
        *((s - k) // stride + 1 for s, k, stride in zip(sizes, kernel, strides, strict=True)),
    )
    operator = "MaxPool" if kind == _MAXIMUM else "AveragePool"
    y = graph.node(operator, [x], shape, kernel_shape=kernel, strides=strides)
    if kind == _MAXIMUM or layer.integer(6):
        return y
    counts = _counts(layer, sizes, pads, asked, shape[1:], kernel, strides)
    if (counts == prod(kernel)).all():
        return y
    whole = graph.constant(float(prod(kernel)))
    return graph.node("Div", [graph.node("Mul", [y, whole], shape), graph.constant(counts)], shape)


def _pads(
    layer: NcnnLayer,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    asked: Sequence[tuple[int, int]],
) -> list[tuple[int, int]]:
    mode = layer.integer(5)
    found = []
    for size, span, stride, (before, after) in zip(sizes, kernel, strides, asked, strict=True):
        if mode in (_SAME_UPPER, _SAME_LOWER):
            missing = max(0, span + (size - 1) // stride * stride - size)
            half = missing // 2
            rest = missing - half
            found.append((half, rest) if mode == _SAME_UPPER else (rest, half))
            continue
        over = (size + before + after - span) % stride if mode == _FULL else 0
        found.append((before, after + (stride - over if over else 0)))
    return found


def _counts(
    layer: NcnnLayer,
    sizes: Sequence[int],
    pads: Sequence[tuple[int, int]],
    asked: Sequence[tuple[int, int]],
    outputs: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
) -> Array:
    """How many values each window averages over: without what is padded, but for SAME."""
    full = layer.integer(5) == _FULL
    per_axis = []
    for size, (_, end), (before, after), count, span, stride in zip(
        sizes, pads, asked, outputs, kernel, strides, strict=True
    ):
        inside = np.zeros(size)
        inside[max(0, before) : min(size, size - (end if full else after))] = 1
        steps = np.concatenate([[0.0], np.cumsum(inside)])
        per_axis.append(
            np.array([steps[at * stride + span] - steps[at * stride] for at in range(count)])
        )
    grid = per_axis[0]
    for other in per_axis[1:]:
        grid = np.multiply.outer(grid, other)
    return grid[None, None]


HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob]] = {
    "Pooling": _pooling,
    "Pooling1D": _pooling,
    "Pooling3D": _pooling,
}
