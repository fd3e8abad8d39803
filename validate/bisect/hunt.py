"""The first Paddle operator whose value the ONNX graph has lost, with ever smaller thresholds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from paddleport.validate.bisect.folding import (
    alike,
    folded_into,
    idle_steps,
    is_kept,
    normalisation,
    stays_apart,
)
from paddleport.validate.bisect.graph import Step, frontier, lost_steps
from paddleport.validate.bisect.match import Matcher
from paddleport.validate.bisect.probe import BudgetSpent
from paddleport.validate.bisect.search import JUMP, Edge
from paddleport.validate.bisect.sides import BadOutput, Lookup, Side, name_in_onnx, name_in_paddle

_ROUNDING_SHARE = 100.0  # of the limit: errors below are taken for rounding
_FIT_ROUNDING = 2.0  # how much larger than its inputs' error a fitted value's may be


@dataclass(frozen=True)
class Finding:
    """What a hunt found.

    Attributes:
        edge: the Paddle operator, with its errors.
        floor: errors below are rounding.
        folded: lost operators that follow it one by one, perhaps in the same ONNX node.
        kept: a linear operator before it, whose value the file has up to scale and shift.
        idle: operators before it that change next to nothing, so that nothing is known of them.
        reordered: operators before it whose values are there in another order only.
        onnx_step: where the ONNX graph parts, if it is known.
        elsewhere: the ONNX tensor that holds the output's value, which is not the output.
    """

    edge: Edge
    floor: float
    folded: Sequence[Step] = ()
    kept: Step | None = None
    idle: Sequence[Step] = ()
    reordered: Sequence[Step] = ()
    onnx_step: Step | None = None
    elsewhere: str = ""


def hunt(
    paddle: Side, exact: Side, bad: BadOutput, limit: float, tick: Callable[[str], None]
) -> Finding:
    """Hunt until the error jumps, only rounding is left, or ``tick`` says that time is over.

    An error may be born below the limit and grow later; then the first operator whose value is
    lost by the limit is not yet the cause, and the hunt goes on with a smaller one.
    """
    floor = limit / _ROUNDING_SHARE
    best: Finding | None = None
    threshold = limit
    while True:
        attempt = _Attempt(paddle, exact, bad, threshold, floor, tick)
        try:
            found = attempt.finding()
        except BudgetSpent:
            best = best or attempt.bracket()
            return replace(best, edge=replace(best.edge, complete=False))
        if best is None or found.edge.jump(floor) > best.edge.jump(floor):
            best = found
        threshold /= JUMP
        if found.elsewhere or best.edge.jump(floor) >= JUMP or threshold < floor:
            return best


class _Attempt:
    """One search with one threshold, on both sides at once."""

    def __init__(
        self,
        paddle: Side,
        exact: Side,
        bad: BadOutput,
        threshold: float,
        floor: float,
        tick: Callable[[str], None],
    ) -> None:
        self.paddle, self.exact, self.bad = paddle, exact, bad
        self.threshold, self.floor = threshold, floor
        in_onnx = Matcher(exact.values, exact.names, threshold)
        self.in_onnx = Lookup(paddle, in_onnx, name_in_onnx, tick)
        in_paddle = Matcher(paddle.values, paddle.names, threshold)
        self.in_paddle = Lookup(exact, in_paddle, name_in_paddle, tick)

    def finding(self) -> Finding:
        """The operator, and what the ONNX side adds to it; raises BudgetSpent."""
        graph, bad = self.paddle.graph, self.bad
        elsewhere = self._elsewhere()
        if elsewhere:
            edge = self._edge_at(graph.producer[bad.paddle])
            return Finding(edge, self.floor, elsewhere=elsewhere)
        lost = lost_steps(graph, bad.paddle, self.in_onnx.present)
        theirs = lost_steps(self.exact.graph, bad.onnx, self.in_paddle.present)
        step, onnx_step = self._parting(lost, theirs)
        step, idle = self._unless_idle(step, onnx_step)
        reordered = [
            graph.producer[name]
            for name in graph.varying_inputs(step)
            if name in self.in_onnx.reordered
        ]
        found = Finding(
            self._edge_at(step), self.floor, idle=idle, reordered=reordered, onnx_step=onnx_step
        )
        return self._with_folded(found, lost, theirs)

    def bracket(self) -> Finding:
        """The earliest operator known to be lost, as far as the time allowed."""
        known = [name for name, found in self.in_onnx.known.items() if found is None]
        makers = [self.paddle.graph.producer.get(name) for name in [self.bad.paddle, *known]]
        edge = self._edge_at(min(filter(None, makers), key=lambda step: step.position))
        return Finding(replace(edge, complete=False), self.floor)

    def _elsewhere(self) -> str:
        """The ONNX tensor that holds the bad output's value although the output does not."""
        found = self.in_onnx.matcher.find_output(self.paddle.values.load(self.bad.paddle))
        return found if found != self.bad.onnx else ""

    def _parting(self, lost: Sequence[Step], theirs: Sequence[Step]) -> tuple[Step, Step | None]:
        """Where either side parts: preferably a pair that reads the same values."""
        steps = frontier(self.paddle.graph, lost, self.in_onnx.present)
        onnx_steps = frontier(self.exact.graph, theirs, self.in_paddle.present)
        for step in steps:
            read = {found[0] for found in map(self.in_onnx.find, step.inputs) if found}
            for onnx_step in onnx_steps:
                if read & set(onnx_step.inputs):
                    return step, onnx_step
        return steps[0], next(iter(onnx_steps), None)

    def _unless_idle(self, step: Step, onnx_step: Step | None) -> tuple[Step, list[Step]]:
        """``step``, or an operator before it that does nothing here and is what ONNX parts at.

        With it, those of which nothing is known, where none of them is.
        """
        if onnx_step is None or alike(step, onnx_step):
            return step, []
        idle = idle_steps(self.paddle.graph, step, self.in_onnx)
        named = next((item for item in idle if alike(item, onnx_step)), None)
        return (step, idle) if named is None else (named, [])

    def _edge_at(self, step: Step) -> Edge:
        found = [self.in_onnx.known.get(name) for name in self.paddle.graph.varying_inputs(step)]
        before = max((item[1] for item in found if item), default=0.0)
        value = next((name for name in step.outputs if name in self.paddle.values), self.bad.paddle)
        return Edge(step, value, before, self.bad.error)

    def _with_folded(self, found: Finding, lost: Sequence[Step], theirs: Sequence[Step]) -> Finding:
        """The operator that was folded into a linear one, if that came over right."""
        edge = found.edge
        folded = folded_into(self.paddle.graph, edge.step, lost)
        if found.onnx_step and stays_apart(self.exact.graph, found.onnx_step):
            folded = []
        kept = None
        rounding = max(self.threshold / JUMP, _FIT_ROUNDING * edge.before)
        if folded and is_kept(self.paddle, edge.value, self.exact, theirs, rounding):
            kept, named = edge.step, normalisation(folded)
            edge = replace(self._edge_at(named), before=edge.before)
            folded = [item for item in folded if item is not named]
        edge = replace(edge, after=self._nearest_error(edge.value, theirs))
        return replace(found, edge=edge, folded=folded, kept=kept)

    def _nearest_error(self, value: str, theirs: Sequence[Step]) -> float:
        lost = {name for step in theirs for name in step.outputs}
        found = None
        if value in self.paddle.values:
            loaded = self.paddle.values.load(value)
            found = self.in_onnx.matcher.nearest(loaded, lost.__contains__)
        return found[1] if found else math.inf
