"""A PIR program's JSON as operations that can be read and rewritten in place."""

from collections.abc import Iterator
from typing import Any


class Operation:
    """One operation of a program; it reads and writes the JSON that it was made from."""

    def __init__(self, document: dict[str, Any], values: "PirOperations") -> None:
        self._document = document
        self._values = values

    @property
    def kind(self) -> str:
        """The operator's name without its dialect."""
        name: str = self._document["#"]
        return name.partition(".")[2]

    @property
    def operands(self) -> list[int]:
        """The values that it takes, by number."""
        return [operand["%"] for operand in self._document["I"]]

    @property
    def results(self) -> list[int]:
        """The values that it gives, by number."""
        return [result["%"] for result in self._document["O"]]

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, plain; infinities as floats."""
        for attribute in self._document["A"]:
            if attribute["N"] == name:
                return _plain(attribute["AT"])
        return default

    def set_integers(self, name: str, values: list[int], kind: str) -> None:
        """Set an attribute that is an array of ``a_i32`` or ``a_i64``."""
        for attribute in self._document["A"]:
            if attribute["N"] == name:
                items = [{"#": f"0.{kind}", "D": value} for value in values]
                attribute["AT"] = {"#": "0.a_array", "D": items}

    def shape(self, index: int = 0) -> list[int] | None:
        """The shape of an operand, -1 where a dimension is free; ``None`` if it has none."""
        operands = self.operands
        return self._values.shape(operands[index]) if index < len(operands) else None

    def result_shape(self, index: int = 0) -> list[int] | None:
        """The shape of a result."""
        return self._values.shape(self.results[index])

    def dtype(self, index: int = 0) -> str:
        """The type of an operand's elements: ``f32``, ``i64``, ``bool``, ..."""
        return self._values.dtype(self.operands[index])

    def is_used(self, index: int) -> bool:
        """Whether anything takes a result."""
        return bool(self._values.uses.get(self.results[index]))

    def source(self, index: int) -> "Operation | None":
        """The operation that makes an operand."""
        operands = self.operands
        return self._values.definer(operands[index]) if index < len(operands) else None

    def constant(self, index: int) -> "Operation | None":
        """The ``full_int_array`` that makes an operand, if it is made for this one alone."""
        source = self.source(index)
        if source is None or source.kind != "full_int_array":
            return None
        return source if self._values.uses.get(self.operands[index]) == 1 else None

    def set_constant(self, values: list[int]) -> None:
        """Give a ``full_int_array`` other values."""
        self.set_integers("value", values, "a_i64")
        self._document["O"][0]["TT"]["D"][1] = [len(values)]

    def become_leaky_relu(self, slope: float) -> None:
        """Turn into a leaky_relu of the first operand, whatever it was."""
        dialect = self._document["#"].partition(".")[0]
        self._document["#"] = f"{dialect}.leaky_relu"
        self._document["I"] = self._document["I"][:1]
        self._document["O"] = self._document["O"][:1]
        self._document["A"] = [{"AT": {"#": "0.a_f32", "D": slope}, "N": "negative_slope"}]


class PirOperations:
    """The operations of a parsed PIR program, those of inner blocks too, and their values.

    An inner block's own arguments are values that no operation defines.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.uses: dict[int, int] = {}
        self._types: dict[int, dict[str, Any]] = {}
        self._definers: dict[int, Operation] = {}
        self.operations: list[Operation] = []
        for block in blocks(document["program"]["regions"]):
            self._types |= {item["#"]: item.get("TT") or {} for item in block["args"]}
        for item in _walk(document["program"]["regions"]):
            operation = Operation(item, self)
            for result in item["O"]:
                self._types[result["%"]] = result.get("TT") or {}
                self._definers[result["%"]] = operation
            for value in operation.operands:
                self.uses[value] = self.uses.get(value, 0) + 1
            self.operations.append(operation)

    def shape(self, value: int) -> list[int] | None:
        """The shape of a value; ``None`` for a list of tensors or nothing."""
        kind = self._types.get(value, {})
        return list(kind["D"][1]) if kind.get("#", "").endswith("t_dtensor") else None

    def dtype(self, value: int) -> str:
        """The type of a value's elements, without the ``t_``."""
        kind = self._types.get(value, {})
        if not kind.get("#", "").endswith("t_dtensor"):
            return ""
        name: str = kind["D"][0]["#"]
        return name.rpartition("t_")[2]

    def definer(self, value: int) -> Operation | None:
        """The operation that makes a value; ``None`` for parameters."""
        return self._definers.get(value)


def blocks(regions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every block of some regions, those inside others too."""
    for region in regions:
        for block in region["blocks"]:
            yield block
            for op in block["ops"]:
                yield from blocks(op.get("regions", []))


def _walk(regions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for region in regions:
        for block in region["blocks"]:
            for item in block["ops"]:
                if item["#"] == "p":  # a parameter, in a form of its own
                    item = {**item, "I": [], "A": [], "O": [item["O"]]}
                yield item
                yield from _walk(item.get("regions", []))


def _plain(value: dict[str, Any]) -> Any:
    if value["#"].endswith("a_array"):
        return [_plain(item) for item in value["D"]]
    if "VD" in value:
        return float(value["VD"])
    return value.get("D")


def missing_rows(operation: Operation) -> list[int] | None:
    """By how much a transposed convolution is larger than its output_padding makes it."""
    x, kernel, result = operation.shape(0), operation.shape(1), operation.result_shape()
    if x is None or kernel is None or result is None:
        return None
    if -1 in x[2:] or -1 in result[2:]:
        return None
    pads = operation.attribute("paddings")
    rank = len(x) - 2
    both = (
        [2 * p for p in pads]
        if len(pads) == rank
        else [pads[2 * i] + pads[2 * i + 1] for i in range(rank)]
    )
    extra = operation.attribute("output_padding") or [0] * rank
    strides, dilations = operation.attribute("strides"), operation.attribute("dilations")
    return [
        result[2 + i]
        - (
            (x[2 + i] - 1) * strides[i]
            - both[i]
            + dilations[i] * (kernel[2 + i] - 1)
            + 1
            + extra[i]
        )
        for i in range(rank)
    ]


def pooling_windows(size: int, count: int) -> list[range]:
    """Paddle's adaptive windows: from ``floor(i size / count)`` to ``ceil((i + 1) size / count)``.

    Source: AdaptStartIndex and AdaptEndIndex in phi/kernels/funcs/pooling.h.
    """
    return [range(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def has_equal_windows(size: int, count: int) -> bool:
    """Whether equal windows with a stride of ``size // count`` are Paddle's."""
    stride = size // count
    length = size - (count - 1) * stride
    return stride > 0 and all(
        window == range(i * stride, i * stride + length)
        for i, window in enumerate(pooling_windows(size, count))
    )
