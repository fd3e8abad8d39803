"""What a PIR program declares of every tensor that Paddle2ONNX writes, under the names it gives."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DIALECTS = {"0": "builtin", "1": "pd_op", "2": "cf"}
Shape = tuple[int, ...]
"""-1 is a dimension that is free or unknown."""


@dataclass(frozen=True)
class DeclaredValue:
    """A value of the program: the operator that makes it, and its shape where it is a tensor."""

    operator: str
    shape: Shape | None


def declared_values(document: dict[str, Any]) -> dict[str, DeclaredValue]:
    """Paddle2ONNX's name of each result, those inside loops and branches too.

    It calls result I of the K-th NAME ``p2o.pd_op.NAME.K.I``, inside a block
    ``p2o.sub_block.pd_op.NAME.K.I`` with one count for all of them, and an output as its fetch.
    """
    made: dict[int, DeclaredValue] = {}
    declared: dict[str, DeclaredValue] = {}
    main = document["program"]["regions"][0]["blocks"][0]["ops"]
    _number(main, "p2o", Counter(), made, declared)
    counts: Counter[str] = Counter()
    for ops in _inner_blocks(main):
        _number(ops, "p2o.sub_block", counts, made, declared)
    return declared


def _inner_blocks(ops: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The blocks inside others, in the order in which Paddle2ONNX names what they hold."""
    for op in ops:
        for region in op.get("regions", []):
            for block in region["blocks"]:
                yield block["ops"]
                yield from _inner_blocks(block["ops"])


def _number(
    ops: list[dict[str, Any]],
    prefix: str,
    counts: Counter[str],
    made: dict[int, DeclaredValue],
    declared: dict[str, DeclaredValue],
) -> None:
    for op in ops:
        dialect, _, operator = op["#"].rpartition(".")
        if operator == "p":
            continue
        if operator == "fetch":
            names = [item["AT"]["D"] for item in op["A"] if item["N"] == "name"]
            fetched = DeclaredValue("fetch", tensor_shape(op["O"][0]))
            declared[names[0]] = made.get(op["I"][0]["%"], fetched)
            continue
        for index, result in enumerate(op["O"]):
            value = DeclaredValue(operator, tensor_shape(result))
            made[result["%"]] = value
            name = f"{_DIALECTS.get(dialect, dialect)}.{operator}"
            declared[f"{prefix}.{name}.{counts[op['#']]}.{index}"] = value
        counts[op["#"]] += 1


def tensor_shape(result: dict[str, Any]) -> Shape | None:
    """The shape of a result or of a block's argument; ``None`` for what is no dense tensor."""
    kind = result.get("TT")
    if not kind or kind["#"].rpartition(".")[2] != "t_dtensor":
        return None
    return tuple(kind["D"][1])
