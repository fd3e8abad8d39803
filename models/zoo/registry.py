"""The model zoo: every card of ``cards/`` and of the folders that installed packages add.

A package adds a family by a data file, and the module that builds it, with an entry point of the
group ``paddleport.cards`` whose value is the package that holds the data files.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from paddleport.errors import ModelFileError, ModelNotFoundError, unknown_name
from paddleport.models.zoo.model_card import Family, ModelCard, read_family

GROUP = "paddleport.cards"


def names() -> tuple[str, ...]:
    """Every name that ``lookup`` knows, aliases included, in the order of the data files."""
    return tuple(_index())


def lookup(name: str) -> ModelCard:
    """The card of one model, by its name or an alias.

    Raises:
        ModelNotFoundError: no model has this name; names are case-sensitive.
        ModelFileError: a card is damaged.
    """
    if name not in _index():
        raise ModelNotFoundError(unknown_name("model", name, names()))
    family, index = _index()[name]
    return family.card(index)


def cards() -> tuple[ModelCard, ...]:
    """Every card, once.

    Raises:
        ModelFileError: a card is damaged.
    """
    return tuple(
        family.card(index) for family in _families() for index in range(len(family.models))
    )


@cache
def _index() -> Mapping[str, tuple[Family, int]]:
    found: dict[str, tuple[Family, int]] = {}
    for family in _families():
        for index, known_as in enumerate(family.models):
            for name in known_as:
                if name in found:
                    raise ModelFileError(
                        f"the card {family.file}: models[{index}].name {name} is taken by "
                        f"{found[name][0].file}"
                    )
                found[name] = (family, index)
    return found


@cache
def _families() -> tuple[Family, ...]:
    return tuple(
        read_family(file) for folder in _folders() for file in sorted(folder.glob("*.json"))
    )


def _folders() -> Iterator[Path]:
    yield Path(__file__).with_name("cards")
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        yield from _folders_of(entry)


def _folders_of(entry: EntryPoint) -> list[Path]:
    """Where a package stands; of a package in a package the outer one is imported."""
    spec = find_spec(entry.value)
    if spec is None or spec.submodule_search_locations is None:
        raise ModelFileError(
            f"the entry point {entry.name} of {GROUP} names {entry.value}, which is no package"
        )
    return [Path(location) for location in spec.submodule_search_locations]
