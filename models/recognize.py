"""What a path holds: the one place where formats are told from each other."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import read_onnx_model
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import TensorSpec

_SUFFIXES = {".onnx": "onnx", ".xml": "openvino"}


def sidecar(path: Path) -> Path:
    """The JSON file beside an artifact of a format that has no room for our metadata."""
    return path.with_name(f"{path.name}.json")


def format_of(path: Path) -> str:
    """The format of a converted file: by what its sidecar says, else by how it is named.

    Returns:
        ``onnx``, ``openvino``, the format of a plug-in's target, or an empty text for what is
        none of them: a Paddle model, or no model at all.
    """
    if path.suffix in _SUFFIXES:
        return _SUFFIXES[path.suffix]
    beside = sidecar(path)
    if not (path.is_file() and beside.is_file()):
        return ""
    try:
        return str(_read_sidecar(beside).get("format", ""))
    except ModelFileError:  # a JSON file of somebody else's
        return ""


def read_artifact(path: Path) -> Artifact:
    """A converted file and all that it says of itself.

    Raises:
        ModelNotFoundError: it is not there.
        ModelFileError: it is damaged, or no converted file.
    """
    found = format_of(path)
    if found == "onnx":
        return read_onnx_model(path)
    if not path.is_file():
        raise ModelNotFoundError(f"{path} does not exist")
    if not found:
        raise ModelFileError(
            f"{path} is no converted model: neither its name nor a JSON file "
            f"beside it, {sidecar(path).name}, says what it is"
        )
    beside = sidecar(path)
    recorded = _read_sidecar(beside) if beside.is_file() else {}
    try:
        preprocess, labels = recorded.get("preprocess"), recorded.get("labels")
        others = [path.with_name(name) for name in recorded.get("files", ())]
        weights = path.with_suffix(".bin")
        if found == "openvino" and not others and weights.is_file():
            others = [weights]
        return Artifact(
            format=found,
            files=(path, *others),
            inputs=_specs(recorded.get("inputs", ())),
            outputs=_specs(recorded.get("outputs", ())),
            preprocess=Preprocess.from_dict(preprocess) if preprocess else None,
            labels=tuple(labels) if labels else None,
            provenance=recorded.get("provenance", {}),
        )
    except (TypeError, AttributeError, KeyError) as error:
        raise ModelFileError(f"{beside} is damaged ({error})") from None


def _specs(recorded: Sequence[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(str(item["name"]), str(item["dtype"]), tuple(item["shape"])) for item in recorded
    )


def _read_sidecar(path: Path) -> Mapping[str, Any]:
    try:
        recorded = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged ({error})") from None
    return recorded if isinstance(recorded, Mapping) else {}
