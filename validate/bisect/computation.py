"""A computation as a graph of steps, and the values between them on disk."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from paddleport.tensors import Array

# ONNX's, Paddle's and old Paddle's: with the feed's shape given, what they give is a constant.
_FORGETS_VALUES = frozenset({"Shape", "Size", "shape", "shape64", "numel", "size"})
_NUMBERS = "fiub"  # numpy's kinds that can be compared


@dataclass(frozen=True, kw_only=True)
class TensorRange:
    """Shape and range of a value: an input of the node where two computations part."""

    name: str
    shape: tuple[int, ...]
    minimum: float
    maximum: float


@dataclass(frozen=True, kw_only=True)
class GraphStep:
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

    steps: tuple[GraphStep, ...]
    feeds: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def producer(self) -> dict[str, GraphStep]:
        """Which step writes a value."""
        return {output: step for step in self.steps for output in step.outputs}

    @cached_property
    def consumers(self) -> dict[str, list[GraphStep]]:
        """Which steps read a value, in order."""
        found: dict[str, list[GraphStep]] = {}
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

    def varying_inputs(self, step: GraphStep) -> list[str]:
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

    def needed(self, value: str) -> list[GraphStep]:
        """Every step that ``value`` needs, constants' too, in order."""
        found: set[int] = set()
        open_values = [value]
        while open_values:
            step = self.producer.get(open_values.pop())
            if step is not None and step.position not in found:
                found.add(step.position)
                open_values += step.inputs
        return [step for step in self.steps if step.position in found]


def lost_steps(graph: Graph, value: str, present: Callable[[str], bool]) -> list[GraphStep]:
    """The steps behind a lost value whose values are lost as well, its own included, in order."""
    lost = {value} | graph.behind(value, present)
    found = {graph.producer[name].position for name in lost if name in graph.producer}
    return [step for step in graph.steps if step.position in found]


def frontier(
    graph: Graph, lost: Sequence[GraphStep], present: Callable[[str], bool]
) -> list[GraphStep]:
    """Those among the lost steps all of whose inputs are still there, in order."""
    return [step for step in lost if all(map(present, graph.varying_inputs(step)))]


def chain(
    graph: Graph, first: GraphStep, lost: Collection[GraphStep], longest: int
) -> list[GraphStep]:
    """``first`` and the lost steps that follow it one by one, each the only reader."""
    inside = {step.position for step in lost}
    found = [first]
    while len(found) < longest:
        readers = [step for name in found[-1].outputs for step in graph.consumers.get(name, ())]
        if len(readers) != 1 or readers[0].position not in inside:
            break
        found.append(readers[0])
    return found


@dataclass(frozen=True)
class StoredTensor:
    """One value: the file it lies in, numpy's name of its type, and its shape."""

    file: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class StoredValues:
    """Named values in a folder, which someone else removes.

    Attributes:
        folder: where the files are.
        stored: by name.
    """

    folder: Path
    stored: Mapping[str, StoredTensor]

    def __contains__(self, name: object) -> bool:
        return name in self.stored

    def load(self, name: str) -> Array:
        """A value, mapped and not read; raises KeyError for one that is not here."""
        path = self.folder / self.stored[name].file
        # an empty file cannot be mapped
        mode = "r" if self.stored[name].size else None
        tensor: Array = np.load(path, mmap_mode=mode, allow_pickle=False)  # type: ignore[arg-type]
        return tensor

    def range_of(self, name: str) -> TensorRange:
        """Shape, minimum and maximum of a value; NaN for both where no element is finite."""
        tensor = self.load(name).astype(np.float64)
        finite = tensor[np.isfinite(tensor)]
        low, high = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
        return TensorRange(
            name=name, shape=tuple(tensor.shape), minimum=float(low), maximum=float(high)
        )


class ValueWriter:
    """Writes values into a folder one by one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.stored: dict[str, StoredTensor] = {}

    def load(self, name: str) -> Array:
        """A value that was added; raises KeyError for one that was not."""
        return StoredValues(self._folder, self.stored).load(name)

    def add(self, name: str, value: object) -> None:
        """Keep ``value`` if it is a tensor of numbers; anything else is left out."""
        tensor = np.asarray(value)
        if tensor.dtype.kind in _NUMBERS:
            file = f"{len(self.stored)}.npy"
            np.save(self._folder / file, tensor, allow_pickle=False)
            self.stored[name] = StoredTensor(file, tensor.dtype.name, tuple(tensor.shape))


@dataclass(frozen=True)
class Computation:
    """One of the two computations."""

    graph: Graph
    values: StoredValues

    @property
    def names(self) -> list[str]:
        """What can be looked up: the feeds and all that depends on them."""
        return [
            *self.graph.feeds,
            *(name for name in self.values.stored if name in self.graph.varying),
        ]
