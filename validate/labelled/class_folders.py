"""A folder a class: the pictures of each are anywhere below it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from paddleport.errors import UsageError
from paddleport.runners.preprocessing.picture_files import PICTURE_SUFFIXES
from paddleport.validate.labelled.listing import ListedPicture, Listing, some

_NEVER_PICTURES = frozenset(("thumbs.db", ".ds_store", "desktop.ini"))  # written by file managers
_DEEPEST = 64  # folders within folders


@dataclass
class LeftOut:
    """What a pass over a tree met and did not list: numbers, and the first names.

    Attributes:
        hidden: files and folders whose names begin with a dot.
        others: files that are no pictures by their names.
        loops: links to a folder that they are in themselves.
        empty: class folders without a picture.
    """

    hidden: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, name: str) -> None:
        """One more; only the first names are kept."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        names: list[str] = getattr(self, kind)
        if len(names) < 3:
            names.append(name)

    def sentences(self) -> list[str]:
        """What is to be said."""
        texts = {
            "others": "left out, no pictures by their names",
            "hidden": "left out, as they are hidden",
            "loops": "left out, links to a folder that they are in",
            "empty": "folders without a picture",
        }
        return [
            f"{self.counts[kind]} {text}: {some(getattr(self, kind), self.counts[kind])}"
            for kind, text in texts.items()
            if kind in self.counts
        ]


class ClassFolders(Listing):
    """A folder with a folder a class."""

    what = "folder"

    def __init__(self, folder: Path, title: str) -> None:
        self.title = title
        self._folder = folder
        self._left_out = LeftOut()

    def entries(self) -> Iterator[ListedPicture]:
        """By folder, then by path, as ``sorted`` has paths."""
        self._left_out = LeftOut()
        for item in _children(self._folder):
            if not _is_folder(item):
                self._leave_out(item.name, item.name)
            elif _is_hidden(item.name):
                self._left_out.add("hidden", item.name)
            else:
                yield from self._class(item.name)

    def read(self, entry: ListedPicture) -> Path:
        """Its file."""
        return self._folder / entry.name

    def notes(self) -> list[str]:
        """Files that are no pictures, hidden ones, and folders without any."""
        return self._left_out.sentences()

    def _class(self, name: str) -> Iterator[ListedPicture]:
        empty = True
        for path in self._below(name, ()):
            empty = False
            yield ListedPicture(path, name, None)
        if empty:
            self._left_out.add("empty", name)

    def _below(self, inside: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
        """Paths of pictures; links to folders are followed unless they lead back."""
        folder = self._folder / inside
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above or len(above) > _DEEPEST:
            self._left_out.add("loops", inside)
            return
        for item in _children(folder):
            path = f"{inside}/{item.name}"
            if _is_folder(item):
                if _is_hidden(item.name):
                    self._left_out.add("hidden", path)
                else:
                    yield from self._below(path, (*above, identity))
            elif Path(item.name).suffix.lower() in PICTURE_SUFFIXES and not _is_hidden(item.name):
                yield path
            else:
                self._leave_out(item.name, path)

    def _leave_out(self, name: str, path: str) -> None:
        if name.lower() not in _NEVER_PICTURES:
            self._left_out.add("hidden" if _is_hidden(name) else "others", path)


def class_folder_names(folder: Path) -> list[str]:
    """The folders in a folder, but for hidden ones."""
    return [
        item.name for item in _children(folder) if _is_folder(item) and not _is_hidden(item.name)
    ]


def _children(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda item: item.name)
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}") from None


def _is_folder(item: "os.DirEntry[str]") -> bool:
    """Whether it is one, or leads to one; a link that leads to itself does not."""
    try:
        return item.is_dir()
    except OSError:  # what it is to lead to cannot be found out: then it is no folder to read
        return False


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))
