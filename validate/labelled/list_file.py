"""A list of pictures as PaddleClas has it: path, delimiter, label on each line."""

import re
from collections.abc import Iterator

from paddleport.errors import UsageError
from paddleport.validate.labelled.listing import ListedPicture, shown
from paddleport.validate.labelled.path_listing import PathListing
from paddleport.validate.labelled.text_file import text_lines

LIST_NAME = "val_list.txt"
_DELIMITERS = (" ", ",", ";", "|")


class ListFile(PathListing):
    """PaddleClas's list file.

    The label stands after the last delimiter of its line, so that a path may hold spaces: a tab
    where the line has one, else what parts a number from the path in the first line.
    """

    def entries(self) -> Iterator[ListedPicture]:
        """In the file's order."""
        delimiter = ""
        for number, line in enumerate(text_lines(self._file), 1):
            text = line.strip()
            if not text:
                continue
            delimiter = delimiter or _delimiter(text)
            path, _, label = text.rpartition("\t" if "\t" in text else delimiter)
            if not path.strip() or not label.strip():
                raise UsageError(
                    f"{self._file.name} line {number} is not 'path label': {shown(text, 80)}"
                )
            yield self.entry(path.strip(), label.strip())


def _delimiter(line: str) -> str:
    """Of a whole list, by its first line: the one before a number at its end."""
    for delimiter in _DELIMITERS:
        _, found, label = line.rpartition(delimiter)
        if found and re.fullmatch(r"-?[0-9]+", label.strip()):
            return delimiter
    return " "
