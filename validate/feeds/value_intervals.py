"""Which integers each value of a program can hold, where that follows from its inputs' ranges."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from paddleport.models.paddle.program_graph import ProgramGraph, ProgramOperation

POSITIONS = "\0positions"
"""Stands among an interval's sources for a count along an axis, such as ``arange`` makes."""


@dataclass(frozen=True)
class Interval:
    """The bounds of a value, both included, and the inputs that its elements are made of."""

    low: float
    high: float
    sources: frozenset[str] = frozenset()


Known = Mapping[str, Interval]

# Each passes elements on as they are. The names of both formats stand side by side; PIR's names
# of what works in place end in an underscore, which is left out.
_SAME = {
    *("assign", "cast", "reshape", "reshape2", "squeeze", "squeeze2", "unsqueeze", "unsqueeze2"),
    *("flatten", "flatten2", "flatten_contiguous_range", "transpose", "transpose2", "slice"),
    *("strided_slice", "split", "split_with_num", "tile", "expand", "expand_v2", "expand_as"),
    *("expand_as_v2", "share_data", "flip", "roll", "print", "unbind", "unstack"),
    *("reduce_max", "reduce_min", "max", "min", "broadcast_tensors", "memcpy_h2d", "memcpy_d2h"),
}
_JOINED = {"concat", "stack", "combine"}
_TRUTH = {
    *("equal", "not_equal", "less_than", "less_equal", "greater_than", "greater_equal"),
    *("logical_and", "logical_or", "logical_not", "logical_xor", "isnan", "isinf", "isfinite"),
}
_WITH_BODIES = {"while", "if", "conditional_block", "conditional_block_infer"}
_BOOL = {"bool", 0}  # as a cast's target says it in either format


def intervals(
    graph: ProgramGraph, given: Mapping[str, Interval], length: int
) -> dict[str, Interval]:
    """The intervals of all values that can be followed, from those of the inputs.

    Args:
        graph: a program.
        given: by the name of an input; any other input is unknown.
        length: elements of a sequence, which says how far positions are counted.
    """
    known = {POSITIONS: Interval(0, length - 1, frozenset({POSITIONS}))}
    known |= {
        value: replace(given[name], sources=frozenset({name}))
        for name, value in graph.inputs.items()
        if name in given
    }
    for op in graph.operations:
        if op.kind in _WITH_BODIES:
            continue  # what they compute is said by the operations of their bodies
        found = _interval(op, known)
        for name in op.outputs:
            if found is None:
                known.pop(name, None)  # a name of the old format may stand for another value now
            else:
                known[name] = found
    return known


def first(op: ProgramOperation, known: Known) -> Interval | None:
    """The interval of what an operation reads first."""
    return known.get(op.argument("X", "Input", "0"))


def _interval(op: ProgramOperation, known: Known) -> Interval | None:
    kind = op.kind.removesuffix("_")
    if kind in _RULES:
        return _RULES[kind](op, known)
    if kind in _SAME:
        found = first(op, known)
        return Interval(0, 1, found.sources) if found and is_cast_to_bool(op) else found
    if kind in _TRUTH:
        return Interval(0, 1)
    if kind in _JOINED:
        names = _all(op) if kind == "combine" else op.arguments("X", "0")
        return _hull(known.get(name) for name in names)
    return None


def is_cast_to_bool(op: ProgramOperation) -> bool:
    """Whether it is one, as either format says it."""
    target = op.attributes.get("out_dtype", op.attributes.get("dtype"))
    return op.kind.removesuffix("_") == "cast" and target in _BOOL


def _all(op: ProgramOperation) -> list[str]:
    return [name for names in op.inputs.values() for name in names]


def _hull(items: Iterable[Interval | None]) -> Interval | None:
    found = list(items)
    whole = [item for item in found if item is not None]
    if not whole or len(whole) < len(found):
        return None
    return Interval(
        min(item.low for item in whole),
        max(item.high for item in whole),
        frozenset().union(*(item.sources for item in whole)),
    )


def _constant(op: ProgramOperation, known: Known) -> Interval | None:
    """``full`` and its like; a fill like another tensor has that one's shape, not its values."""
    if op.arguments("ValueTensor"):
        return None
    value = op.attributes.get("str_value") or op.attributes.get("value")
    if value is None and op.kind in ("full_like", "full_with_tensor"):
        filled = known.get(op.argument("1" if op.kind == "full_like" else "0"))
        return filled and replace(filled, sources=frozenset())
    values: list[Any] = value if isinstance(value, list) else [value]
    try:
        numbers = [float(item) for item in values]
    except (TypeError, ValueError):
        return None
    return Interval(min(numbers), max(numbers)) if numbers else None


def _values(op: ProgramOperation, known: Known) -> Interval | None:
    names = ("values", "int32_values", "int64_values")
    found = next((item for name in names if (item := op.attributes.get(name))), None)
    if not isinstance(found, list) or not all(isinstance(item, int) for item in found):
        return None
    return Interval(min(found), max(found))


def _pair(
    function: Callable[[float, float], float],
) -> Callable[[ProgramOperation, Known], Interval | None]:
    """Two operands, a function that is monotone in each."""

    def rule(op: ProgramOperation, known: Known) -> Interval | None:
        one, other = first(op, known), known.get(op.argument("Y", "1"))
        if one is None or other is None:
            return None
        ends = [
            function(left, right)
            for left in (one.low, one.high)
            for right in (other.low, other.high)
        ]
        return Interval(min(ends), max(ends), one.sources | other.sources)

    return rule


def _scaled(op: ProgramOperation, known: Known) -> Interval | None:
    found = first(op, known)
    factor = known.get(op.argument("ScaleTensor", "1"), Interval(1, 1))
    if "scale" in op.attributes and not op.arguments("ScaleTensor"):
        factor = Interval(op.attributes["scale"], op.attributes["scale"])
    bias = op.attributes.get("bias", 0.0)
    if found is None or factor.low != factor.high or op.arguments("BiasTensor"):
        return None
    after = op.attributes.get("bias_after_scale", True)
    ends = [
        end * factor.low + bias if after else (end + bias) * factor.low
        for end in (found.low, found.high)
    ]
    return Interval(min(ends), max(ends), found.sources)


def _clipped(op: ProgramOperation, known: Known) -> Interval | None:
    found = first(op, known)
    low, high = (
        known.get(op.argument(slot, place)) for slot, place in (("Min", "1"), ("Max", "2"))
    )
    least = low.low if low else op.attributes.get("min")
    most = high.high if high else op.attributes.get("max")
    if found is None or least is None or most is None:
        return None
    start, end = (min(max(end, least), most) for end in (found.low, found.high))
    return Interval(start, end, found.sources)


def _remainder(op: ProgramOperation, known: Known) -> Interval | None:
    found, divisor = first(op, known), known.get(op.argument("Y", "1"))
    if found is None or divisor is None or divisor.low < 1:
        return None
    return Interval(0, min(divisor.high - 1, max(found.high, 0)), found.sources)


def _relu(op: ProgramOperation, known: Known) -> Interval | None:
    found = first(op, known)
    return found and Interval(max(found.low, 0), max(found.high, 0), found.sources)


def _chosen(op: ProgramOperation, known: Known) -> Interval | None:
    return _hull((known.get(op.argument("X", "1")), known.get(op.argument("Y", "2"))))


def _counted(op: ProgramOperation, known: Known) -> Interval | None:
    """``arange``, from where it starts to where it ends, or through a sequence."""
    start, end = known.get(op.argument("Start", "0")), known.get(op.argument("End", "1"))
    start, positions = start or Interval(0, 0), known[POSITIONS]
    if end is not None:
        return Interval(start.low, max(end.high - 1, start.low), end.sources)
    return replace(positions, low=start.low, high=start.low + positions.high)


def _summed_up(op: ProgramOperation, known: Known) -> Interval | None:
    """``cumsum`` of what is 0 or 1, as positions are counted past what is masked."""
    found, positions = first(op, known) or Interval(0, 1), known[POSITIONS]
    low = found.low if found.low >= 1 else min(found.low, 0)
    return Interval(low, max(found.high * (positions.high + 1), low), positions.sources)


_sum, _difference = _pair(lambda one, other: one + other), _pair(lambda one, other: one - other)
_product = _pair(lambda one, other: one * other)
_RULES: Mapping[str, Callable[[ProgramOperation, Known], Interval | None]] = {
    **dict.fromkeys(
        ("full", "full_like", "full_int_array", "full_with_tensor", "fill_constant"), _constant
    ),
    **dict.fromkeys(("fill_any_like", "fill_constant_batch_size_like"), _constant),
    "assign_value": _values,
    **dict.fromkeys(("add", "elementwise_add"), _sum),
    **dict.fromkeys(("subtract", "elementwise_sub"), _difference),
    **dict.fromkeys(("multiply", "elementwise_mul"), _product),
    **dict.fromkeys(("maximum", "elementwise_max"), _pair(max)),
    **dict.fromkeys(("minimum", "elementwise_min"), _pair(min)),
    **dict.fromkeys(("remainder", "elementwise_mod"), _remainder),
    **dict.fromkeys(("arange", "range", "range_v2"), _counted),
    "cumsum": _summed_up,
    "scale": _scaled,
    "clip": _clipped,
    "relu": _relu,
    "where": _chosen,
}
