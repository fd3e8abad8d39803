"""Where a program chooses rows of a table by number, and how many rows there are."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from paddleport.models.paddle.program_graph import ProgramGraph, ProgramOperation
from paddleport.validate.feeds.value_intervals import Interval, Known

# What reads rows: slots of the table and of the rows' numbers, in the old format and in PIR
_LOOKUPS = {
    "embedding": (("1",), ("0",)),
    "lookup_table": (("W",), ("Ids",)),
    "lookup_table_v2": (("W",), ("Ids",)),
    "c_embedding": (("W", "0"), ("Ids", "1")),
    "gather": (("X", "0"), ("Index", "1")),
    "gather_nd": (("X", "0"), ("Index", "1")),
    "index_select": (("X", "0"), ("Index", "1")),
    "index_sample": (("X", "0"), ("Index", "1")),
    "take_along_axis": (("Input", "0"), ("Index", "1")),
}
_FUSED_LOOKUP = "fused_embedding_eltwise_layernorm"
_ONE_HOTS = {"one_hot", "one_hot_v2"}
_AXIS_NAMES = ("axis", "dim", "Axis")


@dataclass(frozen=True)
class RowUse:
    """A value that chooses rows of a table which has ``rows`` of them, infinity if that is free."""

    rows: float
    index: Interval

    @property
    def fits(self) -> bool:
        """Whether there is a row for all that it can be."""
        return self.index.low >= 0 and self.index.high < self.rows


def row_uses(graph: ProgramGraph, known: Known) -> Iterator[RowUse]:
    """Every use of a table by a value that comes from somewhere."""
    for op in graph.operations:
        for index, rows in _lookups(op, graph, known):
            found = known.get(index)
            if found is not None and found.sources:
                yield RowUse(rows if rows and rows > 0 else math.inf, found)


def is_lookup(op: ProgramOperation) -> bool:
    """Whether an operation may read rows."""
    return op.kind in _LOOKUPS or op.kind in _ONE_HOTS or op.kind == _FUSED_LOOKUP


def _lookups(
    op: ProgramOperation, graph: ProgramGraph, known: Known
) -> Iterator[tuple[str, int | None]]:
    """The numbers, and the rows of their table, for each table that an operation reads."""
    if op.kind == _FUSED_LOOKUP:
        for table, index in zip(op.arguments("Embs"), op.arguments("Ids"), strict=False):
            yield index, _size(graph, table, 0)
    elif op.kind in _ONE_HOTS:
        depth = known.get(op.argument("depth_tensor", "1"))
        yield op.argument("X", "0"), int(depth.high) if depth else op.attributes.get("depth")
    elif op.kind in _LOOKUPS:
        table, index = (op.argument(*slots) for slots in _LOOKUPS[op.kind])
        yield index, _rows(op, graph, known, table, index)


def _rows(
    op: ProgramOperation, graph: ProgramGraph, known: Known, table: str, index: str
) -> int | None:
    if op.kind == "gather_nd":  # the last axis of the index has a number for each axis
        count = _size(graph, index, -1) or 0
        return min(graph.shapes.get(table, ())[: max(count, 0)], default=None)
    if op.kind == "index_sample":
        return _size(graph, table, 1)
    axis = next((op.attributes[name] for name in _AXIS_NAMES if name in op.attributes), 0)
    if op.kind == "gather" and (chosen := known.get(op.argument("Axis", "2"))):
        axis = int(chosen.low)
    return _size(graph, table, axis)


def _size(graph: ProgramGraph, name: str, axis: int) -> int | None:
    shape = graph.shapes.get(name, ())
    return shape[axis] if -len(shape) <= axis < len(shape) else None
