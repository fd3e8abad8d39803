"""A file that says which class the labels of somebody's data stand for."""

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from paddleport.errors import UsageError
from paddleport.validate.labelled.listing import shown
from paddleport.validate.labelled.text_file import text_lines

_MAX_BYTES = 16 << 20
_SYNSET_LINE = re.compile(r"(n\d{8})(?:\s.*)?")
_INDEX = re.compile(r"-?[0-9]+")
Pairs = list[tuple[str, int]]


def read_class_map(file: Path) -> dict[str, int]:
    """Indices by label.

    Read are: JSON, a mapping of names to indices or of indices to names (or to lists of names, as
    Keras has it), or a list of names in order; CSV of name and index, with or without a header;
    and text: ``name index`` or ``index name`` on each line, or names alone in order (a WordNet id
    may be followed by words).

    Raises:
        UsageError: it is none of these, or names one label twice with different classes.
    """
    if file.is_file() and file.stat().st_size > _MAX_BYTES:
        raise UsageError(f"{file} is over {_MAX_BYTES >> 20} MB: no class map")
    lines = [line for line in text_lines(file) if line.strip()]
    if file.suffix.lower() == ".json":
        pairs = _from_json(file, "\n".join(lines))
    elif file.suffix.lower() == ".csv":
        pairs = _from_rows(file, list(csv.reader(lines)))
    else:
        pairs = _from_text([line.strip() for line in lines])
    found: dict[str, int] = {}
    for name, index in pairs:
        if found.setdefault(name, index) != index:
            raise UsageError(
                f"{file} has '{shown(name)}' as class {found[name]} and as class {index}: keep one"
            )
    if not found:
        raise UsageError(f"{file} names no class: one 'name index' per line")
    return found


def _from_json(file: Path, text: str) -> Pairs:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{file} is not JSON: {{'name': index}} or a list of names") from None
    if isinstance(content, list):
        return _in_order([_text(file, item) for item in content])
    if not isinstance(content, dict):
        raise UsageError(f"{file} is neither a mapping nor a list of names")
    if all(type(value) is int for value in content.values()):
        return list(content.items())
    pairs = []
    for key, value in content.items():
        if not _INDEX.fullmatch(key):
            raise UsageError(
                f"{file} has '{shown(key)}': {shown(json.dumps(value))}, which is no index: "
                "{'name': index} or {'index': 'name'}"
            )
        names = value if isinstance(value, list) else [value]
        pairs += [(_text(file, name), int(key)) for name in names]
    return pairs


def _text(file: Path, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{file} has {shown(json.dumps(value))} where a class's name should be")
    return value


def _from_rows(file: Path, rows: Sequence[Sequence[str]]) -> Pairs:
    if rows and not any(_INDEX.fullmatch(cell.strip()) for cell in rows[0]):
        rows = rows[1:]  # the header
    if not all(len(row) == 2 for row in rows):
        raise UsageError(f"{file} needs two columns, name and index")
    return _either_way(file, [(one.strip(), other.strip()) for one, other in rows])


def _from_text(lines: Sequence[str]) -> Pairs:
    named = [_SYNSET_LINE.fullmatch(line) for line in lines]
    ends = [line.rsplit(None, 1) for line in lines]
    if all(len(parts) == 2 and _INDEX.fullmatch(parts[1]) for parts in ends):
        return [(name, int(index)) for name, index in ends]
    starts = [line.split(None, 1) for line in lines]
    if all(len(parts) == 2 and _INDEX.fullmatch(parts[0]) for parts in starts):
        return [(name, int(index)) for index, name in starts]
    return _in_order(
        [match[1] if match else line for match, line in zip(named, lines, strict=True)]
    )


def _either_way(file: Path, rows: Sequence[tuple[str, str]]) -> Pairs:
    if all(_INDEX.fullmatch(index) for _, index in rows):
        return [(name, int(index)) for name, index in rows]
    if all(_INDEX.fullmatch(index) for index, _ in rows):
        return [(name, int(index)) for index, name in rows]
    raise UsageError(f"{file} needs a column of whole numbers, the indices")


def _in_order(names: Iterable[str]) -> Pairs:
    return [(name, index) for index, name in enumerate(names)]
