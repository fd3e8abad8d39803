"""A model's files carried to machines that do not have them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.cache import cached_folder
from paddleport.runners.predictor import PredictorSpec

FOLDER = "shipped"


@dataclass(frozen=True, kw_only=True)
class ShippedFiles:
    """A model with the bytes of its files: what is pickled to a node.

    Attributes:
        model: with the paths of the machine that made it.
        contents: its files' bytes, and those of others that must lie beside them, by name.
        digests: sha256 of each, by name.
    """

    model: Artifact
    contents: Mapping[str, bytes] = field(repr=False)
    digests: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Of all the bytes and their names."""
        parts = (f"{name} {digest}\n" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def here(self) -> Artifact:
        """The model with paths of this machine: its own where the same files lie there.

        Elsewhere the bytes are written into the cache, under their digest, once a machine.

        Raises:
            OutputError: the cache cannot be written.
        """
        model = self.model
        beside = model.files[0].parent
        own = {file.name: file for file in model.files}
        if all(_is(own.get(name, beside / name), told) for name, told in self.digests.items()):
            return model
        folder = cached_folder(f"{FOLDER}/{self.digest[:16]}", self._write)
        return replace(model, files=tuple(folder / file.name for file in model.files))

    def _write(self, folder: Path) -> None:
        for name, content in self.contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


@dataclass(frozen=True, kw_only=True)
class ShippedModel:
    """A predictor's description with its model's files.

    Attributes:
        spec: with the paths of the machine that made it.
        files: of its model.
    """

    spec: PredictorSpec
    files: ShippedFiles

    def here(self) -> PredictorSpec:
        """The description with paths of this machine; raises as ``ShippedFiles.here`` does."""
        model = self.files.here()
        return self.spec if model is self.spec.model else replace(self.spec, model=model)


def ship(spec: PredictorSpec) -> ShippedModel:
    """A predictor's description to be sent elsewhere."""
    return ShippedModel(spec=spec, files=ship_files(spec.model))


def ship_files(model: Artifact) -> ShippedFiles:
    """Read the model's files, and an ONNX file's external data, to be sent elsewhere."""
    contents = {file.name: file.read_bytes() for file in model.files}
    if model.format == "onnx":
        contents |= _external_data(model.files[0])
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return ShippedFiles(model=model, contents=contents, digests=digests)


def _external_data(file: Path) -> dict[str, bytes]:
    import onnx
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    graph = onnx.load(str(file), load_external_data=False).graph
    names = {
        ExternalDataInfo(tensor).location
        for tensor in graph.initializer
        if uses_external_data(tensor)
    }
    return {name: (file.parent / name).read_bytes() for name in names}


def _is(file: Path, told: str) -> bool:
    return file.is_file() and sha256([file]) == told
