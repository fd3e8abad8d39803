"""The proven edge in a graph of values: all inputs of a step good, its output bad."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from paddleport.validate.bisect.computation import Graph, GraphStep

JUMP = 10.0
"""How much larger than before an error must be for one step to have made it."""

_WEIGHED = 24  # candidates that are looked at for each cut
Measure = Callable[[str], float | None]


class BudgetSpent(Exception):  # no error: the search ends and says how far it came
    """The time for searching is over."""


class Deadline:
    """The end of a time budget."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining_s(self) -> float:
        """Seconds left; negative once it is over."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raise BudgetSpent once it is over."""
        if self.remaining_s <= 0:
            raise BudgetSpent


@dataclass(frozen=True)
class NodeAlone:
    """The node in float64 on the backend's own inputs.

    Attributes:
        error: of the backend's output against that.
        right: whether the node is right on what it was fed, so that it only passes on, larger,
            what its inputs brought.
        rounds: whether rounding to the backend's precision explains the error.
    """

    error: float
    right: bool
    rounds: bool


@dataclass(frozen=True, kw_only=True)
class ErrorEdge:
    """A step whose output is bad, and what is known of its inputs.

    Attributes:
        step: the node.
        value: its bad output.
        before: worst error among its inputs; 0 where they are the feeds.
        after: error of the output.
        unknown: inputs that could not be measured.
        complete: False where the search ended before the inputs were proven good.
        alone: whether the node is right on what it was fed; ``None`` where that is unknown.
    """

    step: GraphStep
    value: str
    before: float
    after: float
    unknown: tuple[str, ...] = ()
    complete: bool = True
    alone: NodeAlone | None = None

    def jump(self, floor: float) -> float:
        """By what factor the error grows here; errors below ``floor`` are rounding."""
        before = max(self.before, floor)
        return math.inf if math.isinf(self.after) and before < math.inf else self.after / before


class EdgeSearch:
    """Looks for the first bad value behind a bad one, measuring as few as it can.

    Errors are not monotone: a relu may hide a fault, a branch may be good while its neighbour
    is not. So nothing is taken for granted but what is measured: the walk back from a bad
    value stops only at good values, and it ends at a step all of whose inputs are good.

    Attributes:
        graph: of the values.
        errors: what was measured, by value; ``None`` where it could not be.
    """

    def __init__(
        self,
        graph: Graph,
        measure: Measure,
        alone: Callable[[ErrorEdge], NodeAlone | None] = lambda edge: None,
    ) -> None:
        """Nothing is measured yet.

        Args:
            graph: of the values.
            measure: gives a value's error, or ``None`` where it cannot; may raise BudgetSpent.
            alone: whether an edge's node is right on what it was fed.
        """
        self.graph, self._measure, self._alone = graph, measure, alone
        self.errors: dict[str, float | None] = {}

    def first_jump(self, start: str, limit: float, floor: float) -> ErrorEdge:
        """The edge before ``start`` at which the error jumps, or else where it grows most.

        An error may be born small and amplified afterwards, so the first value above ``limit``
        is not yet the cause. Where the inputs' error is not far below, or the node is as right
        on what it was fed as its precision lets it be, the threshold goes down by factors of
        ``JUMP`` until an edge shows a jump that its node has made, or only rounding is left.

        Args:
            start: a value that is known to be bad; its error stands in ``errors``.
            limit: what counts as bad.
            floor: the size of errors that rounding makes.
        """
        best: ErrorEdge | None = None
        threshold = limit
        while True:
            try:
                edge = self._edge(start, threshold)
            except BudgetSpent:
                return replace(best, complete=False) if best else self._bracket(start, threshold)
            jumps = edge.jump(floor) >= JUMP
            if jumps:
                edge = replace(edge, alone=self._alone(edge))
            made_here = jumps and not (edge.alone and (edge.alone.right or edge.alone.rounds))
            if best is None or made_here or edge.jump(floor) > best.jump(floor):
                best = edge
            threshold /= JUMP
            if made_here or threshold < floor:
                return best

    def _edge(self, start: str, threshold: float) -> ErrorEdge:
        bad = start
        while True:
            behind = self.graph.behind(bad, lambda name: self._is_good(name, threshold))
            known = [name for name in behind if self._is_bad(name, threshold)]
            if known:
                bad = min(known, key=self._position)
                continue
            unmeasured = sorted(behind - self.errors.keys(), key=self._position)
            if not unmeasured:
                return self._edge_at(bad)
            self._error(self._middle(bad, unmeasured, threshold))

    def _bracket(self, start: str, threshold: float) -> ErrorEdge:
        """The earliest value known to be bad, as far as the time allowed."""
        bad = start
        while True:
            behind = self.graph.behind(bad, lambda name: self._is_good(name, threshold))
            known = [name for name in behind if self._is_bad(name, threshold)]
            if not known:
                return self._edge_at(bad, complete=False)
            bad = min(known, key=self._position)

    def _edge_at(self, value: str, *, complete: bool = True) -> ErrorEdge:
        step = self.graph.producer[value]
        inputs = self.graph.varying_inputs(step)
        errors = [self.errors.get(name) for name in inputs]
        before = max((error for error in errors if error is not None), default=0.0)
        unknown = tuple(name for name, error in zip(inputs, errors, strict=True) if error is None)
        after = self.errors[value]
        return ErrorEdge(
            step=step,
            value=value,
            before=before,
            after=math.inf if after is None else after,
            unknown=unknown,
            complete=complete,
        )

    def _middle(self, bad: str, unmeasured: Sequence[str], threshold: float) -> str:
        """The candidate that leaves the least to search, whichever way it turns out."""

        def left(name: str) -> tuple[int, int]:
            if_bad = self.graph.behind(name, lambda other: self._is_good(other, threshold))
            if_good = self.graph.behind(
                bad, lambda other: other == name or self._is_good(other, threshold)
            )
            return max(len(if_bad), len(if_good)), self._position(name)

        every = max(1, len(unmeasured) // _WEIGHED)
        return min(unmeasured[every // 2 :: every], key=left)

    def _error(self, name: str) -> float | None:
        if name not in self.errors:
            self.errors[name] = self._measure(name)
        return self.errors[name]

    def _is_good(self, name: str, threshold: float) -> bool:
        error = self.errors.get(name)
        return error is not None and error <= threshold

    def _is_bad(self, name: str, threshold: float) -> bool:
        error = self.errors.get(name)
        return error is not None and error > threshold

    def _position(self, name: str) -> int:
        return self.graph.producer[name].position
