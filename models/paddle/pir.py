"""PIR programs as JSON: which version of the format, and a copy that older readers understand.

Paddle 3.3 made many attributes double that were float before (version 4 of the format). Readers
made for version 3, which Paddle <= 3.2 and Paddle2ONNX 2.1.0 are, refuse them or, worse, take
the bits of the double for a float. A copy with floats again means the same: the kernels compute
in the tensors' type.
"""

import json
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError

LAST_FLOAT_VERSION = 3
"""Version of the format up to Paddle 3.2."""

_FLOAT, _DOUBLE = "0.a_f32", "0.a_f64"

ALWAYS_DOUBLE = frozenset(
    {
        ("accuracy_check", "atol"),
        ("accuracy_check", "rtol"),
        ("allclose", "atol"),
        ("allclose", "rtol"),
        ("arange", "end"),
        ("arange", "start"),
        ("arange", "step"),
        ("assign_value", "values"),
        ("assign_value_", "values"),
        ("full", "value"),
        ("full_", "value"),
        ("full_batch_size_like", "value"),
        ("isclose", "atol"),
        ("isclose", "rtol"),
        ("memory_efficient_attention", "dropout_p"),
        ("range_v2", "end"),
        ("range_v2", "start"),
        ("range_v2", "step"),
        ("set_value", "values"),
        ("set_value_", "values"),
    }
)
"""Operator and attribute of every double that Paddle 3.2 had already.

Source: the ``Build`` functions in pd_op.h of Paddle 3.2.2, held against those of 3.3.1.
"""


def downgrade_pir(program: Path, target: Path) -> bool:
    """Write ``target``, a copy that readers of version 3 understand, if one is needed.

    Returns:
        Whether ``program`` held anything newer; if not, nothing is written.

    Raises:
        ModelFileError: it is no PIR program.
    """
    try:
        document = json.loads(program.read_bytes())
        changed = downgrade_document(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{program} is no PIR program: {error}") from None
    if changed:
        target.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
    return changed


def downgrade_document(document: dict[str, Any]) -> bool:
    """The same on a parsed program, in place; says whether anything was changed."""
    base = document["base_code"]
    newer = bool(base["version"] > LAST_FLOAT_VERSION)
    if newer:
        base["version"] = LAST_FLOAT_VERSION
    return _downgrade_regions(document["program"]["regions"]) or newer


def _downgrade_regions(regions: list[dict[str, Any]]) -> bool:
    changed = False
    for region in regions:
        for block in region["blocks"]:
            for op in block["ops"]:
                changed |= _downgrade_op(op)
    return changed


def _downgrade_op(op: dict[str, Any]) -> bool:
    kind = op["#"].rpartition(".")[2]
    changed = _downgrade_regions(op.get("regions", []))
    for attribute in op["A"] if kind != "p" else ():
        if (kind, attribute["N"]) not in ALWAYS_DOUBLE:
            changed |= _downgrade_value(attribute["AT"])
    return changed


def _downgrade_value(value: dict[str, Any]) -> bool:
    if value["#"] == _DOUBLE:
        value["#"] = _FLOAT
        return True
    if value["#"] != "0.a_array":
        return False
    return any([_downgrade_value(item) for item in value["D"]])
