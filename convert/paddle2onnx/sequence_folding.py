"""onnxslim with sequences left alone: it folds constants by running them, and takes no list."""

import contextlib
from collections.abc import Iterator
from typing import Any

_GIVE_SEQUENCES = frozenset(
    {
        "SequenceConstruct",
        "SequenceErase",
        "SequenceInsert",
        "SequenceMap",
        "SplitToSequence",
    }
)


@contextlib.contextmanager
def sequences_unfolded() -> Iterator[None]:
    """Within it, onnxslim folds no node that gives a sequence, in bodies neither.

    Paddle's assignment to a slice of two axes comes out with sequences of constants, and the
    list that folding makes of one fails in onnxslim: the file would not be simplified at all.
    """
    from onnxslim.third_party.onnx_graphsurgeon.ir.graph import Graph

    fold = Graph.fold_constants

    def fold_tensors(self: Any, *args: Any, **options: Any) -> Any:
        asked = options.pop("should_exclude_node", None)

        def excluded(node: Any) -> bool:
            return node.op in _GIVE_SEQUENCES or (asked is not None and bool(asked(node)))

        return fold(self, *args, should_exclude_node=excluded, **options)

    Graph.fold_constants = fold_tensors
    try:
        yield
    finally:
        Graph.fold_constants = fold
