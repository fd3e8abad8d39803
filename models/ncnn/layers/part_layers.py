"""Parts of blobs of ncnn in ONNX: joined, cut, padded, repeated, and constants."""

from collections.abc import Callable, Mapping, Sequence

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter

_REST = -233
_PADDING = {0: "constant", 1: "edge", 2: "reflect"}


def _memory_data(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    shape = [layer.integer(number) for number in (2, 11, 1, 0) if layer.integer(number)]
    return graph.constant_blob(layer.values("data").reshape(shape or (1,)))


def _copies(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> list[Blob]:
    return [inputs[0]] * len(layer.outputs)


def _same(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> list[Blob]:
    return list(inputs)


def _concat(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    axis = inputs[0].axis(layer.integer(0))
    samples = max(item.samples for item in inputs)
    parts = [graph.repeated(item, samples) for item in inputs]
    shape = list(inputs[0].shape)
    shape[axis - 1] = sum(item.shape[axis - 1] for item in inputs)
    return graph.node("Concat", parts, shape, axis=axis)


def _slice(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> list[Blob]:
    (x,) = inputs
    axis = x.axis(layer.integer(1))
    size, count = x.shape[axis - 1], len(layer.outputs)
    places, asked = layer.integers(2), layer.integers(0)
    found, at = [], 0
    for index in range(count):
        if places:
            end = size if index == count - 1 else places[index] % size
        elif asked[index] == _REST:
            end = at + (size - at) // (count - index)
        else:
            end = at + asked[index]
        found.append(_cut(graph, x, axis, at, end))
        at = end
    return found


def _cut(graph: OnnxWriter, x: Blob, axis: int, start: int, end: int) -> Blob:
    shape = list(x.shape)
    shape[axis - 1] = end - start
    if tuple(shape) == x.shape:
        return x
    bounds = [graph.integers(item) for item in (start, end, axis)]
    return graph.node("Slice", [x, *bounds], shape)


def _crop(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    x = inputs[0]
    starts, ends = layer.integers(9), layer.integers(10)
    if not starts or len(inputs) > 1 or any(number in layer.parameters for number in (19, 20)):
        raise BackendUnavailableError(
            f"ncnn's layer {layer.name} crops to another blob's size, or to one that is computed, "
            "which is not done here"
        )
    axes = layer.integers(11) or tuple(range(len(starts)))
    for axis, start, end in zip(axes, starts, ends, strict=True):
        size = x.shape[x.axis(axis) - 1]
        first = 0 if start == _REST else start if start >= 0 else size + start
        last = size if end == _REST else min(size, end if end > 0 else size + end)
        x = _cut(graph, x, x.axis(axis), first, last)
    return x


def _padding(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    kind = layer.integer(4)
    if kind not in _PADDING:
        raise BackendUnavailableError(f"ncnn's padding {kind} ({layer.name}) is not known here")
    around = [(layer.integer(2), layer.integer(3))]
    if len(x.shape) > 1:
        around.insert(0, (layer.integer(0), layer.integer(1)))
    if len(x.shape) > 2:
        around.insert(0, (layer.integer(7), layer.integer(8)))
    if len(x.shape) > 3:
        around.insert(0, (0, 0))
    shape = [size + sum(pad) for size, pad in zip(x.shape, around, strict=True)]
    pads = graph.integers(0, *(a for a, _ in around), 0, *(b for _, b in around))
    if layer.weight("per_channel_pad_data") is not None:
        values = layer.values("per_channel_pad_data").reshape(-1, *[1] * (len(x.shape) - 1))
        value = graph.constant(values)
        shifted = graph.node("Sub", [x, value], x.shape)
        padded = graph.node("Pad", [shifted, pads], shape)
        return graph.node("Add", [padded, value], shape)
    inputs_of_pad: list[Blob | str] = [x, pads]
    if kind == 0:
        inputs_of_pad.append(graph.constant(layer.number(5)))
    return graph.node("Pad", inputs_of_pad, shape, mode=_PADDING[kind])


def _tile(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    times = list(layer.integers(2))
    if not times:
        times = [1] * len(x.shape)
        times[x.axis(layer.integer(0)) - 1] = layer.integer(1, 1)
    rank = max(len(times), len(x.shape))
    x = graph.reshaped(x, (*[1] * (rank - len(x.shape)), *x.shape))
    times = [1] * (rank - len(times)) + times
    shape = [size * count for size, count in zip(x.shape, times, strict=True)]
    return graph.node("Tile", [x, graph.integers(1, *times)], shape)


HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob | Sequence[Blob]]] = {
    "Concat": _concat,
    "Crop": _crop,
    "DeepCopy": _copies,
    "MemoryData": _memory_data,
    "Noop": _same,
    "Padding": _padding,
    "Slice": _slice,
    "Split": _copies,
    "Tile": _tile,
}
