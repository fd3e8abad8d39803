"""The first Paddle operator whose value the ONNX graph has lost."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from paddleport.validate.bisect.computation import (
    Computation,
    Graph,
    GraphStep,
    chain,
    lost_steps,
)
from paddleport.validate.bisect.edge_search import JUMP, ErrorEdge
from paddleport.validate.bisect.lost_step import LostStep, find_lost_step, parting_steps
from paddleport.validate.bisect.value_lookup import (
    BadOutput,
    ValueLookup,
    ValueMatcher,
    affine_error,
    name_in_onnx,
    name_in_paddle,
)

_FIT_ROUNDING = 2.0  # how much larger than its inputs' error a fitted value's may be
_LONGEST_CHAIN = 4
_LINEAR = ("conv", "matmul", "mul", "fc", "linear", "bmm")  # a name's beginning, or after depthwise
_FOLDED = ("batch_norm", "scale", "elementwise_add", "elementwise_mul", "add", "multiply")
_UNFOLDED = ("BatchNormalization", "Add", "Mul")
_MOVERS = ("reshape", "flatten", "squeeze", "unsqueeze", "assign", "share_data", "cast")
_PREFIXES = ("depthwise_", "elementwise_", "reduce_")


@dataclass(frozen=True, kw_only=True)
class LostOperator(LostStep):
    """The first Paddle operator whose value the ONNX graph lost, and what else is known of it.

    Attributes:
        folded: lost operators that follow it one by one, perhaps in the same ONNX node.
        kept: a linear operator before it, whose value the file has up to scale and shift.
        idle: operators before it that change next to nothing, so that nothing is known of them.
        reordered: operators before it whose values are there in another order only.
    """

    folded: Sequence[GraphStep] = ()
    kept: GraphStep | None = None
    idle: Sequence[GraphStep] = ()
    reordered: Sequence[GraphStep] = ()


def find_lost_operator(
    paddle: Computation,
    float64: Computation,
    bad: BadOutput,
    limit: float,
    tick: Callable[[str], None],
) -> LostOperator:
    """As ``find_lost_step``; ``tick`` raises BudgetSpent when time is over."""
    return find_lost_step(
        limit,
        lambda threshold, floor: _ThresholdSearch(paddle, float64, bad, threshold, floor, tick),
    )


class _ThresholdSearch:
    """One search with one threshold, on both sides at once."""

    def __init__(
        self,
        paddle: Computation,
        float64: Computation,
        bad: BadOutput,
        threshold: float,
        floor: float,
        tick: Callable[[str], None],
    ) -> None:
        self.paddle, self.float64, self.bad = paddle, float64, bad
        self.threshold, self.floor = threshold, floor
        in_onnx = ValueMatcher(float64.values, float64.names, threshold)
        self.in_onnx = ValueLookup(side=paddle, matcher=in_onnx, own=name_in_onnx, tick=tick)
        in_paddle = ValueMatcher(paddle.values, paddle.names, threshold)
        self.in_paddle = ValueLookup(side=float64, matcher=in_paddle, own=name_in_paddle, tick=tick)

    def finding(self) -> LostOperator:
        """The operator, and what the ONNX side adds to it; raises BudgetSpent."""
        graph, bad = self.paddle.graph, self.bad
        elsewhere = self._elsewhere()
        if elsewhere:
            edge = self._edge_at(graph.producer[bad.paddle])
            return LostOperator(edge=edge, floor=self.floor, elsewhere=elsewhere)
        lost = lost_steps(graph, bad.paddle, self.in_onnx.present)
        theirs = lost_steps(self.float64.graph, bad.onnx, self.in_paddle.present)
        step, onnx_step = parting_steps(self.in_onnx, lost, self.in_paddle, theirs)
        step, idle = self._unless_idle(step, onnx_step)
        reordered = [
            graph.producer[name]
            for name in graph.varying_inputs(step)
            if name in self.in_onnx.reordered
        ]
        found = LostOperator(
            edge=self._edge_at(step),
            floor=self.floor,
            idle=idle,
            reordered=reordered,
            onnx_step=onnx_step,
        )
        return self._with_folded(found, lost, theirs)

    def bracket(self) -> LostOperator:
        """The earliest operator known to be lost, as far as the time allowed."""
        known = [name for name, found in self.in_onnx.known.items() if found is None]
        makers = [self.paddle.graph.producer.get(name) for name in [self.bad.paddle, *known]]
        edge = self._edge_at(min(filter(None, makers), key=lambda step: step.position))
        return LostOperator(edge=replace(edge, complete=False), floor=self.floor)

    def _elsewhere(self) -> str:
        """The ONNX tensor that holds the bad output's value although the output does not."""
        found = self.in_onnx.matcher.find_output(self.paddle.values.load(self.bad.paddle))
        return found if found != self.bad.onnx else ""

    def _unless_idle(
        self, step: GraphStep, onnx_step: GraphStep | None
    ) -> tuple[GraphStep, list[GraphStep]]:
        """``step``, or an operator before it that does nothing here and is what ONNX parts at.

        With it, those of which nothing is known, where none of them is.
        """
        if onnx_step is None or alike(step, onnx_step):
            return step, []
        idle = idle_steps(self.paddle.graph, step, self.in_onnx)
        named = next((item for item in idle if alike(item, onnx_step)), None)
        return (step, idle) if named is None else (named, [])

    def _edge_at(self, step: GraphStep) -> ErrorEdge:
        found = [self.in_onnx.known.get(name) for name in self.paddle.graph.varying_inputs(step)]
        before = max((item[1] for item in found if item), default=0.0)
        value = next((name for name in step.outputs if name in self.paddle.values), self.bad.paddle)
        return ErrorEdge(step=step, value=value, before=before, after=self.bad.error)

    def _with_folded(
        self, found: LostOperator, lost: Sequence[GraphStep], theirs: Sequence[GraphStep]
    ) -> LostOperator:
        """The operator that was folded into a linear one, if that came over right."""
        edge = found.edge
        folded = folded_into(self.paddle.graph, edge.step, lost)
        if found.onnx_step and stays_apart(self.float64.graph, found.onnx_step):
            folded = []
        kept = None
        rounding = max(self.threshold / JUMP, _FIT_ROUNDING * edge.before)
        if folded and is_kept(self.paddle, edge.value, self.float64, theirs, rounding):
            kept, named = edge.step, normalisation(folded)
            edge = replace(self._edge_at(named), before=edge.before)
            folded = [item for item in folded if item is not named]
        edge = replace(edge, after=self._nearest_error(edge.value, theirs))
        return replace(found, edge=edge, folded=folded, kept=kept)

    def _nearest_error(self, value: str, theirs: Sequence[GraphStep]) -> float:
        lost = {name for step in theirs for name in step.outputs}
        found = None
        if value in self.paddle.values:
            loaded = self.paddle.values.load(value)
            found = self.in_onnx.matcher.nearest(loaded, lost.__contains__)
        return found[1] if found else math.inf


def folded_into(graph: Graph, step: GraphStep, lost: Sequence[GraphStep]) -> list[GraphStep]:
    """The lost operators after a linear one that a converter may fold into it; empty if none."""
    if not _begins(step, _LINEAR):
        return []
    found: list[GraphStep] = []
    for item in chain(graph, step, lost, _LONGEST_CHAIN)[1:]:
        if not _begins(item, _FOLDED) or len(graph.varying_inputs(item)) != 1:
            break
        found.append(item)
    return found


def stays_apart(graph: Graph, onnx_step: GraphStep) -> bool:
    """Whether a batch norm or bias of its own comes after an ONNX node: nothing is folded."""
    readers = [step for name in onnx_step.outputs for step in graph.consumers.get(name, ())]
    return any(
        step.operator in _UNFOLDED and len(graph.varying_inputs(step)) == 1 for step in readers
    )


def is_kept(
    paddle: Computation, value: str, float64: Computation, lost: Sequence[GraphStep], limit: float
) -> bool:
    """Whether a lost ONNX value is this Paddle value up to a scale and shift of each channel.

    If so the linear operator came over right, and what was folded into it did not.
    """
    if value not in paddle.values:
        return False
    whole = paddle.values.load(value)
    names = [name for step in lost for name in step.outputs if name in float64.values]
    errors = [affine_error(whole, float64.values.load(name)) for name in names]
    return min(errors, default=math.inf) <= limit


def normalisation(steps: Sequence[GraphStep]) -> GraphStep:
    """The batch norm among folded operators, or else the last of them."""
    return next((step for step in steps if _begins(step, ("batch_norm",))), steps[-1])


def idle_steps(graph: Graph, step: GraphStep, in_onnx: ValueLookup) -> list[GraphStep]:
    """The operators right before ``step`` that change next to nothing on this feed.

    What they read and what they write is one and the same ONNX tensor, so nothing tells whether
    they came over. Those that only give a tensor another shape are left out.
    """
    found: list[GraphStep] = []
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


def alike(step: GraphStep, onnx_step: GraphStep) -> bool:
    """Whether a Paddle operator's name says the same as an ONNX operator's."""
    name = step.operator.rpartition(".")[2]
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    paddle = "".join(letter for letter in name.lower() if letter.isalpha())
    onnx = onnx_step.operator.lower()
    return paddle in onnx or onnx in paddle


def _begins(step: GraphStep, words: Sequence[str]) -> bool:
    name = step.operator.rpartition(".")[2].removeprefix("depthwise_")
    return name.startswith(tuple(words))
