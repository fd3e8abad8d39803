"""The answer of ``locate``: the first place where two computations part, and its sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from paddleport.errors import PortError, WorkerCrashed
from paddleport.validate.bisect.computation import GraphStep, TensorRange
from paddleport.validate.bisect.edge_search import JUMP, ErrorEdge
from paddleport.validate.bisect.lost_operator import LostOperator

Side = Literal["runtime", "converter", "target"]


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Where a backend, or the conversion, leaves the reference.

    Attributes:
        side: ``runtime``: what the backend loads, run by it against the same in float64;
            ``converter``: the ONNX graph in float64 against Paddle's own intermediate values;
            ``target``: the layers of a target's file against the ONNX graph in float64.
        node: the ONNX node's name, or its first output where it has none; for a converter,
            the Paddle operator's name and output; for a target's file, its layer's name.
        operator: the operator's type, such as ``Conv`` or ``pd_op.batch_norm_``.
        output: the first tensor that differs.
        position: of the node in the graph's order, from 1.
        nodes: how many there are.
        inputs: the node's inputs, constants left out.
        error_before: worst error among the node's inputs, in the tolerance's unit.
        error_after: error of its output, likewise.
        limit: what counts as parted, likewise.
        feed: name of the feed it was found with.
        cuts: how many cuts were run; of a converter or a file, how many values were looked up.
        complete: False when the time was spent first; the fault then lies at or before the node.
        sentence: one line for a reader.
    """

    side: Side
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


def figure(error: float) -> str:
    """An error for a sentence."""
    return "beyond comparison" if math.isinf(error) else f"{error:.2g}"


def title(step: GraphStep) -> str:
    """A step for a sentence; Paddle's operators are named after their type."""
    if step.name.startswith(step.operator):
        return step.name
    return f"{step.operator} '{step.name}'"


def describe_edge(
    backend: str,
    edge: ErrorEdge,
    *,
    limit: float,
    floor: float,
    failure: PortError | None,
    only_whole: bool,
    untested: Sequence[PortError],
) -> str:
    """The runtime's side; the arguments are what the search found."""
    if only_whole:
        return (
            f"output {edge.value} {_fails_or_is_off(edge, failure)} only in the whole graph: cut "
            f"out alone it is good, so the fault comes with what {backend} fuses or keeps; no node "
            "can be named"
        )
    if not edge.complete:
        return (
            f"the time was spent: the fault lies at or before {title(edge.step)}, whose output "
            f"{_fails_or_is_off(edge, failure)}; give it more --seconds"
        )
    if failure is not None:
        return f"{backend} fails at {title(edge.step)} and not before it: {_short(failure)}"
    parts = _blame(backend, edge, limit, floor)
    if edge.unknown:
        why = f" ({_short(untested[0])})" if untested else ""
        parts.append(f"input {', '.join(edge.unknown)} could not be tested by itself{why}")
    return "; ".join(parts)


def _blame(backend: str, edge: ErrorEdge, limit: float, floor: float) -> list[str]:
    """What a proven edge says of its node."""
    rounds = edge.alone is not None and edge.alone.rounds and not edge.alone.right
    if rounds or edge.jump(floor) < JUMP:
        return [
            f"no single node makes it: on {backend} the error grows gradually, most at "
            f"{title(edge.step)}, from {figure(edge.before)} to {figure(edge.after)} (limit "
            f"{limit:g}); that is the mark of a low precision or of an ill-conditioned network"
        ]
    parts = [
        f"{backend} leaves float64 at {title(edge.step)}: {_inputs(edge)}, its output "
        f"{_is_off(edge.after)}, {_against(edge.after, limit)}"
    ]
    if edge.alone is not None and edge.alone.right:
        parts.append(
            f"the node itself is right on what {backend} feeds it ({figure(edge.alone.error)} "
            "from float64): it magnifies the rounding of its inputs"
        )
    elif edge.alone is not None:
        parts.append(f"the node is wrong on the very values that {backend} feeds it")
    return parts


def describe_lost_operator(found: LostOperator, limit: float) -> str:
    """The converter's side.

    Args:
        found: the operator, and what else is known of it.
        limit: what counts as parted.
    """
    edge = found.edge
    if found.elsewhere:
        return (
            f"Paddle's output {edge.value} is in the ONNX graph as {found.elsewhere}, and another "
            "tensor is given out in its place: outputs are swapped, taken from the wrong place, or "
            "changed once more"
        )
    there = f"; the ONNX graph parts at {title(found.onnx_step)}" if found.onnx_step else ""
    if not edge.complete:
        return (
            f"the time was spent: the fault lies at or before {title(edge.step)}, whose value the "
            f"ONNX graph does not have{there}; give it more --seconds"
        )
    nearest = (
        "no value of its shape is left"
        if math.isinf(edge.after)
        else f"the nearest is off by {figure(edge.after)}"
    )
    parts = [
        f"the ONNX graph leaves Paddle at {title(edge.step)}: its inputs are there (off by at most "
        f"{figure(edge.before)}), its value is not ({nearest}, "
        f"{_against(edge.after, limit)}){there}"
    ]
    return "; ".join([*parts, *_remarks(found)])


def _remarks(found: LostOperator) -> list[str]:
    """What else is known of a Paddle operator that was found."""
    edge, parts = found.edge, []
    if edge.value not in edge.step.outputs:
        parts.append("Paddle does not give its value, so the fault may be in what reads it")
    if edge.jump(found.floor) < JUMP:
        parts.append("the error grows gradually, so no single operator makes it")
    if found.kept is not None:
        parts.append(
            f"the value of {title(found.kept)} before it is there up to a scale and shift of each "
            "channel, into which the converter folded what follows"
        )
    if found.folded:
        parts.append(
            f"if the converter folded {_all_named(found.folded)} into the same node, the fault may "
            "be there as well"
        )
    if found.idle:
        parts.append(
            f"{_all_named(found.idle)} before it changes next to nothing on this feed, so the "
            "fault may be there as well"
        )
    if found.reordered:
        parts.append(
            f"of {_all_named(found.reordered)} before it the values are there in another order, "
            "which may be the fault"
        )
    return parts


def _all_named(steps: Sequence[GraphStep]) -> str:
    return " and ".join(title(step) for step in steps)


def _inputs(edge: ErrorEdge) -> str:
    return (
        f"its inputs are off by at most {figure(edge.before)}"
        if edge.before
        else ("its inputs are exact")
    )


def _fails_or_is_off(edge: ErrorEdge, failure: PortError | None) -> str:
    return f"fails ({_short(failure)})" if failure else _is_off(edge.after)


def _is_off(error: float) -> str:
    return "is beyond comparison" if math.isinf(error) else f"is off by {figure(error)}"


def _against(error: float, limit: float) -> str:
    """The limit, which an error may reach only later."""
    later = ", which it exceeds later" if error <= limit else ""
    return f"the limit is {limit:g}{later}"


def _short(error: PortError | None) -> str:
    return error.reason if isinstance(error, WorkerCrashed) else str(error)
