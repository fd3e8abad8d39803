"""Pictures that a file lists by path: what is missing, and where it may be instead."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from paddleport.validate.labelled.listing import ListedPicture, Listing, some

_LEVELS = 3  # that paths are looked for above or below the root


class PathListing(Listing):
    """A listing whose places are files below ``root``."""

    def __init__(self, file: Path, root: Path, title: str) -> None:
        self.title = title
        self._file, self._root = file, root

    def entry(self, path: str, label: str) -> ListedPicture:
        """One that the file lists."""
        return ListedPicture(path, label, None)

    def read(self, entry: ListedPicture) -> Path:
        """Its file."""
        return self._root / entry.name

    def is_missing(self, entry: ListedPicture) -> bool:
        """Whether there is no such file."""
        return not os.path.isfile(self._root / entry.name)

    def explain_missing(self, names: Sequence[str], count: int, of: int) -> str:
        """One line on paths that lead nowhere: the first of them, and what to type."""
        first = PurePath(names[0])
        hint = "a list's paths start from its own folder, or from --root DIR"
        for above in (self._root, *list(self._root.absolute().parents)[:_LEVELS]):
            for left_out in range(min(_LEVELS, len(first.parts) - 1) + 1):
                shortened = PurePath(*first.parts[left_out:])
                if not (above / shortened).is_file():
                    continue
                if not left_out:
                    return self._missing(
                        names,
                        count,
                        of,
                        f"they are there from {above}: --root {above}, or put the list there",
                    )
                gone = "/".join(first.parts[:left_out])
                hint = f"{above / shortened} is there: take '{gone}/' from the list's paths"
        return self._missing(names, count, of, hint)

    def _missing(self, names: Sequence[str], count: int, of: int, hint: str) -> str:
        return (
            f"{count} of {of} pictures of {self._file.name} are not in {self._root}: "
            f"{some(names, count)}: {hint}"
        )
