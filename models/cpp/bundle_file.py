"""What a C++ bundle says of itself, in the ``bundle.json`` that its program reads as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.metadata import (
    checked_labels,
    checked_preprocess,
    checked_provenance,
    checked_tensors,
    is_plain_name,
    parse_table,
)
from paddleport.tensors import TensorSpec

BUNDLE, LABELS, MODEL_FOLDER = "bundle.json", "labels.txt", "model"
FORMAT = "cpp"
SCHEMA = 1

Engine = Literal["openvino", "onnxruntime"]
ENGINES: Mapping[Engine, str] = {"openvino": "openvino", "onnxruntime": "onnx"}
"""The engines that a bundle's program can have, and the format of the model file of each."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A folder that was read.

    Attributes:
        folder: where it is.
        engine: that its program is built with.
        precision: of the model, which the program has its engine compute in, or refuses.
        artifact: the bundle as a model; its main file is ``bundle.json``.
    """

    folder: Path
    engine: Engine
    precision: str
    artifact: Artifact

    @property
    def engine_file(self) -> Artifact:
        """The engine's own model file, as a backend for it loads it."""
        whole = self.artifact
        return Artifact(
            format=ENGINES[self.engine],
            files=whole.files[1:],
            inputs=whole.inputs,
            outputs=whole.outputs,
            preprocess=whole.preprocess,
            labels=whole.labels,
            provenance=whole.provenance,
        )


def bundle_of(path: Path) -> Path | None:
    """The ``bundle.json`` that a path means: itself, or that in a folder; ``None`` for others."""
    if path.name == BUNDLE:
        return path if path.is_file() else None
    inside = path / BUNDLE
    return inside if path.is_dir() and inside.is_file() else None


def read_bundle(path: Path) -> Bundle:
    """Read a bundle, and hold its model's files against their sha256.

    Args:
        path: the folder, or its ``bundle.json``.

    Raises:
        ModelNotFoundError: it is not there.
        ModelFileError: it is damaged, or its model was changed.
    """
    file = bundle_of(path) or path
    if not file.is_file():
        raise ModelNotFoundError(f"{path} does not exist")
    try:
        return _bundle(file, parse_table(file.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{file} is no {BUNDLE} of paddleport, or damaged: {error}") from None


def _bundle(file: Path, table: Mapping[str, Any]) -> Bundle:
    if table.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {table.get('schema')!r}, and {SCHEMA} is read")
    engine = next((known for known in ENGINES if known == table.get("engine")), None)
    if engine is None:
        raise ValueError(f"its engine is {table.get('engine')!r}, none of {', '.join(ENGINES)}")
    artifact = Artifact(
        format=FORMAT,
        files=(file, *_model_files(file.parent, table)),
        inputs=_tensors(table, "inputs"),
        outputs=_tensors(table, "outputs"),
        preprocess=checked_preprocess(table.get("preprocess")),
        labels=_labels(file.parent, table.get("labels_file")),
        provenance=checked_provenance(table.get("provenance", {})),
    )
    precision = table.get("precision")
    if precision != "fp32":
        raise ValueError(f"its precision is {precision!r}, and bundles are in fp32")
    return Bundle(folder=file.parent, engine=engine, precision=precision, artifact=artifact)


def _model_files(folder: Path, table: Mapping[str, Any]) -> list[Path]:
    digests = table.get("model_sha256")
    if not isinstance(digests, Mapping) or not digests:
        raise ValueError("model_sha256 is no table of files")
    main = table.get("model_file")
    if main not in digests:
        raise ValueError("model_file is none of model_sha256's")
    files = []
    for name in sorted(digests, key=lambda name: name != main):
        path = folder / _inside(name)
        if not path.is_file():
            raise ModelFileError(f"{folder / BUNDLE} needs {name} beside it, which is not there")
        if sha256([path]) != digests[name]:
            raise ModelFileError(
                f"{path} was changed after its conversion, by what {BUNDLE} says: convert again"
            )
        files.append(path)
    return files


def _inside(name: object) -> PurePosixPath:
    """A name of a file in the folder, and nothing outside it."""
    parts = name.split("/") if isinstance(name, str) else [""]
    if not all(map(is_plain_name, parts)):
        raise ValueError(f"{name!r} is no plain file name")
    return PurePosixPath(*parts)


def _tensors(table: Mapping[str, Any], key: str) -> tuple[TensorSpec, ...]:
    """Inputs or outputs; -1 is a free dimension."""
    values = table.get(key)
    if not isinstance(values, Sequence) or not values:
        raise ValueError(f"{key} is no list of tensors")
    return checked_tensors([_freed(item) for item in values], key)


def _freed(item: Any) -> Any:
    if not isinstance(item, Mapping) or not isinstance(item.get("shape"), list):
        return item
    return {**item, "shape": [None if size == -1 else size for size in item["shape"]]}


def _labels(folder: Path, name: Any) -> tuple[str, ...] | None:
    if name is None:
        return None
    text = (folder / _inside(name)).read_text("utf-8")
    return checked_labels(text.removesuffix("\n").split("\n"))
