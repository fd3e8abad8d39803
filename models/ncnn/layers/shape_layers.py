"""Other shapes and orders of the same values, and reductions, of ncnn in ONNX."""

from collections.abc import Callable, Mapping, Sequence
from math import prod

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.layers.shape_expression import evaluated
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.onnx_writer import Blob, OnnxWriter

_NONE = 233  # no batch axis
_DROPPED = -233
# of ncnn's documentation, by number, innermost first
_ORDERS = """
WHDC HWDC WDHC DWHC HDWC DHWC WHCD HWCD WCHD CWHD HCWD CHWD WDCH DWCH WCDH CWDH DCWH CDWH
HDCW DHCW HCDW CHDW DCHW CDHW
""".split()  # noqa: SIM905  # twenty lines otherwise
_ORDERS_OF_THREE = ("WHC", "HWC", "WCH", "CWH", "HCW", "CHW")


def _reshape(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    """Of the samples as one more axis, where the layer has one for them."""
    x = inputs[0]
    before, after = layer.integer(12, _NONE), layer.integer(13, _NONE)
    implicit = before == after == _NONE
    wanted = _wanted(layer, inputs)
    shape = list(x.shape)
    if layer.integer(3) or (before == _NONE and not implicit and x.samples > 1):
        raise BackendUnavailableError(f"ncnn's reshape {layer.name} is not done here")
    if implicit:
        wanted = [_copied(x, len(wanted) - at, size) for at, size in enumerate(wanted)]
        return graph.reshaped(x, _filled(layer, wanted, x.size))
    if before != _NONE:
        before = before % (len(shape) + 1)
        shape.insert(before, x.samples)
        if before:
            x = _batch_moved(graph, x, shape, 0, before)
    wanted = [shape[at] if size == 0 else size for at, size in enumerate(wanted)]
    wanted = _filled(layer, wanted, prod(shape))
    if after == _NONE:
        return graph.node("Reshape", [x, graph.integers(1, *wanted)], wanted, samples=1)
    after %= len(wanted)
    samples = wanted[after]
    rest = wanted[:after] + wanted[after + 1 :]
    y = graph.node("Reshape", [x, graph.integers(*wanted)], rest, samples=samples)
    return _batch_moved(graph, y, [samples, *rest], after, 0) if after else y


def _copied(x: Blob, last: int, size: int) -> int:
    """A size, or for 0 that of the same letter; ``last`` is 1 for w, 2 for h."""
    if size:
        return size
    names = {1: "w", 2: "hw", 3: "chw", 4: "cdhw"}
    wanted = names[4][-last] if last < 3 else "c"
    own = names[len(x.shape)]
    return x.shape[own.index(wanted)] if wanted in own else 1


def _batch_moved(
    graph: OnnxWriter, x: Blob, shape: Sequence[int], source: int, target: int
) -> Blob:
    """With the axis of the samples at another place."""
    axes = list(range(len(shape)))
    axes.insert(target, axes.pop(source))
    return graph.node("Transpose", [x], x.shape, samples=x.samples, perm=axes)


def _wanted(layer: NcnnLayer, inputs: Sequence[Blob]) -> list[int]:
    """The sizes that the layer asks for, outermost first."""
    text = layer.text(6)
    if text:
        return evaluated(text, inputs)[::-1]
    sizes = [layer.integer(number, _DROPPED) for number in (2, 11, 1, 0)]
    return [size for size in sizes if size != _DROPPED]


def _filled(layer: NcnnLayer, wanted: Sequence[int], total: int) -> list[int]:
    """With -1 as what is left."""
    known = prod(size for size in wanted if size != -1)
    found = [total // known if size == -1 and known else size for size in wanted]
    if prod(found) != total:
        raise BackendUnavailableError(
            f"ncnn's layer {layer.name} makes {list(wanted)} of {total} values, which can't be: "
            "ncnn takes this input otherwise, or one sample at a time"
        )
    return found


def _flatten(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    return graph.reshaped(inputs[0], (inputs[0].size,))


def _permute(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    kind, rank = layer.integer(0), len(x.shape)
    if rank == 1 or kind == 0:
        return x
    order = "HW" if rank == 2 else (_ORDERS_OF_THREE if rank == 3 else _ORDERS)[kind]
    have = {2: "HW", 3: "CHW", 4: "CDHW"}[rank]
    axes = [have.index(letter) for letter in reversed(order)]
    shape = [x.shape[axis] for axis in axes]
    return graph.node("Transpose", [x], shape, perm=[0, *(axis + 1 for axis in axes)])


def _squeeze(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    rank = len(x.shape)
    axes = [axis % rank for axis in layer.integers(3)]
    if not axes:
        letters = {1: "W", 2: "HW", 3: "CHW", 4: "CDHW"}[rank]
        numbers = {"W": 0, "H": 1, "D": 11, "C": 2}
        axes = [at for at, letter in enumerate(letters) if layer.integer(numbers[letter])]
    shape = [size for at, size in enumerate(x.shape) if size != 1 or at not in axes]
    return graph.reshaped(x, shape or (1,))


def _expand_dims(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    axes = layer.integers(3)
    if not axes:
        raise BackendUnavailableError(
            f"ncnn's layer {layer.name} adds dimensions in the old way, which is not done here"
        )
    return graph.reshaped(x, np.expand_dims(np.empty(x.shape, np.int8), axes).shape)


_REDUCTIONS = {
    **{0: "ReduceSum", 1: "ReduceL1", 2: "ReduceSumSquare", 3: "ReduceMean", 4: "ReduceMax"},
    **{5: "ReduceMin", 6: "ReduceProd", 7: "ReduceL1", 8: "ReduceL2", 9: "ReduceLogSum"},
    10: "ReduceLogSumExp",
}
_LINEAR = (0, 1, 3, 7, 8)  # the factor before or after is the same, where it is not negative


def _reduction(graph: OnnxWriter, layer: NcnnLayer, inputs: Sequence[Blob]) -> Blob:
    (x,) = inputs
    kind, factor = layer.integer(0), layer.number(2, 1.0)
    operator = _REDUCTIONS.get(kind)
    if operator is None or (factor != 1 and (kind not in _LINEAR or factor < 0)):
        raise BackendUnavailableError(
            f"ncnn's Reduction {kind} by {factor:g} ({layer.name}) is not known here"
        )
    axes = sorted({axis % len(x.shape) for axis in layer.integers(3)})
    if layer.integer(1, 1) or not axes:
        axes = list(range(len(x.shape)))
    keep = layer.integer(4)
    kept = [1 if at in axes else size for at, size in enumerate(x.shape)]
    shape = kept if keep else [size for at, size in enumerate(x.shape) if at not in axes]
    numbers = graph.integers(*(axis + 1 for axis in axes))
    y = graph.node(operator, [x, numbers], shape, keepdims=int(bool(keep)))
    if not shape:
        y = graph.reshaped(y, (1,))
    return graph.node("Mul", [y, graph.constant(factor)], y.shape) if factor != 1 else y


HANDLERS: Mapping[str, Callable[[OnnxWriter, NcnnLayer, Sequence[Blob]], Blob]] = {
    "ExpandDims": _expand_dims,
    "Flatten": _flatten,
    "Permute": _permute,
    "Reduction": _reduction,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
}
