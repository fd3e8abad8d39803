"""Reads the inference.yml beside a Paddle model: preprocessing and labels."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from paddleport.errors import ModelFileError, ModelNotFoundError, UsageError
from paddleport.models.labels import imagenet_labels, read_labels
from paddleport.models.metadata import checked_labels
from paddleport.models.paddle.transforms import (
    Operator,
    UnsupportedTransform,
    named_operators,
    read_transforms,
)
from paddleport.models.paddle.yaml_values import is_null, shown, text
from paddleport.models.preprocess import Preprocess

logger = logging.getLogger(__name__)

MAX_YML_BYTES = 4 * 1024 * 1024
"""The largest inference.yml that is read: one with 22,000 labels takes 1 MB."""

MAX_YML_DEPTH = 32
"""The deepest nesting that is read; PaddleX's files have 8 levels."""


_SECTIONS = {
    "PreProcess": "transform_ops",  # PaddleClas, PaddleX 3, PaddleOCR
    "Infer": "transforms",  # PaddleClas's training configuration
    "Deploy": "transforms",  # PaddleSeg
    "Preprocess": None,  # PaddleDetection
    "Transforms": None,  # PaddleX 2
}
"""Where each tool keeps its preprocessing operators."""


@dataclass(frozen=True)
class InferenceConfig:
    """What an inference.yml says.

    Attributes:
        preprocess: how pictures are fed; ``None`` if the file doesn't say, or ``unsupported``.
        labels: class names by index, if there are any.
        unsupported: why pictures cannot be fed as the file asks, naming the operator.
    """

    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    unsupported: str | None = None


def read_inference_yml(path: Path) -> InferenceConfig:
    """Read PaddleClas's and PaddleX's description of how a model is fed and read.

    Taken are PaddleClas's deploy configuration and training configuration (``Infer``), the
    inference.yml that PaddleClas exports and PaddleX 3's, which share ``PreProcess`` and
    ``PostProcess``. A label file is looked for relative to ``path``.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelFileError: it is no such description, or a value in it cannot be.
    """
    document = _load(path)
    try:
        operators = _operators(document)
        preprocess = read_transforms(operators) if operators is not None else None
        unsupported = None
    except UnsupportedTransform as reason:
        preprocess, unsupported = None, str(reason)
    except (UsageError, ValueError) as error:
        raise ModelFileError(f"{path}: {error}") from None
    try:
        labels = _labels(document, path.parent)
        checked_labels(list(labels or ()))  # the files that they are written into are read again
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from None
    return InferenceConfig(preprocess, labels, unsupported)


def _load(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise ModelNotFoundError(f"no file {path}")
        with path.open("rb") as stream:
            content = stream.read(MAX_YML_BYTES + 1)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_YML_BYTES:
        raise ModelFileError(f"{path} is over {MAX_YML_BYTES >> 20} MB: no inference.yml")
    try:
        document = _parse(content.decode("utf-8-sig"))
    except (yaml.YAMLError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise ModelFileError(f"{path} is not YAML{line}") from None
    known = {*_SECTIONS, "PostProcess", "Global", "Hpi"}
    if not isinstance(document, dict) or known.isdisjoint(document):
        raise ModelFileError(f"{path} is no inference.yml: it has no 'PreProcess'")
    return document


def _parse(content: str) -> Any:
    """Texts, lists and mappings, as they are spelt.

    A label 'no' or '1.0' stays a text, no tag makes an object, and an alias is one more
    reference, never a copy: nothing here walks the document but along names it knows.
    """
    with_c = yaml.__with_libyaml__
    depth = 0
    for event in yaml.parse(content, Loader=yaml.CBaseLoader if with_c else yaml.BaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_YML_DEPTH:
            raise ValueError("nested too deep")
    return yaml.load(content, Loader=yaml.CBaseLoader if with_c else yaml.BaseLoader)


def _operators(document: Mapping[str, Any]) -> list[Operator] | None:
    """The preprocessing operators in order, from whichever of the forms the file has."""
    listed: Any = None
    for section, key in _SECTIONS.items():
        if not is_null(document.get(section)):
            found = document[section]
            listed = _mapping(found, section).get(key) if key else found
            break
    if is_null(listed):
        return None
    return named_operators(listed)


def _labels(document: Mapping[str, Any], folder: Path) -> tuple[str, ...] | None:
    holder: Any = document
    if "PostProcess" not in document and isinstance(document.get("Infer"), dict):
        holder = document["Infer"]
    post = holder.get("PostProcess")
    if not isinstance(post, dict):
        return None
    for arguments in (post, *post.values()):
        if not isinstance(arguments, dict):
            continue
        if not is_null(listed := arguments.get("label_list")):
            return _listed_labels(listed)
        if "label_0" in arguments and "label_1" in arguments:  # PaddleClas's ThreshOutput
            return text(arguments["label_0"], "label_0"), text(arguments["label_1"], "label_1")
        if not is_null(file := arguments.get("class_id_map_file")):
            return _label_file(text(file, "class_id_map_file"), folder)
    return None


def _listed_labels(listed: Any) -> tuple[str, ...] | None:
    if isinstance(listed, dict):
        try:
            listed = [listed[str(index)] for index in range(len(listed))]
        except KeyError:
            raise ValueError("label_list has no labels for 0, 1, 2, ...") from None
    if not isinstance(listed, list) or not all(isinstance(label, str) for label in listed):
        raise ValueError("label_list is not a list of names")
    return tuple(listed) or None


def _label_file(name: str, folder: Path) -> tuple[str, ...] | None:
    for path in (folder / name, folder / Path(name).name):
        with suppress(ModelNotFoundError):
            return read_labels(path)
    if Path(name).name == "imagenet1k_label_list.txt":
        return imagenet_labels()  # PaddleClas names the file that lies in its own repository
    logger.warning("the label file %s that inference.yml names is not there", name)
    return None


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{shown(name)} holds no named values")
    return value
