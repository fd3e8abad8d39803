"""The first step whose value another computation has lost, by ever smaller thresholds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from paddleport.validate.bisect.computation import GraphStep, frontier
from paddleport.validate.bisect.edge_search import JUMP, BudgetSpent, ErrorEdge
from paddleport.validate.bisect.value_lookup import ValueLookup

_ROUNDING_SHARE = 100.0  # of the limit: errors below are taken for rounding


@dataclass(frozen=True, kw_only=True)
class LostStep:
    """The step, and where the ONNX graph parts from its computation.

    Attributes:
        edge: the step, with its errors.
        floor: errors below are rounding.
        onnx_step: the ONNX node that parts there, if it is known.
        elsewhere: the tensor of the converted side that holds the output's value, which is not
            the output.
    """

    edge: ErrorEdge
    floor: float
    onnx_step: GraphStep | None = None
    elsewhere: str = ""


Found = TypeVar("Found", bound=LostStep)
Found_co = TypeVar("Found_co", bound=LostStep, covariant=True)


class Attempt(Protocol[Found_co]):
    """One search with one threshold."""

    def finding(self) -> Found_co:
        """The step; raises BudgetSpent."""

    def bracket(self) -> Found_co:
        """The earliest step known to be lost, as far as the time allowed."""


def find_lost_step(limit: float, attempt: Callable[[float, float], Attempt[Found]]) -> Found:
    """Search until the error jumps, only rounding is left, or the time is over.

    An error may be born below the limit and grow later; then the first step whose value is lost
    by the limit is not yet the cause, and the search goes on with a smaller one.

    Args:
        limit: what counts as parted, in the tolerance's unit.
        attempt: begins a search, with its threshold and the floor of rounding.
    """
    floor = limit / _ROUNDING_SHARE
    best: Found | None = None
    threshold = limit
    while True:
        search = attempt(threshold, floor)
        try:
            found = search.finding()
        except BudgetSpent:
            best = best or search.bracket()
            return replace(best, edge=replace(best.edge, complete=False))
        if best is None or found.edge.jump(floor) > best.edge.jump(floor):
            best = found
        threshold /= JUMP
        if found.elsewhere or best.edge.jump(floor) >= JUMP or threshold < floor:
            return best


def parting_steps(
    ours: ValueLookup, lost: Sequence[GraphStep], other: ValueLookup, theirs: Sequence[GraphStep]
) -> tuple[GraphStep, GraphStep | None]:
    """Where either side parts among its lost steps: preferably a pair that reads the same values.

    Args:
        ours: our values, as they are looked up on the other side.
        lost: our steps whose values are not there.
        other: the other side's values, as they are looked up on ours.
        theirs: its steps whose values are not here.
    """
    steps = frontier(ours.side.graph, lost, ours.present)
    other_steps = frontier(other.side.graph, theirs, other.present)
    for step in steps:
        read = {found[0] for found in map(ours.find, step.inputs) if found}
        for other_step in other_steps:
            if read & set(other_step.inputs):
                return step, other_step
    return steps[0], next(iter(other_steps), None)
