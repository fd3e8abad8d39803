"""Attention of ncnn in ONNX: MultiHeadAttention with its products, and SDPA without."""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.layers.int8_values import refuse_int8
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter


def _multi_head(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    refuse_int8(layer, 18)
    _refuse_cache(layer)
    *blobs, mask = inputs if layer.integer(5) else (*inputs, None)
    found = [item for item in blobs if item is not None]
    q = found[0]
    k = found[1] if len(found) > 1 else q
    v = found[2] if len(found) > 2 else k
    width, heads = layer.integer(0), layer.integer(1, 1)
    scale = layer.number(6, 1 / sqrt(width // heads))
    queries = graph.node(
        "Mul", [_affine(graph, layer, q, "q"), graph.constant(scale)], (q.shape[0], width)
    )
    keys, values = _affine(graph, layer, k, "k"), _affine(graph, layer, v, "v")
    split = [_heads(graph, x, heads) for x in (queries, keys, values)]
    mixed = _mixed(graph, split, 1.0, mask)
    joined = graph.node(
        "Transpose", [mixed], (q.shape[0], heads, width // heads), perm=[0, 2, 1, 3]
    )
    return _affine(graph, layer, graph.reshaped(joined, (q.shape[0], width)), "out")


def _affine(graph: OnnxWriter, layer: NcnnLayer, x: Blob, part: str) -> Blob:
    bias = layer.values(f"{part}_bias_data")
    weights = layer.values(f"{part}_weight_data").reshape(bias.size, -1)
    shape = (x.shape[0], bias.size)
    y = graph.node("MatMul", [x, graph.constant(weights.T)], shape)
    return graph.node("Add", [y, graph.constant(bias)], shape)


def _heads(graph: OnnxWriter, x: Blob, heads: int) -> Blob:
    """(length, width) as (heads, length, width of one)."""
    length, width = x.shape
    x = graph.reshaped(x, (length, heads, width // heads))
    return graph.node("Transpose", [x], (heads, length, width // heads), perm=[0, 2, 1, 3])


def _scaled_product(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    refuse_int8(layer, 18)
    _refuse_cache(layer)
    q, k, v = inputs[:3]
    mask = inputs[3] if layer.integer(5) else None
    groups, heads = k.shape[0], q.shape[0]
    k, v = (_repeated_heads(graph, x, heads // groups) for x in (k, v))
    return _mixed(graph, [q, k, v], layer.number(6) or 1 / sqrt(q.shape[2]), mask)


def _repeated_heads(graph: OnnxWriter, x: Blob, times: int) -> Blob:
    if times == 1:
        return x
    heads, length, width = x.shape
    x = graph.reshaped(x, (heads, 1, length, width))
    wide = graph.integers(x.samples, heads, times, length, width)
    x = graph.node("Expand", [x, wide], (heads, times, length, width))
    return graph.reshaped(x, (heads * times, length, width))


def _mixed(graph: OnnxWriter, parts: Sequence[Blob], scale: float, mask: Blob | None) -> Blob:
    """The softmax of queries by keys, by the values; all (heads, length, width)."""
    q, k, v = parts
    heads, length, _ = q.shape
    turned = graph.node("Transpose", [k], (heads, k.shape[2], k.shape[1]), perm=[0, 1, 3, 2])
    shape = (heads, length, k.shape[1])
    score = graph.node("MatMul", [q, turned], shape)
    if scale != 1:
        score = graph.node("Mul", [score, graph.constant(scale)], shape)
    if mask is not None:
        if len(mask.shape) == 2:
            mask = graph.reshaped(mask, (1, *mask.shape))
        score = graph.node("Add", [score, mask], shape)
    share = graph.node("Softmax", [score], shape, axis=-1)
    return graph.node("MatMul", [share, v], (heads, length, v.shape[2]))


def _refuse_cache(layer: NcnnLayer) -> None:
    if layer.integer(7):
        raise BackendUnavailableError(
            f"ncnn's layer {layer.name} keeps keys and values from one run to the next, which is "
            "not done here"
        )


HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob]] = {
    "MultiHeadAttention": _multi_head,
    "SDPA": _scaled_product,
}
