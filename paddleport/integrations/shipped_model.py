"""A model's files carried to machines that do not have them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from paddleport.files import sha256
from paddleport.models.cache import cached_folder
from paddleport.runners.predictor import PredictorSpec

FOLDER = "shipped"


@dataclass(frozen=True, kw_only=True)
class ShippedModel:
    """A predictor's description with the bytes of its model: what is pickled to a node.

    Attributes:
        spec: with the paths of the machine that made it.
        digests: sha256 of each of the model's files, in their order.
        contents: their bytes, and those of other files that must lie beside them, by name.
    """

    spec: PredictorSpec
    digests: tuple[str, ...]
    contents: Mapping[str, bytes] = field(repr=False)

    @property
    def digest(self) -> str:
        """Of all the bytes and their names."""
        parts = (
            f"{name} {hashlib.sha256(content).hexdigest()}\n"
            for name, content in sorted(self.contents.items())
        )
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def here(self) -> PredictorSpec:
        """The description with paths of this machine: its own where the same files lie there.

        Elsewhere the bytes are written into the cache, under their digest, once a machine.

        Raises:
            OutputError: the cache cannot be written.
        """
        model = self.spec.model
        if all(_is(file, told) for file, told in zip(model.files, self.digests, strict=True)):
            return self.spec
        folder = cached_folder(f"{FOLDER}/{self.digest[:16]}", self._write)
        files = tuple(folder / file.name for file in model.files)
        return replace(self.spec, model=replace(model, files=files))

    def _write(self, folder: Path) -> None:
        for name, content in self.contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def ship(spec: PredictorSpec) -> ShippedModel:
    """Read the model's files, and an ONNX file's external data, to be sent elsewhere."""
    files = spec.model.files
    contents = {file.name: file.read_bytes() for file in files}
    if spec.model.format == "onnx":
        contents |= _external_data(files[0])
    return ShippedModel(
        spec=spec, digests=tuple(sha256([file]) for file in files), contents=contents
    )


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
