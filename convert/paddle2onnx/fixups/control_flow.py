"""Loops and branches of a program, so that Paddle2ONNX tells their values apart."""

from collections.abc import Collection, Iterator
from typing import Any

from paddleport.convert.paddle2onnx.fixups.pir_operations import blocks

CARRIED = "a loop's body read what it carries in the place of what went in: that is copied before"
HANDED_ON = "a body that hands on what it was given ends Paddle2ONNX: it hands on a copy"


def separate_values(document: dict[str, Any], *, without: Collection[str] = ()) -> tuple[str, ...]:
    """Copy, in a parsed program, what Paddle2ONNX would take for another value, or end by.

    It names what a loop carries as what goes into the loop, so that a body that reads both gets
    one; and it looks for the operator behind what a body gives, which an argument has not.

    Returns:
        A sentence for each fixup that was needed.
    """
    copies = _Copies(document)
    if CARRIED not in without:
        copies.of_carried()
    if HANDED_ON not in without:
        copies.of_arguments()
    return tuple(copies.sentences)


class _Copies:
    """Puts ``assign`` operations into a program."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.sentences: dict[str, None] = {}
        self._blocks = list(blocks(document["program"]["regions"]))
        self._arguments = {item["#"]: item for block in self._blocks for item in block["args"]}
        self._types: dict[int, dict[str, Any]] = dict(self._arguments)
        for block in self._blocks:
            for op in block["ops"]:
                results = op["O"] if isinstance(op["O"], list) else [op["O"]]
                self._types |= {result["%"]: result for result in results}

    def of_carried(self) -> None:
        """Before each loop, what its body reads as well, and what goes in twice."""
        for block in self._blocks:
            for op in [op for op in block["ops"] if op["#"].endswith(".while")]:
                read = set(_read_inside(op))
                condition, *carried = op["I"]
                seen = {condition["%"]}
                for operand in carried:
                    if operand["%"] in read | seen:
                        self._copy(block["ops"], op, operand)
                        self.sentences[CARRIED] = None
                    seen.add(operand["%"])

    def of_arguments(self) -> None:
        """At the end of each body, what is an argument of it or of one around it."""
        for block in self._blocks:
            for op in [op for op in block["ops"] if op["#"].endswith(".yield")]:
                for operand in op["I"]:
                    if operand["%"] in self._arguments:
                        self._copy(block["ops"], op, operand)
                        self.sentences[HANDED_ON] = None

    def _copy(
        self, ops: list[dict[str, Any]], reader: dict[str, Any], operand: dict[str, Any]
    ) -> None:
        value = max(self._types) + 1
        result = {"%": value, "TT": self._types[operand["%"]]["TT"]}
        kind = {"#": "0.a_array", "D": [{"#": "0.a_bool", "D": True}]}
        copy = {
            "#": "1.assign",
            "A": [],
            "I": [{"%": operand["%"]}],
            "O": [result],
            "OA": [{"AT": kind, "N": "stop_gradient"}],
        }
        at = next(index for index, op in enumerate(ops) if op is reader)
        ops.insert(at, copy)
        self._types[value] = result
        operand["%"] = value


def _read_inside(op: dict[str, Any]) -> Iterator[int]:
    for block in blocks(op.get("regions", [])):
        for inner in block["ops"]:
            yield from (operand["%"] for operand in inner.get("I", []))
