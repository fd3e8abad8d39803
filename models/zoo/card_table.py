"""A table of a card's data file, whose every complaint names the file and the key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError
from paddleport.models.metadata import is_plain_name

_ANY = object()  # a default that says: the key must be there
_KINDS = {str: "a text", int: "a whole number", dict: "a table", list: "a list"}


class CardTable:
    """A table of a card, which says where it stands when a value is not as it must be."""

    def __init__(self, file: Path, place: str, values: Mapping[str, Any]) -> None:
        self.file = file
        self._place = place
        self.values = values

    def get(self, key: str, kind: type, default: Any = _ANY) -> Any:
        """A value of one kind, or the default where the key is missing or null."""
        value = self.values.get(key)
        if value is None and default is not _ANY:
            return default
        if value is None:
            raise self.error(key, "is missing")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(key, f"is no {_KINDS[kind].partition(' ')[2]}")
        return value

    def table(self, key: str) -> "CardTable":
        """The table under a key; an empty one where it is missing."""
        return CardTable(self.file, f"{self._place}{key}.", self.get(key, dict, {}))

    def tables(self, key: str, default: Any = _ANY) -> list["CardTable"]:
        """The list of tables under a key."""
        found = []
        for index, item in enumerate(self.get(key, list, default)):
            if not isinstance(item, dict):
                raise self.error(f"{key}[{index}]", "is no table")
            found.append(CardTable(self.file, f"{self._place}{key}[{index}].", item))
        return found

    def name(self) -> str:
        """The model's name, which files and folders are named after."""
        name = str(self.get("name", str))
        if not is_plain_name(name):
            raise self.error("name", f"{name[:80]!r} is no plain file name")
        return name

    def aliases(self) -> tuple[str, ...]:
        """The model's other names."""
        for alias in self.texts("aliases"):
            if not is_plain_name(alias):
                raise self.error("aliases", f"{alias[:80]!r} is no plain file name")
        return self.texts("aliases")

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts under a key; an empty one where it is missing."""
        values = self.get(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "is no list of texts")
        return tuple(values)

    def check_keys(self, known: set[str]) -> None:
        """Refuse a key that no card has."""
        for key in self.values:
            if key not in known:
                raise self.error(key, "is no key of a card")

    def error(self, key: str, complaint: str) -> ModelFileError:
        """A complaint about a key, with where it stands."""
        return ModelFileError(f"the card {self.file}: {self._place}{key} {complaint}")
