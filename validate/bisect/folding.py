"""Whose fault it is where the converter made one node of several Paddle operators."""

import math
from collections.abc import Sequence

from paddleport.validate.bisect.graph import Graph, Step, chain
from paddleport.validate.bisect.match import affine_error
from paddleport.validate.bisect.sides import Lookup, Side

_LONGEST_CHAIN = 4
_LINEAR = ("conv", "matmul", "mul", "fc", "linear", "bmm")  # a name's beginning, or after depthwise
_FOLDED = ("batch_norm", "scale", "elementwise_add", "elementwise_mul", "add", "multiply")
_UNFOLDED = ("BatchNormalization", "Add", "Mul")
_MOVERS = ("reshape", "flatten", "squeeze", "unsqueeze", "assign", "share_data", "cast")
_PREFIXES = ("depthwise_", "elementwise_", "reduce_")


def folded_into(graph: Graph, step: Step, lost: Sequence[Step]) -> list[Step]:
    """The lost operators after a linear one that a converter may fold into it; empty if none."""
    if not _begins(step, _LINEAR):
        return []
    found: list[Step] = []
    for item in chain(graph, step, lost, _LONGEST_CHAIN)[1:]:
        if not _begins(item, _FOLDED) or len(graph.varying_inputs(item)) != 1:
            break
        found.append(item)
    return found


def stays_apart(graph: Graph, onnx_step: Step) -> bool:
    """Whether a batch norm or bias of its own comes after an ONNX node: nothing is folded."""
    readers = [step for name in onnx_step.outputs for step in graph.consumers.get(name, ())]
    return any(
        step.operator in _UNFOLDED and len(graph.varying_inputs(step)) == 1 for step in readers
    )


def is_kept(paddle: Side, value: str, exact: Side, lost: Sequence[Step], limit: float) -> bool:
    """Whether a lost ONNX value is this Paddle value up to a scale and shift of each channel.

    If so the linear operator came over right, and what was folded into it did not.
    """
    if value not in paddle.values:
        return False
    whole = paddle.values.load(value)
    names = [name for step in lost for name in step.outputs if name in exact.values]
    errors = [affine_error(whole, exact.values.load(name)) for name in names]
    return min(errors, default=math.inf) <= limit


def normalisation(steps: Sequence[Step]) -> Step:
    """The batch norm among folded operators, or else the last of them."""
    return next((step for step in steps if _begins(step, ("batch_norm",))), steps[-1])


def idle_steps(graph: Graph, step: Step, in_onnx: Lookup) -> list[Step]:
    """The operators right before ``step`` that change next to nothing on this feed.

    What they read and what they write is one and the same ONNX tensor, so nothing tells whether
    they came over. Those that only give a tensor another shape are left out.
    """
    found: list[Step] = []
    open_steps = [step]
    while open_steps:
        for name in graph.varying_inputs(open_steps.pop()):
            maker = graph.producer[name]
            place = in_onnx.place(name)
            if not place or maker in found:
                continue
            found_reads = map(in_onnx.find, maker.inputs)
            if any(read and read[0] == place for read in found_reads):
                found.append(maker)
                open_steps.append(maker)
    return [maker for maker in found if not _begins(maker, _MOVERS)]


def alike(step: Step, onnx_step: Step) -> bool:
    """Whether a Paddle operator's name says the same as an ONNX operator's."""
    name = step.operator.rpartition(".")[2]
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    paddle = "".join(letter for letter in name.lower() if letter.isalpha())
    onnx = onnx_step.operator.lower()
    return paddle in onnx or onnx in paddle


def _begins(step: Step, words: Sequence[str]) -> bool:
    name = step.operator.rpartition(".")[2].removeprefix("depthwise_")
    return name.startswith(tuple(words))
