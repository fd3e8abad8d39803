"""The answer of ``locate``: the first place where two computations part."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TensorRange:
    """One input of the node where they part, as the reference side computes it."""

    name: str
    shape: tuple[int, ...]
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Located:
    """Where a backend, or the conversion, leaves the reference.

    Attributes:
        side: ``runtime``: the ONNX graph on the backend against the same in float64;
            ``converter``: the ONNX graph in float64 against Paddle's own intermediate values.
        node: the ONNX node's name, or its first output where it has none; for a converter,
            the Paddle operator's name and output.
        operator: the operator's type, such as ``Conv`` or ``pd_op.batch_norm_``.
        output: the first tensor that differs.
        position: of the node in the graph's order, from 1.
        nodes: how many there are.
        inputs: the node's inputs, constants left out.
        error_before: worst error among the node's inputs, in the tolerance's unit.
        error_after: error of its output, likewise.
        limit: what counts as parted, likewise.
        feed: name of the feed it was found with.
        cuts: how many cuts were run; for a converter, how many values were looked up.
        complete: False when the time was spent first; the fault then lies at or before the node.
        sentence: one line for a reader.
    """

    side: Literal["runtime", "converter"]
    node: str
    operator: str
    output: str
    position: int
    nodes: int
    inputs: tuple[TensorRange, ...]
    error_before: float
    error_after: float
    limit: float
    feed: str
    cuts: int
    complete: bool
    sentence: str
