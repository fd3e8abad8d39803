"""A parity report from a file or a mapping, with every value checked as it is read."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from paddleport.errors import ModelNotFoundError, OutputError

MAX_BYTES = 64 << 20  # a report with all its pictures has less than one MB
READABLE_SCHEMAS = (2, 3)
_EXPECTED = "give it a parity.json of paddleport validate"


@dataclass(frozen=True)
class Node:
    """A value of a report, and where it stands there, so that a wrong one can be named.

    A key that is missing or null gives nothing (an empty text, no number, no items): reports
    leave out what was not measured. A value of another type is an ``OutputError``.

    Attributes:
        source: the report's name for a reader.
        where: the path to the value; empty for the whole report.
        value: as JSON has it.
    """

    source: str
    where: str
    value: Any

    def at(self, key: str) -> "Node":
        """What stands under ``key``; its value is ``None`` where nothing does."""
        if not isinstance(self.value, Mapping):
            self.refuse("is no object")
        where = f"{self.where}.{key}" if self.where else key
        return Node(self.source, where, self.value.get(key))

    def text(self, key: str) -> str:
        """A text; empty where there is none."""
        found = self.at(key)
        if found.value is not None and not isinstance(found.value, str):
            found.refuse("is no text")
        return found.value or ""

    def number(self, key: str) -> float | None:
        """A finite number of 0 or more; ``None`` where there is none."""
        found = self.at(key)
        return None if found.value is None else found.own_number()

    def own_number(self) -> float:
        """The value itself, as a finite number of 0 or more."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.refuse("is no number")
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if not (math.isfinite(number) and number >= 0):
            self.refuse("is no finite number of 0 or more")
        return number

    def known_number(self, key: str) -> float:
        """A number that must be there."""
        found = self.at(key)
        if found.value is None:
            found.refuse("is missing")
        return found.own_number()

    def part(self, key: str) -> "Node":
        """An object; an empty one where there is none."""
        found = self.at(key)
        if found.value is not None and not isinstance(found.value, Mapping):
            found.refuse("is no object")
        return Node(found.source, found.where, found.value or {})

    def items(self, key: str) -> list["Node"]:
        """What a list holds; nothing where there is none."""
        found = self.at(key)
        if found.value is not None and not isinstance(found.value, list | tuple):
            found.refuse("is no list")
        return [
            Node(self.source, f"{found.where}[{index}]", value)
            for index, value in enumerate(found.value or ())
        ]

    def refuse(self, why: str) -> NoReturn:
        """Say that the report is none.

        Raises:
            OutputError: always.
        """
        raise OutputError(f"{self.source} is no parity report: {self.where} {why}; {_EXPECTED}")


def open_report(report: Mapping[str, Any] | str | Path, title: str) -> Node:
    """The root of a report whose schema is known here.

    Args:
        report: a file, or what ``ParityReport.to_dict`` gives.
        title: what to call a mapping in an error.

    Raises:
        ModelNotFoundError: there is no such file.
        OutputError: it cannot be read, or is no parity report of a schema that is known.
    """
    if isinstance(report, Mapping):
        source, value = title, report
    else:
        source = str(report)
        value = _loaded(Path(report))
    if not isinstance(value, Mapping) or not {"schema", "model", "rows"} <= set(value):
        raise OutputError(f"{source} is no parity report; {_EXPECTED}")
    schema = value["schema"]
    if schema not in READABLE_SCHEMAS or isinstance(schema, bool):
        known = ", ".join(map(str, READABLE_SCHEMAS))
        raise OutputError(
            f"{source} has schema {schema!r:.40}, and {known} is read here: validate again with "
            "this version of paddleport"
        )
    return Node(source, "", value)


def _loaded(path: Path) -> Any:
    try:
        with path.open("rb") as stream:  # a pipe has no size to ask for before
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ModelNotFoundError(f"there is no report {path}; {_EXPECTED}") from None
    except IsADirectoryError:
        raise OutputError(f"{path} is a folder; name the parity.json in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path} cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise OutputError(f"{path} is no parity report: more than {MAX_BYTES >> 20} MB")
    if not content.strip():
        raise OutputError(f"{path} is empty; {_EXPECTED}")
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_no_number)
    except RecursionError:
        raise OutputError(f"{path} is no parity report: too deep; {_EXPECTED}") from None
    except ValueError as error:
        raise OutputError(f"{path} is no whole JSON file ({error}); {_EXPECTED}") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
