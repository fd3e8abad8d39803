"""The first layer of a target's file whose value the ONNX graph does not have."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from paddleport.tensors import Array
from paddleport.validate.bisect.computation import (
    Computation,
    GraphStep,
    chain,
    lost_steps,
)
from paddleport.validate.bisect.edge_search import ErrorEdge
from paddleport.validate.bisect.lost_step import LostStep, find_lost_step, parting_steps
from paddleport.validate.bisect.operator_kinds import is_bias, kind_of
from paddleport.validate.bisect.value_lookup import ValueLookup, ValueMatcher
from paddleport.validate.compare.error_scale import relative_error

_LONGEST_CHAIN = 4


@dataclass(frozen=True, kw_only=True)
class BadTensor:
    """An output that parts: its tensor in the file, its name in the ONNX graph, by how much."""

    file: str
    onnx: str
    error: float


@dataclass(frozen=True, kw_only=True)
class LostLayer(LostStep):
    """The first layer whose value the ONNX graph has not, and what else is known of it.

    Attributes:
        places: where the ONNX graph has the layer's inputs.
        followers: the nodes after ``onnx_step`` which the layer may hold as well.
        missing: whether that node is what the layer should have done after its own work.
        reader: then the layer that reads the value as it is; ``None`` otherwise.
    """

    places: tuple[str, ...] = ()
    followers: tuple[GraphStep, ...] = ()
    missing: bool = False
    reader: GraphStep | None = None


def find_lost_layer(
    file: Computation,
    onnx: Computation,
    bad: BadTensor,
    limit: float,
    tick: Callable[[str], None],
) -> LostLayer:
    """The search goes back from an output that differs, through values that ONNX has not.

    A value that is missing proves nothing: a runtime has steps of its own between two values
    that are the same. So it ends at a layer all of whose inputs are in the ONNX graph.

    Args:
        file: the file's layers and their values.
        onnx: the graph that it was made of, in float64.
        bad: an output that differs, which a layer makes.
        limit: what counts as parted, in the tolerance's unit.
        tick: called before each value that is looked up; may raise BudgetSpent.
    """
    return find_lost_step(
        limit,
        lambda threshold, floor: _LayerSearch(file, onnx, bad, threshold, floor, tick),
    )


class _LayerSearch:
    """One search with one threshold, on both sides at once."""

    def __init__(
        self,
        file: Computation,
        onnx: Computation,
        bad: BadTensor,
        threshold: float,
        floor: float,
        tick: Callable[[str], None],
    ) -> None:
        self.file, self.onnx, self.bad = file, onnx, bad
        self.floor = floor
        in_onnx = ValueMatcher(onnx.values, onnx.names, threshold)
        self.in_onnx = ValueLookup(side=file, matcher=in_onnx, own=str, tick=tick)
        in_file = ValueMatcher(file.values, file.names, threshold)
        self.in_file = ValueLookup(side=onnx, matcher=in_file, own=str, tick=tick)

    def finding(self) -> LostLayer:
        """The layer, and what the ONNX side adds to it; raises BudgetSpent."""
        bad = self.bad
        wanted = self.onnx.values.load(bad.onnx)
        elsewhere = self.in_file.matcher.find_output(wanted)
        if elsewhere and elsewhere != bad.file:
            edge = self._edge_at(self.file.graph.producer[bad.file], ())
            return LostLayer(edge=edge, floor=self.floor, elsewhere=elsewhere)
        lost = lost_steps(self.file.graph, bad.file, self.in_onnx.present)
        theirs = lost_steps(self.onnx.graph, bad.onnx, self.in_file.present)
        step, onnx_step = parting_steps(self.in_onnx, lost, self.in_file, theirs)
        before = self._lacks(step, onnx_step)
        if before is not None and onnx_step is not None:
            return self._lacking(before, onnx_step, step)
        return LostLayer(
            edge=self._edge_at(step, theirs),
            floor=self.floor,
            places=self._places(step),
            onnx_step=onnx_step,
            followers=self._followers(onnx_step, theirs) if onnx_step else (),
        )

    def bracket(self) -> LostLayer:
        """The earliest layer known to be lost, as far as the time allowed."""
        known = [name for name, found in self.in_onnx.known.items() if found is None]
        makers = [self.file.graph.producer.get(name) for name in [self.bad.file, *known]]
        step = min(filter(None, makers), key=lambda item: item.position)
        return LostLayer(edge=replace(self._edge_at(step, ()), complete=False), floor=self.floor)

    def _lacks(self, step: GraphStep, onnx_step: GraphStep | None) -> GraphStep | None:
        """The layer before ``step`` that should end with ``onnx_step``, and does not.

        Layers hold what follows them: a bias, a normalisation, an activation. Where one has lost
        it, its value is still one of ONNX's, only an earlier one, and the first value that is no
        longer there is that of the layer after it.
        """
        if onnx_step is None or not kind_of(onnx_step.operator):
            return None
        graph, reads = self.file.graph, self._varying(self.onnx, onnx_step)
        places = {self.in_onnx.place(name): name for name in graph.varying_inputs(step)}
        if len(reads) != 1 or reads[0] not in places:
            return None
        ours, theirs = kind_of(step.operator), kind_of(onnx_step.operator)
        others = len(places) > 1  # what joins two branches does something else
        bias = ours == "activation" and is_bias(onnx_step, self.onnx.values)
        if not ours or (ours == "arithmetic" and theirs == "activation" and others) or bias:
            return graph.producer.get(places[reads[0]])
        return None

    def _followers(
        self, onnx_step: GraphStep, theirs: Sequence[GraphStep]
    ) -> tuple[GraphStep, ...]:
        graph = self.onnx.graph

        def can_be_held(step: GraphStep) -> bool:
            return bool(kind_of(step.operator)) and len(graph.varying_inputs(step)) == 1

        after = chain(graph, onnx_step, theirs, _LONGEST_CHAIN)[1:]
        return tuple(takewhile(can_be_held, after))

    def _varying(self, side: Computation, step: GraphStep) -> list[str]:
        known = side.graph.varying.union(side.graph.feeds)
        return [name for name in dict.fromkeys(step.inputs) if name in known]

    def _lacking(self, layer: GraphStep, missing: GraphStep, reader: GraphStep) -> LostLayer:
        edge = self._edge_at(layer, ())
        wanted = [name for name in missing.outputs if name in self.onnx.values]
        if wanted and edge.value in self.file.values:
            value = self.file.values.load(edge.value)
            edge = replace(edge, after=flat_error(value, self.onnx.values.load(wanted[0])))
        return LostLayer(
            edge=edge,
            floor=self.floor,
            places=self._places(layer),
            onnx_step=missing,
            missing=True,
            reader=reader,
        )

    def _places(self, step: GraphStep) -> tuple[str, ...]:
        found = [self.in_onnx.find(name) for name in self._varying(self.file, step)]
        return tuple(dict.fromkeys(item[0] for item in found if item))

    def _edge_at(self, step: GraphStep, theirs: Sequence[GraphStep]) -> ErrorEdge:
        found = [self.in_onnx.known.get(name) for name in self.file.graph.varying_inputs(step)]
        before = max((item[1] for item in found if item), default=0.0)
        value = next((name for name in step.outputs if name in self.file.values), self.bad.file)
        after = self.bad.error
        if theirs and value in self.file.values:
            after = self._nearest_error(self.file.values.load(value), theirs)
        return ErrorEdge(step=step, value=value, before=before, after=after)

    def _nearest_error(self, value: Array, theirs: Sequence[GraphStep]) -> float:
        values = self.onnx.values
        lost = [name for step in theirs for name in step.outputs if name in values]
        errors = [flat_error(value, values.load(name)) for name in lost]
        return min(errors, default=math.inf)


def flat_error(one: Array, other: Array) -> float:
    """The error between tensors that may have other shapes; infinite for another size."""
    if one.size != other.size:
        return math.inf
    return relative_error(one.reshape(-1), other.reshape(-1))
