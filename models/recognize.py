"""What a path holds: the one place where formats are told from each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import BUNDLE, bundle_of, read_bundle
from paddleport.models.cpp.bundle_file import FORMAT as CPP
from paddleport.models.metadata import (
    checked_labels,
    checked_names,
    checked_preprocess,
    checked_provenance,
    checked_tensors,
    parse_table,
)
from paddleport.models.onnx.onnx_file import read_onnx_model

_SUFFIXES = {
    ".onnx": "onnx",
    ".xml": "openvino",
    ".param": "ncnn",
    ".mnn": "mnn",
    ".nb": "paddle-lite",
}
_WITH_WEIGHTS = ("openvino", "ncnn")  # their runtimes load a .bin, whatever was recorded


def sidecar(path: Path) -> Path:
    """The JSON file beside an artifact of a format that has no room for our metadata."""
    return path.with_name(f"{path.name}.json")


def format_of(path: Path) -> str:
    """The format of a converted file: by what its sidecar says, else by how it is named.

    Returns:
        ``onnx``, ``openvino``, ``ncnn``, ``mnn``, ``paddle-lite``, ``cpp`` for a C++ bundle's
        folder or its bundle.json, the format of a plug-in's target, or an empty text for what is
        none of them: a Paddle model, or no model at all.
    """
    if bundle_of(path) is not None:
        return CPP
    if path.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[path.suffix.lower()]
    beside = sidecar(path) if path.is_file() else None  # of "." and "/" there is none
    if beside is None or not beside.is_file():
        return ""
    try:
        named = _read_sidecar(beside).get("format")
    except ModelFileError:  # a JSON file of somebody else's
        return ""
    return named if isinstance(named, str) else ""


def read_artifact(path: Path) -> Artifact:
    """A converted file and all that it says of itself.

    Raises:
        ModelNotFoundError: it is not there.
        ModelFileError: it is damaged, or no converted file.
    """
    found = format_of(path)
    if found == "onnx":
        return read_onnx_model(path)
    if found == CPP or path.name == BUNDLE:
        return read_bundle(path).artifact
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
        files = (path, *_other_files(path, found, recorded))
        _check_unchanged(files, recorded, beside)
        return Artifact(
            format=found,
            files=files,
            inputs=checked_tensors(recorded.get("inputs", []), "inputs"),
            outputs=checked_tensors(recorded.get("outputs", []), "outputs"),
            preprocess=checked_preprocess(recorded.get("preprocess")),
            labels=checked_labels(recorded.get("labels")),
            provenance=checked_provenance(recorded.get("provenance", {})),
        )
    except ValueError as error:
        raise ModelFileError(f"{beside} is damaged: {error}") from None


def _check_unchanged(files: Sequence[Path], recorded: Mapping[str, Any], beside: Path) -> None:
    """Hold the files against the sha256 of those that were checked, in their order."""
    digests = recorded.get("files_sha256", {})
    if not isinstance(digests, Mapping) or len(digests) not in (0, len(files)):
        raise ValueError(f"files_sha256 is not of {len(files)} files")
    for file, digest in zip(files, digests.values(), strict=False):
        if sha256([file]) != digest:
            raise ModelFileError(
                f"{file} was changed after its conversion, by what {beside.name} says: convert "
                f"again, or remove {beside.name} if the change is meant"
            )


def _other_files(path: Path, format: str, recorded: Mapping[str, Any]) -> list[Path]:
    """What belongs to a converted file, which may have been renamed together with it."""
    names = checked_names(recorded.get("files", []), "files")
    weights = path.with_suffix(".bin")
    if format in _WITH_WEIGHTS:
        if names and not weights.is_file():
            raise ModelFileError(f"{path} needs {weights.name} beside it, which is not there")
        return [weights] if weights.is_file() else []
    others = [path.with_name(name) for name in names]
    for other in others:
        if not other.is_file():
            raise ModelFileError(f"{path} needs {other.name} beside it, which is not there")
    return others


def _read_sidecar(path: Path) -> Mapping[str, Any]:
    try:
        return parse_table(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from None
