"""What a file says of a model, in JSON that anybody may have written, held against its rules.

Every function raises ValueError with one line that says what is wrong; who calls it names the file.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from paddleport.errors import ModelFileError
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import TensorSpec

CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no label holds: a terminal acts on it, or no text can be encoded with it."""

DTYPES = frozenset(
    {
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "bfloat16", "complex64", "complex128"),
        *("int4", "uint4", "float8_e4m3fn", "float8_e5m2", "object", "str"),
    }
)
"""Names of the types that tensors have."""

_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")


def is_plain_name(name: object) -> bool:
    """Whether a value is a text that names a file in a folder, and nothing outside it."""
    return isinstance(name, str) and name not in ("", ".", "..") and not _NO_NAME.search(name)


def parse_json(text: str) -> Any:
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_table(text: str) -> Mapping[str, Any]:
    """The content of a JSON text that is one object."""
    return _table(parse_json(text), "it")


def checked_preprocess(values: Any) -> Preprocess | None:
    """How pictures are fed, from what ``Preprocess.to_dict`` gave."""
    try:
        return None if values is None else Preprocess.from_dict(values)
    except ModelFileError as error:
        raise ValueError(str(error)) from None


def checked_labels(values: Any) -> tuple[str, ...] | None:
    """Class names by index; ``None`` where there are none."""
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("labels is no list of texts")
    for index, value in enumerate(values):
        if CONTROL.search(value):
            raise ValueError(f"labels[{index}] has control characters: {value[:40]!a}")
    return tuple(values) or None


def checked_names(values: Any, key: str) -> tuple[str, ...]:
    """Names of files that lie in one folder."""
    if not isinstance(values, list) or not all(map(is_plain_name, values)):
        raise ValueError(f"{key} is no list of plain file names")
    return tuple(values)


def checked_tensors(values: Any, key: str) -> tuple[TensorSpec, ...]:
    """Inputs or outputs."""
    if not isinstance(values, list):
        raise ValueError(f"{key} is no list")
    return tuple(_tensor(item, f"{key}[{index}]") for index, item in enumerate(values))


def checked_provenance(values: Any) -> Mapping[str, Any]:
    """How a file was made, as far as it is read again: its source, fixes and steps."""
    provenance = _table(values, "provenance")
    source = _table(provenance.get("source", {}), "provenance.source")
    if not is_plain_name(source.get("name", "none")):  # cache entries are named after it
        raise ValueError("provenance.source.name is no plain name")
    for key in ("weights", "sha256"):
        if not isinstance(source.get(key, ""), str):
            raise ValueError(f"provenance.source.{key} is no text")
    if CONTROL.search(source.get("weights", "")):
        raise ValueError("provenance.source.weights has control characters")
    if type(provenance.get("opset", 0)) is not int:
        raise ValueError("provenance.opset is no whole number")
    for key, kind, what in (("mends", str, "texts"), ("steps", dict, "tables")):
        items = provenance.get(key, [])
        if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
            raise ValueError(f"provenance.{key} is no list of {what}")
    return provenance


def _tensor(values: Any, key: str) -> TensorSpec:
    table = _table(values, key)
    name, dtype, shape = (table.get(part) for part in ("name", "dtype", "shape"))
    if not isinstance(name, str) or CONTROL.search(name):
        raise ValueError(f"{key}.name is no name")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"{key}.dtype is no type of tensors")
    if not isinstance(shape, list) or not all(map(_is_side, shape)):
        raise ValueError(f"{key}.shape is no list of sizes and nulls")
    return TensorSpec(name, dtype, tuple(shape))


def _is_side(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 0)


def _table(values: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(f"{what} is no table of keys")
    return values
