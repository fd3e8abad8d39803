"""A list of pictures as PaddleClas has it: path, delimiter, label on each line."""

import re
from collections.abc import Iterator
from pathlib import Path

from paddleport.errors import UsageError
from paddleport.validate.evaluate.labelled.listing import ListedPicture, Listing, shown
from paddleport.validate.evaluate.labelled.text_file import text_lines

LIST_NAME = "val_list.txt"
_DELIMITERS = (" ", ",", ";", "|")


class ListFile(Listing):
    """PaddleClas's list file; its paths are below ``root``.

    The label stands after the last delimiter of its line, so that a path may hold spaces: a tab
    where the line has one, else what parts a number from the path in the first line.
    """

    def __init__(self, file: Path, root: Path, title: str) -> None:
        self.title = title
        self._file, self._root = file, root

    def entries(self) -> Iterator[ListedPicture]:
        """In the file's order."""
        delimiter = ""
        for number, line in enumerate(text_lines(self._file), 1):
            text = line.strip()
            if not text:
                continue
            delimiter = delimiter or _delimiter(text)
            path, _, label = text.rpartition("\t" if "\t" in text else delimiter)
            path, label = path.strip(), label.strip()
            if not path or not label:
                raise UsageError(
                    f"{self._file.name} line {number} is not 'path label': {shown(text, 80)}"
                )
            yield ListedPicture(path, label, self._root / path)

    def read(self, entry: ListedPicture) -> Path:
        """Its file."""
        return Path(entry.place)


def _delimiter(line: str) -> str:
    """Of a whole list, by its first line: the one before a number at its end."""
    for delimiter in _DELIMITERS:
        _, found, label = line.rpartition(delimiter)
        if found and re.fullmatch(r"-?\d+", label.strip()):
            return delimiter
    return " "
