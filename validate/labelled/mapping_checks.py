"""Whether the labels of some data can be right, before anything runs."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from paddleport.errors import UsageError
from paddleport.validate.labelled.class_names import (
    ModelClasses,
    class_indices,
    other_order,
)
from paddleport.validate.labelled.listing import Listing, shown, some

_MOST_LABELS = 100_000  # different ones; ImageNet's largest edition has 22,000 classes
_MOST_PAIRS = 50_000
_NUMBER = re.compile(r"-?[0-9]+")
_SYNSET_IN_NAME = re.compile(r"(?<![0-9A-Za-z])n\d{8}(?![0-9])")


@dataclass(frozen=True, kw_only=True)
class ListingScan:
    """What one pass over a listing found.

    Attributes:
        counts: pictures by label.
        sha256: over names and labels, in their order.
        pairs: by what a picture's path says of its class and by its label, how many; of the first
            pictures alone where there are very many.
    """

    counts: Mapping[str, int]
    sha256: str
    pairs: Mapping[tuple[str, str], int]

    @property
    def total(self) -> int:
        """All pictures."""
        return sum(self.counts.values())


def scan(listing: Listing) -> ListingScan:
    """Read names and labels once; no picture is read and no name kept.

    Raises:
        UsageError: there are no pictures, paths lead nowhere, or no label is like another.
    """
    counts: dict[str, int] = {}
    pairs: dict[tuple[str, str], int] = {}
    digest = hashlib.sha256()
    missing: list[str] = []
    missing_count = 0
    for entry in listing.entries():
        label = entry.label
        counts[label] = counts.get(label, 0) + 1
        digest.update(f"{entry.name}\0{label}\n".encode("utf-8", "surrogateescape"))
        if listing.is_missing(entry):
            missing_count += 1
            missing += [entry.name] if len(missing) < 3 else []
        if len(counts) > _MOST_LABELS:
            raise UsageError(
                f"{listing.title} has over {_MOST_LABELS} different labels, such as {some(counts)}:"
                " is that the label?"
            )
        if listing.what == "label" and len(pairs) < _MOST_PAIRS:
            pair = _said_by_path(entry.name), label
            pairs[pair] = pairs.get(pair, 0) + 1
    if not counts:
        raise UsageError(f"{listing.title} holds no pictures; {'; '.join(listing.notes())}")
    if missing:
        total = sum(counts.values())
        raise UsageError(listing.explain_missing(missing, missing_count, total))
    return ListingScan(counts=counts, sha256=digest.hexdigest(), pairs=pairs)


def check_mapping(
    listing: Listing,
    found: ListingScan,
    indices: Mapping[str, int],
    model: ModelClasses,
    *,
    mapped: bool,
) -> list[str]:
    """Hold the classes that labels were given against all else that is known of them.

    Args:
        listing: the data.
        found: in it.
        indices: the class of each label.
        model: whose classes they are.
        mapped: whether somebody wrote down which is which.

    Returns:
        What is unusual and may be right, a sentence each.

    Raises:
        UsageError: the labels cannot be right.
    """
    present = set(indices.values())
    if len(present) == 1 and found.total > 1 and model.known != 1:
        raise UsageError(
            f"all {found.total} pictures of {listing.title} are of class "
            f"{model.label(min(present))}: that tells nothing of a classifier. Give all classes"
        )
    names = listing.class_names()
    if names and model.labels and not mapped:
        other = other_order(model.labels, names)
        if other is not None:
            raise UsageError(
                f"{listing.title} calls class {other} '{shown(names[other])}', and the model "
                f"'{shown(model.labels[other])}': give --class-map FILE ('name index' per line)"
            )
    notes = []
    if model.known is not None and len(present) < model.known:
        notes.append(f"{len(present)} of the model's {model.known} classes have pictures")
    shared = len(indices) - len(present)
    if shared and not mapped:
        notes.append(f"{shared} of {len(indices)} {listing.what}s stand for the class of another")
    return [*notes, *_against_paths(listing, found, indices, model)]


def _against_paths(
    listing: Listing, found: ListingScan, indices: Mapping[str, int], model: ModelClasses
) -> list[str]:
    """Labels beside WordNet ids or class names in the paths, where all of these are known."""
    said = {name for name, _ in found.pairs}
    if len(said) < 2 or all(_NUMBER.fullmatch(name) for name in said):
        return []  # numbered folders may be anything
    try:
        by_path = class_indices(said, model, None, "folder")
    except UsageError:
        return []  # folders that are no classes
    wrong = {
        (name, label): count
        for (name, label), count in found.pairs.items()
        if by_path[name] != indices[label]
    }
    total, count = sum(found.pairs.values()), sum(wrong.values())
    if not wrong:
        return []
    name, label = max(wrong, key=lambda pair: wrong[pair])
    example = (
        f"'{shown(name)}' is class {model.label(by_path[name])} and is labelled "
        f"{model.label(indices[label])}"
    )
    if 2 * count <= total:
        return [f"{count} of {total} labels are not what their paths say: {example}"]
    shifts = {indices[label] - by_path[name] for name, label in wrong}
    how = f"all by {shifts.pop():+d}, " if len(shifts) == 1 else ""
    raise UsageError(
        f"the labels of {listing.title} are in another order than the model's classes: {count} of "
        f"{total} are not what their paths say, {how}{example}. Give --class-map FILE "
        "('label index' per line), or the folders themselves"
    )


def _said_by_path(name: str) -> str:
    """The WordNet id in a file's name, or its folder's name."""
    path = PurePosixPath(name)
    synset = _SYNSET_IN_NAME.search(path.name)
    return synset[0] if synset else path.parent.name
