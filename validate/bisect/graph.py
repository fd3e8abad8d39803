"""A computation as steps and the values between them, whoever wrote it down."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from paddleport.models.onnx.onnx_file import subgraphs

if TYPE_CHECKING:
    import onnx

# ONNX's, Paddle's and old Paddle's: with the feed's shape given, what they give is a constant.
_FORGETS_VALUES = frozenset({"Shape", "Size", "shape", "shape64", "numel", "size"})


@dataclass(frozen=True)
class Step:
    """One node of an ONNX graph, or one operator of a Paddle program.

    Attributes:
        name: to tell it by.
        operator: its type.
        inputs: values it reads, those that its subgraphs read from outside among them.
        outputs: values it writes.
        position: in the graph's order, from 1.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    position: int


@dataclass(frozen=True)
class Graph:
    """Steps in an order in which they can be computed.

    Attributes:
        steps: in order.
        feeds: values that are given.
        outputs: values that are asked for, in order.
    """

    steps: tuple[Step, ...]
    feeds: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def producer(self) -> dict[str, Step]:
        """Which step writes a value."""
        return {output: step for step in self.steps for output in step.outputs}

    @cached_property
    def consumers(self) -> dict[str, list[Step]]:
        """Which steps read a value, in order."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            for name in dict.fromkeys(step.inputs):
                found.setdefault(name, []).append(step)
        return found

    @cached_property
    def varying(self) -> frozenset[str]:
        """Computed values that depend on the feeds' values; the feeds are not among them."""
        found = set(self.feeds)
        for step in self.steps:
            forgets = step.operator.rpartition(".")[2] in _FORGETS_VALUES
            if not forgets and found.intersection(step.inputs):
                found.update(step.outputs)
        return frozenset(found.difference(self.feeds))

    def varying_inputs(self, step: Step) -> list[str]:
        """The computed, feed-dependent inputs of a step, each once."""
        return [name for name in dict.fromkeys(step.inputs) if name in self.varying]

    def behind(self, value: str, stop: Callable[[str], bool]) -> set[str]:
        """The computed values that ``value`` depends on, without those beyond a stop.

        The walk goes back from ``value``, which is not among them; where ``stop`` says so, it
        neither takes a value nor goes on behind it.
        """
        found: set[str] = set()
        open_values = [value]
        while open_values:
            step = self.producer.get(open_values.pop())
            for name in self.varying_inputs(step) if step else ():
                if name not in found and not stop(name):
                    found.add(name)
                    open_values.append(name)
        return found

    def needed(self, value: str) -> list[Step]:
        """Every step that ``value`` needs, constants' too, in order."""
        found: set[int] = set()
        open_values = [value]
        while open_values:
            step = self.producer.get(open_values.pop())
            if step is not None and step.position not in found:
                found.add(step.position)
                open_values += step.inputs
        return [step for step in self.steps if step.position in found]


def onnx_graph(proto: "onnx.ModelProto") -> Graph:
    """The graph of an ONNX file; a node with a subgraph is one step."""
    stored = {item.name for item in proto.graph.initializer}
    stored |= {item.values.name for item in proto.graph.sparse_initializer}
    steps = [
        Step(
            node.name or next((name for name in node.output if name), f"node {position}"),
            node.op_type,
            tuple(name for name in (*node.input, *outer_names(node)) if name),
            tuple(name for name in node.output if name),
            position,
        )
        for position, node in enumerate(proto.graph.node, 1)
    ]
    feeds = tuple(item.name for item in proto.graph.input if item.name not in stored)
    return Graph(tuple(steps), feeds, tuple(item.name for item in proto.graph.output))


def outer_names(node: "onnx.NodeProto") -> list[str]:
    """What the subgraphs of a node read from outside themselves."""
    return [name for graph in subgraphs(node) for name in _read_from_outside(graph)]


def lost_steps(graph: Graph, value: str, present: Callable[[str], bool]) -> list[Step]:
    """The steps behind a lost value whose values are lost as well, its own included, in order."""
    lost = {value} | graph.behind(value, present)
    found = {graph.producer[name].position for name in lost if name in graph.producer}
    return [step for step in graph.steps if step.position in found]


def frontier(graph: Graph, lost: Sequence[Step], present: Callable[[str], bool]) -> list[Step]:
    """Those among the lost steps all of whose inputs are still there, in order."""
    return [step for step in lost if all(map(present, graph.varying_inputs(step)))]


def chain(graph: Graph, first: Step, lost: Collection[Step], longest: int) -> list[Step]:
    """``first`` and the lost steps that follow it one by one, each the only reader."""
    inside = {step.position for step in lost}
    found = [first]
    while len(found) < longest:
        readers = [step for name in found[-1].outputs for step in graph.consumers.get(name, ())]
        if len(readers) != 1 or readers[0].position not in inside:
            break
        found.append(readers[0])
    return found


def _read_from_outside(graph: "onnx.GraphProto") -> list[str]:
    own = {item.name for item in (*graph.input, *graph.initializer)}
    own |= {item.values.name for item in graph.sparse_initializer}
    read: list[str] = []
    for node in graph.node:
        read += [name for name in (*node.input, *outer_names(node)) if name and name not in own]
        own.update(node.output)
    read += [item.name for item in graph.output if item.name not in own]
    return list(dict.fromkeys(read))
