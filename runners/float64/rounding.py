"""What rounding alone would do to a graph: every value disturbed as a narrower format disturbs it.

Monte Carlo arithmetic in its simplest form (Parker, "Monte Carlo Arithmetic", 1997): each
result is multiplied by 1 + u ξ with ξ uniform in [-1, 1], each weight of a product likewise,
which stands for the roundings inside its sum. How far the outputs move is what a computation
with unit roundoff u may be expected to be off by, whoever does it right.
"""

from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
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


def disturb(
    evaluator: ReferenceEvaluator, proto: onnx.ModelProto, unit_roundoff: float, seed: int
) -> None:
    """Have every node that rounds give a disturbed result; subgraphs' nodes are left alone."""
    noise = _Noise(unit_roundoff, seed)
    fed = {item.name for item in proto.graph.input}
    for node, operator in zip(proto.graph.node, evaluator.rt_nodes_, strict=True):
        if node.op_type in _FORGETS_VALUES or not fed & set(node.input):
            continue
        fed |= set(node.output)
        if node.op_type not in _EXACT:
            operator.run = _rounding(operator.run, noise, product=node.op_type in _PRODUCTS)


class _Noise:
    """Multiplies tensors of doubles by 1 + u ξ."""

    def __init__(self, unit_roundoff: float, seed: int) -> None:
        self._unit_roundoff = unit_roundoff
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def __call__(self, tensor: Any) -> Any:
        if not isinstance(tensor, np.ndarray) or tensor.dtype != np.float64:
            return tensor
        return tensor * (1 + self._unit_roundoff * self._generator.uniform(-1, 1, tensor.shape))


def _rounding(run: Any, noise: _Noise, *, product: bool) -> Any:
    """A node's ``run`` with its results disturbed, and with them the factors of a product."""

    def disturbed(*inputs: Any, **attributes: Any) -> tuple[Any, ...]:
        if product:
            inputs = (inputs[0], *map(noise, inputs[1:]))
        return tuple(map(noise, run(*inputs, **attributes)))

    return disturbed
