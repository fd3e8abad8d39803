"""Reads the data file of a family, of ``cards/`` or of a plug-in: the names, then single cards.

A file is one JSON object. Required are ``family``, ``task`` and ``models``; ``source``,
``licence``, ``architecture``, ``argument_titles`` and ``methodology`` hold for the whole family.
Each of ``models`` has a ``name`` and may have ``aliases``, ``arguments`` and ``published``.
``task``, ``input``, ``classes``, ``labels``, ``archives``, ``checkpoint_url`` and how pictures are
fed may stand at either place; the model's own wins, a null too. Of how pictures are fed there is
``preprocess``, a ``Preprocess``, or ``transforms``, a list of operators as PaddleClas's
configurations have it. ``{name}`` in the family's addresses is the model's name. ``labels`` is
``imagenet`` or a label file beside the card. ``ModelCard`` says what each of them means.
"""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError, ModelNotFoundError, UsageError
from paddleport.models.labels import imagenet_labels, read_labels
from paddleport.models.metadata import DTYPES, is_plain_name, parse_json
from paddleport.models.paddle.transforms import UnsupportedTransform, read_eval_transforms
from paddleport.models.preprocess import Preprocess
from paddleport.models.zoo.card_table import CardTable
from paddleport.models.zoo.model_card import Archive, ModelCard
from paddleport.models.zoo.published_figures import GFLOP_COUNTS, is_figure
from paddleport.tensors import TensorSpec

_FED = ("preprocess", "transforms")  # a model with one of them does not take the family's other
_SHARED = ("task", "input", *_FED, "classes", "labels", "archives", "checkpoint_url")
_FAMILY_KEYS = {
    *("family", "source", "licence", "architecture", "argument_titles", "methodology", "models"),
    *_SHARED,
}
_MODEL_KEYS = {*("name", "aliases", "arguments", "published"), *_SHARED}


@dataclass(frozen=True)
class Family:
    """A data file whose models' names are known; a card is made of it when it is asked for.

    Attributes:
        file: where it stands.
        values: its content.
        models: name and aliases of each model, in the file's order.
    """

    file: Path
    values: Mapping[str, Any]
    models: tuple[tuple[str, ...], ...]

    @property
    def name(self) -> str:
        """As people write it."""
        return str(self.values["family"])

    def card(self, index: int) -> ModelCard:
        """The card of one of ``models``.

        Raises:
            ModelFileError: names the file and the key that is missing, unknown or cannot be.
        """
        return _model_card(CardTable(self.file, "", self.values), index)

    def cards(self) -> tuple[ModelCard, ...]:
        """Every card; raises as ``card`` does."""
        return tuple(map(self.card, range(len(self.models))))


def read_family(file: Path) -> Family:
    """Read a data file as far as its models' names.

    Raises:
        ModelFileError: it is no JSON, or ``family`` or a name is missing; the message names the
            file and the key.
    """
    try:
        values = parse_json(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"the card {file} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ModelFileError(f"the card {file} is no table of keys")
    table = CardTable(file, "", values)
    table.get("family", str)
    models = table.tables("models")
    return Family(file, values, tuple((m.name(), *m.aliases()) for m in models))


def _model_card(family: CardTable, index: int) -> ModelCard:
    family.check_keys(_FAMILY_KEYS)
    model = family.tables("models")[index]
    model.check_keys(_MODEL_KEYS)
    name = model.name()
    owner = {key: model if key in model.values else family for key in _SHARED}
    titles = family.table("argument_titles")
    preprocess, unknown = _feeding(family, model)
    architecture = _architecture(family)
    return ModelCard(
        name=name,
        aliases=model.aliases(),
        family=family.get("family", str),
        task=owner["task"].get("task", str),
        licence=family.get("licence", str, ""),
        architecture=architecture,
        arguments=_arguments(model),
        argument_titles={key: titles.get(key, str) for key in titles.values},
        input=_input(
            owner["input"], pictures=preprocess is not None, built=architecture is not None
        ),
        preprocess=preprocess,
        preprocess_unknown=unknown,
        classes=_classes(owner["classes"]),
        labels=_labels(owner["labels"]),
        published=_published(family, model),
        archives=_archives(owner["archives"], name),
        checkpoint_url=_named(owner["checkpoint_url"].get("checkpoint_url", str, None), name),
    )


def _architecture(family: CardTable) -> str | None:
    name: str | None = family.get("architecture", str, None)
    if name is not None and not all(part.isidentifier() for part in name.split(".")):
        raise family.error("architecture", "is no dotted name of a module")
    return name


def _arguments(model: CardTable) -> dict[str, Any]:
    arguments: dict[str, Any] = deepcopy(model.get("arguments", dict, {}))
    for key, value in arguments.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise model.table("arguments").error(key, "is not finite")
    return arguments


def _named(address: str | None, name: str) -> str | None:
    """An address of a family, which holds for each of its models, for one of them."""
    return None if address is None else address.replace("{name}", name)


def _archives(owner: CardTable, name: str) -> tuple[Archive, ...]:
    return tuple(_archive(values, name) for values in owner.tables("archives", []))


def _archive(values: CardTable, name: str) -> Archive:
    values.check_keys({"url", "sha256", "huggingface"})
    repository = _named(values.get("huggingface", str, None), name)
    if repository is None:
        url = _named(values.get("url", str), name) or ""
        if not is_plain_name(url.rpartition("/")[2]):  # the download is named after it
            raise values.error("url", "does not end in the name of a file")
        return Archive(url=url, sha256=values.get("sha256", str, None))
    for key in ("url", "sha256"):
        if values.get(key, str, None) is not None:
            raise values.error(key, "and huggingface stand side by side: write two archives")
    if not all(map(is_plain_name, repository.split("/"))) or repository.count("/") != 1:
        raise values.error("huggingface", f"{repository[:80]!r} is not OWNER/NAME")
    return Archive(huggingface=repository)


def _classes(owner: CardTable) -> int | None:
    classes: int | None = owner.get("classes", int, None)
    if classes is not None and classes < 1:
        raise owner.error("classes", "is no number of classes")
    return classes


def _input(owner: CardTable, *, pictures: bool, built: bool) -> TensorSpec | None:
    if not built and owner.get("input", dict, None) is None:
        return None  # the program says it
    owner.get("input", dict)
    values = owner.table("input")
    name, dtype, shape = (
        values.get("name", str),
        values.get("dtype", str),
        values.get("shape", list),
    )
    if not name:
        raise values.error("name", "is empty")
    if dtype not in DTYPES:
        raise values.error("dtype", "is no type of tensors")
    if not all(side is None or (type(side) is int and side > 0) for side in shape):
        raise values.error("shape", "is no list of sizes and nulls")
    if pictures and len(shape) != 4:
        raise values.error("shape", "has not the four sides of a batch of pictures")
    return TensorSpec(name, dtype, tuple(shape))


def _feeding(family: CardTable, model: CardTable) -> tuple[Preprocess | None, str]:
    """How pictures are fed, or why that is not known."""
    owner = model if any(key in model.values for key in _FED) else family
    values, operators = owner.get("preprocess", dict, None), owner.get("transforms", list, None)
    if values is not None and operators is not None:
        raise owner.error("transforms", "and preprocess stand side by side: write one of them")
    if values is None and operators is None:
        return None, "its card has no preprocessing"
    try:
        if operators is not None:
            return read_eval_transforms(operators), ""
        return Preprocess.from_dict(values), ""
    except UnsupportedTransform as reason:
        return None, str(reason)
    except (ModelFileError, UsageError, ValueError) as error:
        key = "preprocess" if operators is None else "transforms"
        raise owner.error(key, f"cannot be: {error}") from None


def _labels(owner: CardTable) -> tuple[str, ...] | None:
    name = owner.get("labels", str, None)
    if name is None:
        return None
    try:
        return imagenet_labels() if name == "imagenet" else read_labels(owner.file.parent / name)
    except (ModelFileError, ModelNotFoundError) as error:
        raise owner.error("labels", f"cannot be read: {error}") from None


def _published(family: CardTable, model: CardTable) -> dict[str, Any]:
    """The model's figures, with the family's source and methodology where it has no own."""
    figures: dict[str, Any] = deepcopy(model.get("published", dict, {}))
    table = model.table("published")
    for key, value in figures.items():
        numbers = value.values() if isinstance(value, dict) else [value]
        if key not in ("source", "methodology") and not all(map(is_figure, numbers)):
            raise table.error(key, "is no number, null or table of such")
    counts = family.table("methodology").get("gflops", str, None)
    if counts is not None and counts not in GFLOP_COUNTS:
        known = " nor ".join(map(repr, GFLOP_COUNTS))
        raise family.table("methodology").error("gflops", f"is neither {known}")
    source, methodology = family.get("source", str, None), family.get("methodology", dict, None)
    for key, value in (("source", source), ("methodology", methodology)):
        if value is not None:
            figures.setdefault(key, deepcopy(value))
    return figures
