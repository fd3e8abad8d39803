"""The model zoo: every card of ``cards/`` and of the folders that installed packages add.

A package adds a family by a data file, and the module that builds it, with an entry point of the
group ``paddleport.cards`` whose value is the package that holds the data files.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.zoo.card_reader import Family, read_family
from paddleport.models.zoo.model_card import ModelCard
from paddleport.models.zoo.similar_names import folded, unknown_of_many

GROUP = "paddleport.cards"

# The mobile series come first, the others by name, and last those known by address only.
_FIRST = (
    *("mobilenet_v2", "mobilenet_v1", "mobilenet_v3", "pplcnet", "pplcnet_v2"),
    *("shufflenet_v2", "ghostnet", "esnet"),
)
_LAST = "paddlex_"


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
        raise ModelNotFoundError(unknown_model(name))
    family, index = _index()[name]
    return family.card(index)


def unknown_model(name: str) -> str:
    """The sentence for a name that no model has, with the likely ones."""
    families = {folded(family): family for family in family_names()}
    family = families.get(folded(name))
    if family is not None and folded(name) not in map(folded, names()):
        return f"unknown model '{name}', which is a family: paddleport models --family {family}"
    searched = "paddleport models --search TEXT looks through"
    return unknown_of_many("model", name, names(), searched)


def cards() -> tuple[ModelCard, ...]:
    """Every card, once.

    Raises:
        ModelFileError: a card is damaged.
    """
    return tuple(card for family in _families() for card in family.cards())


def family_names() -> tuple[str, ...]:
    """Every family, in the order of the data files."""
    return tuple(dict.fromkeys(family.name for family in _families()))


def family_cards(name: str) -> tuple[ModelCard, ...]:
    """The cards of one family; capitals, dashes and underscores of its name make no difference.

    Raises:
        ModelNotFoundError: there is no such family.
        ModelFileError: a card is damaged.
    """
    found = [family for family in _families() if folded(family.name) == folded(name)]
    if not found:
        raise ModelNotFoundError(
            unknown_of_many("family", name, family_names(), "paddleport models lists")
        )
    return tuple(card for family in found for card in family.cards())


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
        read_family(file)
        for folder in _folders()
        for file in sorted(folder.glob("*.json"), key=_place)
    )


def _place(file: Path) -> tuple[int, bool, str]:
    first = _FIRST.index(file.stem) if file.stem in _FIRST else len(_FIRST)
    return first, file.stem.startswith(_LAST), file.name


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
