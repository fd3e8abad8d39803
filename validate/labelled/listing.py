"""What every form of labelled data offers: its pictures' names and labels, then the pictures."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.errors import UsageError


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """A picture that was found and not read.

    Attributes:
        name: within the data, with ``/`` between folders.
        label: as the data has it: a folder's name, a number, or a text.
        place: where the form's own reader finds it.
    """

    name: str
    label: str
    place: Any


class Listing(ABC):
    """Labelled pictures in one order, which is the same every time.

    Attributes:
        title: what it is called in a report.
        what: what holds a label, for messages: ``folder`` or ``label``.
    """

    title: str
    what = "label"

    @abstractmethod
    def entries(self) -> Iterator[ListedPicture]:
        """Names and labels, without reading a picture or holding more than a folder of them.

        Raises:
            UsageError: the data is not what it should be.
        """

    @abstractmethod
    def read(self, entry: ListedPicture) -> Path | bytes:
        """The picture of an entry: its file, or its bytes."""

    def picked(self, positions: Iterable[int]) -> Iterator[ListedPicture]:
        """The entries at increasing positions.

        Raises:
            UsageError: there are not so many.
        """
        wanted = iter(positions)
        following = next(wanted, None)
        if following is None:
            return
        for position, entry in enumerate(self.entries()):
            if position == following:
                yield entry
                following = next(wanted, None)
                if following is None:
                    return
        raise UsageError(f"{self.title} has fewer pictures than when it was first read: start anew")

    def class_names(self) -> Sequence[str] | None:
        """What the data itself calls its classes, by index, where it says so."""
        return None

    def is_missing(self, entry: ListedPicture) -> bool:
        """Whether an entry leads nowhere; only a list's can."""
        return False

    def explain_missing(self, names: Sequence[str], count: int, of: int) -> str:
        """One line on entries that lead nowhere: the first of them, and what to type."""
        return f"{count} of {of} pictures of {self.title} are missing: {some(names, count)}"

    def notes(self) -> list[str]:
        """What was left out by the last whole pass over ``entries``, a sentence each."""
        return []


def shown(text: str, at_most: int = 60) -> str:
    """A name from somebody's data on one line of a message."""
    plain = "".join(character if character.isprintable() else "?" for character in text)
    return plain if len(plain) <= at_most else f"{plain[: at_most - 3]}..."


def some(names: Iterable[str], count: int | None = None) -> str:
    """Up to three names for a message, and whether there are more."""
    listed = list(names)
    more = ", ..." if (count or len(listed)) > 3 else ""
    return ", ".join(f"'{shown(name)}'" for name in listed[:3]) + more
