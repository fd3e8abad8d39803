"""What integer inputs may hold, as the Paddle program says it: rows of tables, lengths, masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from paddleport.models.paddle.program_graph import ProgramGraph, read_program_graph
from paddleport.models.resolve import SourceModel
from paddleport.tensors import TensorSpec
from paddleport.validate.feeds.named_feed import DEFAULT_LENGTH
from paddleport.validate.feeds.table_bounds import MOST, table_bounds
from paddleport.validate.feeds.table_lookups import is_lookup, row_uses
from paddleport.validate.feeds.value_intervals import Interval, intervals
from paddleport.validate.feeds.value_roles import Role, roles

IDS_BELOW = 8
"""What is drawn for an integer that nothing is known of: most are indices into something."""


@dataclass(frozen=True)
class ValueRange:
    """What an input may hold, both ends included, and what it means.

    How long sequences are only the other inputs say, so a length has no ``high`` here.
    """

    low: int
    high: int | None
    role: Role = "ids"


@dataclass(frozen=True)
class InputRanges:
    """What the program says of its inputs.

    Attributes:
        values: by input name; an input that is missing is not bounded by anything.
        longest: most elements of a sequence, where a table has a row for each position.
    """

    values: Mapping[str, ValueRange] = field(default_factory=dict)
    longest: int | None = None

    def renamed(self, ours: Sequence[TensorSpec], theirs: Sequence[TensorSpec]) -> "InputRanges":
        """The same under the names of another file, whose inputs stand in the same order."""
        names = {one.name: other.name for one, other in zip(ours, theirs, strict=True)}
        values = {names[name]: found for name, found in self.values.items()}
        return replace(self, values=values)


NO_RANGES = InputRanges()
"""Nothing is known."""


def input_ranges(source: SourceModel) -> InputRanges:
    """Follow the inputs through a Paddle program to what says of them what they may hold.

    Integers and booleans wherever they lead, floats where they become numbers of rows. A program
    with one input, a picture, is not read.
    """
    inputs = source.program.inputs
    floats = {spec.name for spec in inputs if np.dtype(spec.dtype).kind == "f"}
    if len(inputs) == 1 and floats and len(inputs[0].shape) == 4:
        return NO_RANGES
    found = ranges_of(read_program_graph(source.model.path), [spec.name for spec in inputs])
    rows = {
        name: values
        for name, values in found.values.items()
        if name not in floats or values.role == "ids"
    }
    return replace(found, values=rows)


def ranges_of(graph: ProgramGraph, names: Sequence[str]) -> InputRanges:
    """The ranges of some inputs of a program; see ``InputRanges``."""
    length = _longest(graph)
    known = intervals(graph, {name: Interval(0, MOST) for name in names}, length)
    found = roles(graph, known, names)
    operations = [op for op in graph.operations if is_lookup(op) or set(op.outputs) & set(known)]
    followed = replace(graph, operations=tuple(operations))
    values = {}
    for name, bound in table_bounds(followed, names, length).items():
        low, role = int(bound.low), found.get(name, "ids")
        if bound.high < MOST:
            values[name] = ValueRange(low, int(bound.high))
        elif role == "mask":
            values[name] = ValueRange(0, 1, role)
        elif role in ("length", "full length"):
            values[name] = ValueRange(1, None, role)
        elif low or role == "size":
            low = max(low, 1)
            values[name] = ValueRange(low, low + IDS_BELOW - 1, role)
    return InputRanges(values, length if length < DEFAULT_LENGTH else None)


def _longest(graph: ProgramGraph) -> int:
    """Elements of a sequence that every table with a row for each position has rows for."""
    for length in range(DEFAULT_LENGTH, 0, -1):
        uses = row_uses(graph, intervals(graph, {}, length))
        if all(use.index.high < use.rows for use in uses):
            return length
    return DEFAULT_LENGTH
