"""Normalisations of ncnn in ONNX."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter

_EPSILON = 0.001  # ncnn's default
_ACROSS_CHANNELS = 0


def _batch_norm(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    names = ("slope_data", "bias_data", "mean_data", "var_data")
    numbers = [graph.constant(layer.values(name)) for name in names]
    return graph.node("BatchNormalization", [x, *numbers], x.shape, epsilon=layer.number(1))


def _layer_norm(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    count = layer.integer(0)
    rows = _rows(graph, layer, x, count)
    y = graph.node(
        "LayerNormalization",
        [rows, graph.constant(_ones(count))],
        rows.shape,
        axis=-1,
        epsilon=layer.number(1, _EPSILON),
    )
    return graph.reshaped(_affine(graph, layer, y), x.shape)


def _rms_norm(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    rows = _rows(graph, layer, x, layer.integer(0))
    square = graph.node("Mul", [rows, rows], rows.shape)
    one = (*rows.shape[:-1], 1)
    mean = graph.node("ReduceMean", [square, graph.integers(-1)], one, keepdims=1)
    more = graph.node("Add", [mean, graph.constant(layer.number(1, _EPSILON))], one)
    y = graph.node("Div", [rows, graph.node("Sqrt", [more], one)], rows.shape)
    return graph.reshaped(_affine(graph, layer, y), x.shape)


def _rows(graph: OnnxWriter, layer: NcnnLayer, x: Blob, count: int) -> Blob:
    """What is normalised together along the last axis: a row, or a channel of one."""
    if x.shape[-1] == count or len(x.shape) == 1:
        return x
    if len(x.shape) == 3 and x.shape[1] * x.shape[2] == count:
        return graph.reshaped(x, (x.shape[0], count))
    raise BackendUnavailableError(
        f"ncnn's layer {layer.name} normalises {count} values of {list(x.shape)}, which is not "
        "done here"
    )


def _affine(graph: OnnxWriter, layer: NcnnLayer, y: Blob) -> Blob:
    """By gamma and beta along the last axis, where the layer has them."""
    if layer.weight("gamma_data") is not None:
        y = graph.node("Mul", [y, graph.constant(layer.values("gamma_data"))], y.shape)
    if layer.weight("beta_data") is not None:
        y = graph.node("Add", [y, graph.constant(layer.values("beta_data"))], y.shape)
    return y


def _group_norm(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    return _in_groups(graph, layer, inputs[0], layer.integer(0, 1), layer.number(2, _EPSILON))


def _instance_norm(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    x = inputs[0]
    return _in_groups(graph, layer, x, x.shape[0], layer.number(1, _EPSILON))


def _in_groups(graph: OnnxWriter, layer: NcnnLayer, x: Blob, groups: int, epsilon: float) -> Blob:
    channels = x.shape[0]
    table = graph.reshaped(x, (channels, x.size // channels))
    gamma: Any = _ones(channels)
    beta: Any = [0.0] * channels
    if layer.weight("gamma_data") is not None:
        gamma, beta = layer.values("gamma_data"), layer.values("beta_data")
    y = graph.node(
        "GroupNormalization",
        [table, graph.constant(gamma), graph.constant(beta)],
        table.shape,
        num_groups=groups,
        epsilon=epsilon,
    )
    return graph.reshaped(y, x.shape)


def _local_response(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    if layer.integer(0) != _ACROSS_CHANNELS:
        raise BackendUnavailableError(
            f"ncnn's layer {layer.name} normalises within channels, which is not done here"
        )
    return graph.node(
        "LRN",
        [x],
        x.shape,
        size=layer.integer(1, 5),
        alpha=layer.number(2, 1.0),
        beta=layer.number(3, 0.75),
        bias=layer.number(4, 1.0),
    )


def _ones(count: int) -> list[float]:
    return [1.0] * count


HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob]] = {
    "BatchNorm": _batch_norm,
    "GroupNorm": _group_norm,
    "InstanceNorm": _instance_norm,
    "LRN": _local_response,
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
}
