"""Which of a model's classes is meant by the labels that somebody's data has."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from paddleport.errors import UsageError
from paddleport.models.labels import imagenet_labels
from paddleport.validate.labelled.listing import shown, some

_SYNSET = re.compile(r"n\d{8}")
_NUMBER = re.compile(r"-?[0-9]+")
_SAME_LABELS = 0.9  # of ImageNet's 1000: texts differ a little from one list to another
_MAP = "write which is which to a file and give it with --class-map FILE ('name index' per line)"


@dataclass(frozen=True, kw_only=True)
class ModelClasses:
    """What is known of a model's classes.

    Attributes:
        labels: their names by index; ``None`` where the model has none.
        count: how many there are; ``None`` where only the data can tell.
    """

    labels: Sequence[str] | None
    count: int | None

    @property
    def known(self) -> int | None:
        """How many, by the outputs or else by the labels."""
        return self.count if self.count is not None else (self.labels and len(self.labels)) or None

    def label(self, index: int) -> str:
        """A class's index and name for a message."""
        named = self.labels is not None and index < len(self.labels)
        return f"{index} ('{shown((self.labels or ())[index])}')" if named else str(index)


@cache
def imagenet_synsets() -> tuple[str, ...]:
    """The WordNet ids of ImageNet's 1000 classes by index: sorted, as every framework has them."""
    resource = files("paddleport.models").joinpath("imagenet_synsets.txt")
    return tuple(resource.read_text(encoding="utf-8").split())


def class_indices(
    names: Collection[str],
    model: ModelClasses,
    class_map: Mapping[str, int] | None,
    what: str,
) -> dict[str, int]:
    """The index of the class that each label stands for.

    Labels are numbers, WordNet ids of ImageNet's 1000, or texts of the model's labels, in whole
    or by one of their synonyms, whatever their case and punctuation.

    Args:
        names: every label that the data has.
        model: whose classes they are.
        class_map: what the labels stand for, where somebody wrote it down.
        what: what holds them: ``folder`` or ``label``.

    Raises:
        UsageError: a label that is none of the model's, or that may be two of them.
    """
    if class_map is not None:
        found = _mapped(names, class_map, what)
    elif all(_NUMBER.fullmatch(name) for name in names):
        found = _numbered(names, model, what)
    elif model.labels is not None and set(names) <= set(model.labels):
        found = _by_text(names, model.labels, what)
    elif all(_SYNSET.fullmatch(name) for name in names):
        found = _by_synset(names, model, what)
    else:
        found = _by_text(names, _labels_for(names, model, what), what)
    _check_range(found, model, what)
    return found


def _mapped(names: Collection[str], class_map: Mapping[str, int], what: str) -> dict[str, int]:
    unknown = sorted(name for name in names if name not in class_map)
    if unknown:
        raise UsageError(
            f"--class-map does not have {len(unknown)} of {len(names)} {what}s: {some(unknown)}. "
            f"It has {some(class_map)}: add a line 'name index' for each"
        )
    return {name: class_map[name] for name in names}


def _numbered(names: Collection[str], model: ModelClasses, what: str) -> dict[str, int]:
    found = {name: int(name) for name in names}
    count, labels = model.known, model.labels
    low, high = min(found.values()), max(found.values())
    if count is not None and low >= 1 and high == count:
        raise UsageError(
            f"the {what}s are numbered {low} to {high} and the model's classes 0 to {count - 1}: "
            f"off by one. Give --class-map FILE with the lines '1 0', '2 1' to '{count} "
            f"{count - 1}'"
        )
    if labels is None:
        return found
    for name, index in sorted(found.items()):
        named = [place for place, label in enumerate(labels) if label == name]
        if named and index not in named:
            raise UsageError(
                f"{what} '{name}' is class {index} by its number, and the model's label '{name}' "
                f"is class {named[0]}: {_MAP}"
            )
    return found


def _by_synset(names: Collection[str], model: ModelClasses, what: str) -> dict[str, int]:
    order = {name: index for index, name in enumerate(imagenet_synsets())}
    labels = model.labels
    if model.known not in (None, len(order)):
        raise UsageError(
            f"the {what}s are WordNet ids, as ImageNet's 1000 classes have, and this model has "
            f"{model.known} classes: {_MAP}"
        )
    if labels is not None:
        other = other_order(labels, imagenet_labels())
        if other is not None:
            raise UsageError(
                f"the {what}s are WordNet ids and this model's labels are not in ImageNet's order: "
                f"class {other} is '{shown(labels[other])}', and ImageNet's is "
                f"'{shown(imagenet_labels()[other])}': {_MAP}"
            )
    unknown = sorted(name for name in names if name not in order)
    if unknown:
        raise UsageError(
            f"{len(unknown)} of {len(names)} {what}s are none of ImageNet's 1000 WordNet ids: "
            f"{some(unknown)}. Leave them out, or {_MAP}"
        )
    return {name: order[name] for name in names}


def other_order(labels: Sequence[str], others: Sequence[str]) -> int | None:
    """The first class that two lists name differently, if they differ in more than a few."""
    pairs = zip(labels, others, strict=False)
    differ = [place for place, (one, other) in enumerate(pairs) if _first(one) != _first(other)]
    return differ[0] if len(differ) > (1 - _SAME_LABELS) * len(labels) else None


def _labels_for(names: Collection[str], model: ModelClasses, what: str) -> Sequence[str]:
    texts = sorted(name for name in names if not _NUMBER.fullmatch(name))
    if model.labels is None:
        raise UsageError(
            f"{what} '{shown(texts[0])}' names a class, and this model has no labels: name it by "
            f"its index, or {_MAP}"
        )
    return model.labels


def _by_text(names: Collection[str], labels: Sequence[str], what: str) -> dict[str, int]:
    """By whole text or first synonym; else by any synonym. Two that fit are settled by others.

    "maillot" is one class and "maillot, tank suit" another: with both in the data each is known.
    """
    candidates = _candidates(names, labels)
    _refuse_unknown(candidates, labels, what)
    found: dict[str, int] = {}
    waiting = dict(candidates)
    while waiting:
        settled = {name: min(left) for name, left in waiting.items() if len(left) == 1}
        if not settled:
            name = min(waiting)
            places = sorted(candidates[name])
            both = " and ".join(f"{place} ('{shown(labels[place])}')" for place in places[:3])
            raise UsageError(
                f"{what} '{shown(name)}' may be class {both}: name it by its index or its "
                f"WordNet id, or {_MAP}"
            )
        found |= settled
        taken = set(settled.values())
        waiting = {name: left - taken for name, left in waiting.items() if name not in settled}
    return found


def _refuse_unknown(candidates: Mapping[str, set[int]], labels: Sequence[str], what: str) -> None:
    unknown = sorted(name for name, places in candidates.items() if not places)
    if not unknown:
        return
    by_key = {_key(word): word for label in labels for word in (label, label.split(",")[0])}
    close = get_close_matches(_key(unknown[0]), by_key, n=1, cutoff=0.6)
    hint = f" Did you mean '{shown(by_key[close[0]])}'?" if close else ""
    raise UsageError(
        f"unknown class {some(unknown)}: {len(unknown)} of {len(candidates)} {what}s are none of "
        f"the model's {len(labels)} classes ({some(labels)}).{hint} Else {_MAP}"
    )


def _check_range(found: Mapping[str, int], model: ModelClasses, what: str) -> None:
    count = model.known
    negative = sorted((index, name) for name, index in found.items() if index < 0)
    if negative:
        raise UsageError(
            f"{what} {negative[0][0]} is no class: test sets without labels have such numbers. "
            "Take the validation set"
        )
    beyond = sorted((index, name) for name, index in found.items() if count and index >= count)
    if beyond:
        index, name = beyond[0]
        raise UsageError(
            f"{what} '{shown(name)}' is class {index}, and this model has {count}, 0 to "
            f"{(count or 0) - 1}; {len(beyond)} of {len(found)} {what}s are beyond: take the data "
            f"of this model, or {_MAP}"
        )


def _candidates(names: Collection[str], labels: Sequence[str]) -> dict[str, set[int]]:
    """The classes that each name may be, by the strictest of three rules that finds any."""
    rules: list[tuple[Callable[[str], str], dict[str, set[int]]]] = []
    for key, every_word in ((str.casefold, False), (_key, False), (_key, True)):
        places: dict[str, set[int]] = {}
        for place, label in enumerate(labels):
            words = label.split(",")
            for text in (label, *(words if every_word else words[:1])):
                places.setdefault(key(text.strip()), set()).add(place)
        rules.append((key, places))
    return {
        name: next((found for key, places in rules if (found := places.get(key(name)))), set())
        for name in names
    }


def _first(label: str) -> str:
    return _key(label.split(",")[0])


def _key(text: str) -> str:
    """A label without case, underscores and punctuation; of other scripts all letters stay."""
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold().replace("'", "")).split()) or text
