"""What the zoo knows of a model, read from its family's data file in ``cards/``, or a plug-in's.

A file is one JSON object. Required are ``family``, ``task`` and ``models``; ``source``,
``licence``, ``architecture``, ``argument_titles`` and ``methodology`` hold for the whole family.
Each of ``models`` has a ``name`` and may have ``aliases``, ``arguments``, ``published``,
``archives`` and ``checkpoint_url``. ``input``, ``preprocess``, ``classes`` and ``labels`` may stand
at either place; the model's own wins. ``labels`` is ``imagenet`` or a label file beside the card.
``ModelCard`` says what each of them means.
"""

import math
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError, ModelNotFoundError, UsageError
from paddleport.models.labels import imagenet_labels, read_labels
from paddleport.models.metadata import DTYPES, is_plain_name, parse_json
from paddleport.models.preprocess import Preprocess
from paddleport.models.zoo.card_table import CardTable
from paddleport.tensors import TensorSpec

_SHARED = ("input", "preprocess", "classes", "labels")
_FAMILY_KEYS = {
    *("family", "task", "source", "licence", "architecture", "argument_titles", "methodology"),
    *("models", *_SHARED),
}
_MODEL_KEYS = {
    *("name", "aliases", "arguments", "published", "archives", "checkpoint_url"),
    *_SHARED,
}


@dataclass(frozen=True)
class Archive:
    """An official inference model to download; exactly one of ``url`` and ``huggingface`` is set.

    Attributes:
        url: of a tar, plain or gzipped.
        sha256: what the tar must have, where that is pinned; PaddleClas publishes none.
        huggingface: a repository of the Hugging Face hub that holds the model's files.
    """

    url: str | None = None
    sha256: str | None = None
    huggingface: str | None = None

    @property
    def address(self) -> str:
        """Where it is, for people and for caches."""
        return self.url or f"https://huggingface.co/{self.huggingface}"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Everything needed to get, feed and judge a model of the zoo.

    Attributes:
        name: name in the zoo, as its source has it.
        aliases: other names of the same model.
        family: the family whose data file holds the card.
        task: what the model does, for example ``classification``.
        licence: of weights and figures, in a few words.
        architecture: dotted name of the module that builds the network (see
            ``zoo.architecture``); ``None`` where the model can only be downloaded.
        arguments: of the architecture.
        argument_titles: argument to the title it is shown under.
        input: the input; batch, height and width may be free. ``None`` where only the program
            says it, once it is downloaded.
        preprocess: how pictures are fed, if it is fed with pictures and that is known.
        classes: of the classifier; ``None`` for other tasks.
        labels: class names by index, if known.
        published: figures from the source, not measured here; any may be missing or ``None``.
            Units stand in the keys, accuracies are shares of 1; with them ``source`` and
            ``methodology``.
        archives: official inference models, in the order in which they are tried.
        checkpoint_url: the official training checkpoint.
    """

    name: str
    aliases: tuple[str, ...] = ()
    family: str
    task: str
    licence: str = ""
    architecture: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    argument_titles: Mapping[str, str] = field(default_factory=dict)
    input: TensorSpec | None = None
    preprocess: Preprocess | None = None
    classes: int | None = None
    labels: tuple[str, ...] | None = None
    published: Mapping[str, Any] = field(default_factory=dict)
    archives: tuple[Archive, ...] = ()
    checkpoint_url: str | None = None

    def describe_architecture(self) -> str:
        """The family and the arguments, as in ``MobileNetV2 at scale 0.5``."""
        values = [
            f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in self.arguments.items()
        ]
        return f"{self.family} at {', '.join(values)}" if values else self.family

    def known_input(self) -> TensorSpec:
        """The input, for building the network.

        Raises:
            UsageError: the card names none.
        """
        if self.input is None:
            raise UsageError(
                f"{self.name} cannot be built here, since its card names no input: "
                "--weights pretrained, or your own inference model with --weights FOLDER"
            )
        return self.input


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

    def card(self, index: int) -> ModelCard:
        """The card of one of ``models``.

        Raises:
            ModelFileError: names the file and the key that is missing, unknown or cannot be.
        """
        return _model_card(CardTable(self.file, "", self.values), index)


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
    input_of, preprocess_of, classes_of, labels_of = (
        model if key in model.values else family for key in _SHARED
    )
    titles = family.table("argument_titles")
    preprocess, architecture = _preprocess(preprocess_of), _architecture(family)
    return ModelCard(
        name=model.name(),
        aliases=model.aliases(),
        family=family.get("family", str),
        task=family.get("task", str),
        licence=family.get("licence", str, ""),
        architecture=architecture,
        arguments=_arguments(model),
        argument_titles={key: titles.get(key, str) for key in titles.values},
        input=_input(input_of, pictures=preprocess is not None, built=architecture is not None),
        preprocess=preprocess,
        classes=_classes(classes_of),
        labels=_labels(labels_of),
        published=_published(family, model),
        archives=tuple(map(_archive, model.tables("archives", []))),
        checkpoint_url=model.get("checkpoint_url", str, None),
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


def _archive(values: CardTable) -> Archive:
    values.check_keys({"url", "sha256", "huggingface"})
    repository = values.get("huggingface", str, None)
    if repository is None:
        url = values.get("url", str)
        if not is_plain_name(url.rpartition("/")[2]):  # the download is named after it
            raise values.error("url", "does not end in the name of a file")
        return Archive(url=url, sha256=values.get("sha256", str, None))
    for key in ("url", "sha256"):
        if values.get(key, str, None) is not None:
            raise values.error(key, "and huggingface stand side by side: write two archives")
    owner, _, name = repository.partition("/")
    if not (is_plain_name(owner) and is_plain_name(name)):
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


def _preprocess(owner: CardTable) -> Preprocess | None:
    values = owner.get("preprocess", dict, None)
    try:
        return None if values is None else Preprocess.from_dict(values)
    except ModelFileError as error:
        raise owner.error("preprocess", f"cannot be: {error}") from None


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
        if key not in ("source", "methodology") and not all(map(_is_figure, numbers)):
            raise table.error(key, "is no number, null or table of such")
    source, methodology = family.get("source", str, None), family.get("methodology", dict, None)
    for key, value in (("source", source), ("methodology", methodology)):
        if value is not None:
            figures.setdefault(key, deepcopy(value))
    return figures


def _is_figure(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) <= sys.float_info.max)
