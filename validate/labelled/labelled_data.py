"""Labelled pictures of a user, read in one way whatever form they have."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from paddleport.errors import UsageError
from paddleport.validate.labelled.class_map import read_class_map
from paddleport.validate.labelled.class_names import ModelClasses, class_indices
from paddleport.validate.labelled.find_listing import find_listing
from paddleport.validate.labelled.listing import ListedPicture, Listing
from paddleport.validate.labelled.mapping_checks import check_mapping, scan


class LabelledEntry(NamedTuple):
    """A picture's name and the index of its class."""

    name: str
    label: int


@dataclass(frozen=True)
class LabelledPicture:
    """A picture and its true class.

    Attributes:
        name: within the data, with ``/`` between folders.
        source: its file or its bytes, neither decoded nor checked.
        label: the index of its class.
    """

    name: str
    source: Path | bytes = field(repr=False)
    label: int


@dataclass(frozen=True, kw_only=True)
class LabelledData:
    """Labelled pictures in a fixed order, of which none is held.

    Attributes:
        source: what it is, for a report.
        count: how many pictures ``pictures`` gives.
        classes: how many classes the labels are of: the model's, where it is known.
        sha256: over names and labels, in their order.
        notes: what was left out or is missing, a sentence each.
        listing: where they are.
        indices: the class of every label in the listing.
        listed: how many there are in the listing.
    """

    source: str
    count: int
    classes: int
    sha256: str
    notes: tuple[str, ...]
    listing: Listing = field(repr=False)
    indices: Mapping[str, int] = field(repr=False)
    listed: int

    def entries(self) -> Iterator[LabelledEntry]:
        """Names and labels of all pictures; none is read.

        Raises:
            UsageError: the data is no longer what it was.
        """
        for entry in self.listing.picked(self._positions(0)):
            yield LabelledEntry(entry.name, self._label(entry))

    def pictures(self, start: int = 0) -> Iterator[LabelledPicture]:
        """The pictures from a number on, always in the same order.

        Raises:
            UsageError: the data is no longer what it was.
        """
        for entry in self.listing.picked(self._positions(start)):
            yield LabelledPicture(entry.name, self.listing.read(entry), self._label(entry))

    def limited(self, limit: int) -> "LabelledData":
        """At most so many pictures, evenly spread over all: the first are often of one class."""
        if limit >= self.count:
            return self
        digest = hashlib.sha256(f"{self.sha256} {limit} of {self.count}".encode()).hexdigest()
        source = f"{self.source}, {limit} of {self.count} pictures"
        return replace(self, source=source, count=limit, sha256=digest)

    def _positions(self, start: int) -> Iterator[int]:
        """In the listing, from a number on."""
        return (place * self.listed // self.count for place in range(start, self.count))

    def _label(self, entry: ListedPicture) -> int:
        if entry.label not in self.indices:
            raise UsageError(f"{self.source} was changed while it was read: start anew")
        return self.indices[entry.label]


def open_labelled(
    data: Path,
    *,
    labels: Sequence[str] | None,
    classes: int | None,
    list_file: Path | None = None,
    root: Path | None = None,
    class_map: Path | None = None,
) -> LabelledData:
    """Find the labelled pictures and check their labels; no picture is read.

    Args:
        data: a folder with a folder a class, with ``val_list.txt``, or with shards; or a list, a
            CSV or a shard itself.
        labels: the model's class names by index, if it has any.
        classes: how many the model has, if that is known.
        list_file: a list or CSV of the pictures below ``data``.
        root: what the paths of a list are relative to; by default ``data``, or its own folder.
        class_map: a file that says which class the labels stand for.

    Raises:
        UsageError: there is no such data, or its labels cannot be this model's classes.
    """
    listing = find_listing(data, list_file=list_file, root=root)
    model = ModelClasses(labels=labels, count=classes)
    mapping = None if class_map is None else read_class_map(class_map)
    found = scan(listing)
    indices = class_indices(found.counts, model, mapping, listing.what)
    notes = check_mapping(listing, found, indices, model, mapped=mapping is not None)
    return LabelledData(
        source=listing.title,
        count=found.total,
        classes=model.known or max(indices.values()) + 1,
        sha256=found.sha256,
        notes=(*listing.notes(), *notes),
        listing=listing,
        indices=indices,
        listed=found.total,
    )
