"""What is rewritten in the program before Paddle2ONNX reads it, as one table."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from paddleport.convert.paddle2onnx.fixups.control_flow import separate_values
from paddleport.convert.paddle2onnx.fixups.onnx_subgraphs import FIRST_SLOPE, SubgraphWriter
from paddleport.convert.paddle2onnx.fixups.pir_operations import (
    Operation,
    PirOperations,
    missing_rows,
)
from paddleport.convert.paddle2onnx.fixups.replacements import REPLACEMENTS
from paddleport.convert.paddle2onnx.fixups.unsupported_settings import UNSUPPORTED_SETTINGS
from paddleport.errors import ConversionError


@dataclass(frozen=True)
class ProgramFixup:
    """A rewrite of single operations.

    Attributes:
        operators: the operators that it is about.
        sentence: what is wrong without it, for the report.
        rewrite: changes the operation if it needs it, and says whether it did.
    """

    operators: tuple[str, ...]
    sentence: str
    rewrite: Callable[[Operation], bool]


def fix_program(
    document: dict[str, Any], opset: int, *, without: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[SubgraphWriter, ...]]:
    """Rewrite a parsed PIR program in place.

    Args:
        document: the program's JSON.
        opset: that it is to be converted at.
        without: sentences of fixups to leave out, for the tests.

    Returns:
        A sentence for each fixup that was needed, and the subgraphs of the replaced operators in
        order.

    Raises:
        ConversionError: an operator that comes out wrong and has no fixup; it is named.
    """
    sentences = list(separate_values(document, without=without))
    program = PirOperations(document)
    subgraphs: list[SubgraphWriter] = []
    for operation in program.operations:
        kind = operation.kind
        for fixup in PROGRAM_FIXUPS:
            concerned = kind in fixup.operators and fixup.sentence not in without
            if concerned and fixup.rewrite(operation):
                sentences.append(fixup.sentence)
        for unsupported in UNSUPPORTED_SETTINGS:
            concerned = kind in unsupported.operators and unsupported.setting not in without
            if concerned and unsupported.applies(operation, opset):
                raise ConversionError(
                    f"Paddle2ONNX gets the operator {kind} wrong {unsupported.setting}: "
                    "write that part of the network differently and save it again"
                )
        for replacement in REPLACEMENTS:
            if kind in replacement.operators and replacement.sentence not in without:
                subgraph = replacement.subgraph(operation)
                if subgraph is not None:
                    operation.become_leaky_relu(FIRST_SLOPE + len(subgraphs))
                    subgraphs.append(subgraph)
                    sentences.append(replacement.sentence)
    return tuple(dict.fromkeys(sentences)), tuple(subgraphs)


def _every_axis(operation: Operation) -> bool:
    axes, shape = operation.constant(1), operation.shape()
    if axes is None or shape is None or axes.attribute("value") or not shape:
        return False
    axes.set_constant(list(range(len(shape))))
    return True


def _final_places(operation: Operation) -> bool:
    axes, shape = operation.constant(1), operation.shape()
    if axes is None or shape is None:
        return False
    given = axes.attribute("value")
    new = [False] * len(shape)
    for axis in given:  # Paddle inserts one after the other
        new.insert(axis if axis >= 0 else axis + len(new) + 1, True)
    places = [place for place, is_new in enumerate(new) if is_new]
    if places == given:
        return False
    axes.set_constant(places)
    return True


def _only_ones(operation: Operation) -> bool:
    axes, shape = operation.constant(1), operation.shape()
    if axes is None or shape is None:
        return False
    given = axes.attribute("value")
    kept = [axis for axis in given if shape[axis] in (1, -1)]
    if kept == given or not kept:
        return False
    axes.set_constant(kept)
    return True


def _output_padding(operation: Operation) -> bool:
    missing = missing_rows(operation)
    if not missing or not any(missing):
        return False
    strides = operation.attribute("strides")
    if any(not 0 <= m < s for m, s in zip(missing, strides, strict=True)):
        return False
    operation.set_integers("output_padding", missing, "a_i32")
    return True


def _short_shifts(operation: Operation) -> bool:
    shifts, axes, shape = operation.constant(1), operation.attribute("axis"), operation.shape()
    if shifts is None or shape is None or not axes:
        return False
    given = shifts.attribute("value")
    sides = [shape[axis] for axis in axes]
    short = [shift % side if side > 0 else shift for shift, side in zip(given, sides, strict=True)]
    if all(side < 0 or abs(shift) < side for shift, side in zip(given, sides, strict=True)):
        return False
    shifts.set_constant(short)
    return True


PROGRAM_FIXUPS = (
    ProgramFixup(
        ("roll",),
        "roll by more than a side loses values: the shift is taken modulo the side",
        _short_shifts,
    ),
    ProgramFixup(
        ("mean",),
        "mean over all axes aborts Paddle2ONNX: the axes are written out",
        _every_axis,
    ),
    ProgramFixup(
        ("unsqueeze",),
        "unsqueeze by negative or unsorted axes comes out in other places: they are sorted",
        _final_places,
    ),
    ProgramFixup(
        ("squeeze",),
        "squeeze of an axis that is longer than 1 does nothing in Paddle and fails in ONNX: "
        "such axes are left out",
        _only_ones,
    ),
    ProgramFixup(
        ("conv2d_transpose", "depthwise_conv2d_transpose", "conv3d_transpose"),
        "a transposed convolution loses its output_size: it is given as output_padding",
        _output_padding,
    ),
)
