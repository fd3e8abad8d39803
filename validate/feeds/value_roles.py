"""What an integer input means besides numbers of rows: a mask, lengths, a size."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from paddleport.models.paddle.program_graph import ProgramGraph, ProgramOperation
from paddleport.validate.feeds.value_intervals import POSITIONS, Known, is_cast_to_bool

Role = Literal["ids", "mask", "length", "full length", "size"]
"""``full length``: the longest of them must be as long as the sequences are."""

_COMPARISONS = {"less_than", "less_equal", "greater_than", "greater_equal"}
# Slots that say how long sequences are, in the old format and in PIR
_LENGTHS = {
    "rnn": ("SequenceLength", "3"),
    "sequence_mask": ("X", "0"),
    "sequence_unpad": ("Length",),
    "viterbi_decode": ("Lengths", "2"),
    "crf_decoding": ("Length", "3"),
}
# Slots that say a shape
_SHAPES = {
    **dict.fromkeys(("reshape", "reshape2"), ("ShapeTensor", "Shape", "1")),
    **dict.fromkeys(("expand", "expand_v2"), ("Shape", "expand_shapes_tensor", "1")),
    "tile": ("RepeatTimes", "repeat_times_tensor", "1"),
    "full_with_tensor": ("1",),
    "fill_constant": ("ShapeTensor", "ShapeTensorList"),
    **dict.fromkeys(
        ("bilinear_interp", "bilinear_interp_v2", "nearest_interp", "nearest_interp_v2"),
        ("OutSize", "SizeTensor", "1"),
    ),
}
_LARGEST = {"max", "reduce_max"}
_NAMED: Mapping[Role, re.Pattern[str]] = {
    "mask": re.compile(r"masks?(_ids?)?$", re.IGNORECASE),
    "length": re.compile(r"(^|[_./-]|seq)len(s|gth|gths)?$", re.IGNORECASE),
}


def roles(graph: ProgramGraph, known: Known, names: Sequence[str]) -> dict[str, Role]:
    """The roles of inputs by what reads them, else by name; ``ids`` are left out.

    Args:
        graph: the program.
        known: intervals of its values, where each of ``names`` is a source.
        names: of the inputs.
    """
    found: dict[str, Role] = {}
    for op in graph.operations:
        for role, value in _roles_of(op, known):
            for name in known[value].sources if value in known else ():
                found.setdefault(name, role)
    for name in names:
        for named, pattern in _NAMED.items():
            if pattern.search(name):
                found.setdefault(name, named)
    for op in graph.operations:
        value = op.argument("X", "0")
        if op.kind in _LARGEST or (op.kind == "sequence_mask" and not _has_size(op, known)):
            for name in known[value].sources if value in known else ():
                if found.get(name) == "length":
                    found[name] = "full length"
    return {name: found[name] for name in names if name in found}


def _roles_of(op: ProgramOperation, known: Known) -> Iterator[tuple[Role, str]]:
    if op.kind in _LENGTHS:
        yield "length", op.argument(*_LENGTHS[op.kind])
    elif op.kind in _COMPARISONS:  # of positions with a length, as a mask is made
        pair = op.argument("X", "0"), op.argument("Y", "1")
        for value, other in (pair, pair[::-1]):
            if other in known and known[other].sources == {POSITIONS}:
                yield "length", value
    elif is_cast_to_bool(op):
        yield "mask", op.argument("X", "0")
    elif op.kind == "scale":  # 1 - mask
        factor = known.get(op.argument("ScaleTensor", "1"))
        scale = factor.low if factor else op.attributes.get("scale")
        if (scale, op.attributes.get("bias")) == (-1, 1):
            yield "mask", op.argument("X", "0")
    elif op.kind in _SHAPES:
        for value in op.arguments(*_SHAPES[op.kind]):
            yield "size", value


def _has_size(op: ProgramOperation, known: Known) -> bool:
    """Whether a sequence mask is told how long it is; else the largest length says so."""
    size = op.argument("MaxLenTensor", "1")
    if size:
        return size not in known or known[size].low != -1
    return bool(op.attributes.get("maxlen", -1) != -1)
