"""What rounding alone would do to a graph: every value disturbed as a narrower format disturbs it.

Monte Carlo arithmetic in its simplest form (Parker, "Monte Carlo Arithmetic", 1997): each
result is multiplied by 1 + u ξ with ξ uniform in [-1, 1], each weight of a product likewise,
which stands for the roundings inside its sum; sums of many values, and the means of
normalisations, are added up in float32. How far the outputs move is what a computation with unit
roundoff u may be expected to be off by, whoever does it right. What is beyond the format's range
becomes infinite, as it does there.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from paddleport.runners.float64.blocks import share_out
from paddleport.runners.float64.node import OperatorNode
from paddleport.runners.float64.normalization import moved_by_means, normalized_rows
from paddleport.tensors import Array

_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_SUMS = frozenset({"GlobalAveragePool", "ReduceMean", "ReduceSum"})
_NORMALISATIONS = frozenset({"GroupNormalization", "InstanceNormalization", "LayerNormalization"})
# They move, choose or compare values and round nothing.
_EXACT = frozenset(
    """
    Abs Cast CastLike Clip Concat Constant ConstantOfShape DepthToSpace Dropout Expand Flatten
    Gather GatherElements GatherND Identity MaxPool Max Min Neg NonZero Pad Relu Reshape ScatterND
    ScatterElements Slice SpaceToDepth Split Squeeze Tile TopK Transpose Trilu Unsqueeze Where
    """.split()  # noqa: SIM905  # thirty lines otherwise
)
# What is computed from a shape is a size, and sizes are exact in every format.
_FORGETS_VALUES = frozenset({"Shape", "Size"})


BLOCK = 1 << 15  # values that get one stretch of the table
_LEAST_SUMMED = 64  # values: of fewer, one rounding stands for all
_TABLE = 1 << 17  # random numbers
_RANGES = {2.0**-53: np.inf, 2.0**-11: 65504.0}  # of fp64 and fp16, by unit roundoff
_FLOAT32_RANGE = float(np.finfo(np.float32).max)  # bf16 has it too, and int8's scales
_SPARE = 32.0  # roundings: a mask of the largest number plus something is no overflow


class Noise:
    """Multiplies tensors of doubles by 1 + u ξ, and keeps them in the format's range.

    The ξ are drawn once. Each block of a tensor gets a stretch of them from a random place on,
    which costs a tenth of drawing: within a block they are independent, and no two blocks are
    likely to get the same ones.
    """

    def __init__(self, unit_roundoff: float, seed: int) -> None:
        """The same seed gives the same numbers, for tensors of the same sizes."""
        self._seed, self._times = seed, Counter[int]()
        drawn = np.random.Generator(np.random.SFC64(seed)).uniform(-1, 1, _TABLE)
        self._factors = 1 + unit_roundoff * drawn
        self._largest = _RANGES.get(unit_roundoff, _FLOAT32_RANGE) * (1 + _SPARE * unit_roundoff)
        self.restart({})

    def restart(self, feed: Mapping[str, Array]) -> None:
        """Begin anew for a feed: what it gets depends on that, and on how often it was fed."""
        digest = 0
        for tensor in feed.values():
            digest = crc32(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data, digest)
        entropy = [self._seed, digest, self._times[digest]]
        self._times[digest] += 1
        self._generator = np.random.Generator(np.random.SFC64(entropy))

    def __call__(self, tensor: Any) -> Any:
        """A disturbed copy; what holds no doubles as it is."""
        if not isinstance(tensor, np.ndarray) or tensor.dtype != np.float64:
            return tensor
        flat, result = np.ascontiguousarray(tensor).reshape(-1), np.empty(tensor.shape)
        table = result.reshape(-1)

        def disturb_block(block: tuple[int, int]) -> None:
            start, place = block
            values = flat[start : start + BLOCK]
            factors = self._factors[place : place + len(values)]
            found = np.multiply(values, factors, out=table[start : start + BLOCK])
            if not -self._largest <= found.min() <= found.max() <= self._largest:
                found[np.abs(found) > self._largest] *= np.inf

        starts = range(0, flat.size, BLOCK)
        places = self._generator.integers(0, _TABLE - BLOCK, len(starts)).tolist()
        share_out(disturb_block, list(zip(starts, places, strict=True)))
        return result


def disturb(
    evaluator: ReferenceEvaluator, proto: onnx.ModelProto, unit_roundoff: float, seed: int
) -> Noise:
    """Have every node that rounds give a disturbed result; subgraphs' nodes are left alone."""
    noise = Noise(unit_roundoff, seed)
    fed = {item.name for item in proto.graph.input}
    for node, operator in zip(proto.graph.node, evaluator.rt_nodes_, strict=True):
        if node.op_type in _FORGETS_VALUES or not fed & set(node.input):
            continue
        fed |= set(node.output)
        if node.op_type not in _EXACT:
            operator.run = _rounding(operator, noise)
    return noise


def _rounding(operator: Any, noise: Noise) -> Any:
    """A node's ``run`` with its results disturbed, and with them the factors of a product."""
    run, name = operator.run, operator.onnx_node.op_type

    def disturbed(*inputs: Any, **attributes: Any) -> tuple[Any, ...]:
        if name in _PRODUCTS:
            inputs = (inputs[0], *map(noise, inputs[1:]))
        results = run(*inputs, **attributes)
        if name in _SUMS:
            results = tuple(_added_in_float32(inputs[0], result) for result in results)
        elif name in _NORMALISATIONS:
            results = (results[0] + _means_in_float32(operator.node, *inputs[:2]), *results[1:])
        return tuple(map(noise, results))

    return disturbed


def _added_in_float32(tensor: Array, result: Any) -> Any:
    """Sums or means over a tensor's last axes, off by what adding up in float32 is off by.

    A kernel that adds one value after the other is off in one direction where the values are
    alike, as they are on a picture of one colour: by up to their number times the unit
    roundoff, which no independent disturbance of each would show.
    """
    if not isinstance(result, np.ndarray) or result.dtype != np.float64 or not result.size:
        return result
    count = tensor.size // result.size
    if count < _LEAST_SUMMED or tensor.size % result.size:
        return result
    rows = tensor.reshape(result.size, count)
    exact, given = rows.sum(axis=-1), result.reshape(-1)
    divisor = next((by for by in (1, count) if np.allclose(given, exact / by)), 0)
    if not divisor:
        return result  # over other axes
    moved: Array = result + ((_added(rows) - exact) / divisor).reshape(result.shape)
    return moved


def _means_in_float32(node: OperatorNode, x: Array, scale: Array) -> Array:
    """What a normalisation moves by, since its means are sums that were added up in float32.

    On values that are nearly alike this is far more than one rounding of each: what is left of
    them after the mean is as small as the mean's error.
    """
    rows = normalized_rows(node, x)
    return moved_by_means(node, x, scale, _added(rows) / rows.shape[-1])


def _added(rows: Array) -> Array:
    """The sum of each row, one value after the other in float32; [...] of rows [..., values]."""
    return np.asarray(np.add.accumulate(rows.astype(np.float32), axis=-1)[..., -1], np.float64)
