"""Convert once, find it again: what was made is kept under all that it depends on."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.convert.paddle2onnx.supported import DEFAULT_OPSET, check_opset
from paddleport.convert.provenance import tool_versions
from paddleport.errors import NotProvenError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.cache import cache_dir, cache_key, cached_folder, is_intact
from paddleport.models.onnx.onnx_file import onnx_tensors, read_onnx_model
from paddleport.models.recognize import read_artifact
from paddleport.progress import Progress, no_progress
from paddleport.tensors import GivenFeeds

if TYPE_CHECKING:
    from paddleport.convert.making import Making
    from paddleport.convert.targets import Target
    from paddleport.models.resolve import SourceModel

_FILE = "model"
_CONTENT_VERSION = 4
"""What is written into a file with equal tools: 2 has the steps of its provenance, 3 declares the
sizes that it was seen to take, 4 has answers that a served file is held against."""


def cached_onnx(
    source: "SourceModel",
    *,
    opset: int = DEFAULT_OPSET,
    shapes: Mapping[str, Sequence[int]] | None = None,
    feed: GivenFeeds | None = None,
    proven: bool = True,
    progress: Progress = no_progress,
) -> Artifact:
    """The conversion of a model to ONNX, from the cache or made now with all of its checks.

    The key holds the model's hash, the opset, the preprocessing and labels written into the
    file, and the versions of every tool: what changes any of them is another entry.

    Args:
        source: what to convert.
        opset: 7 to 21.
        shapes: input name to shape, for the comparison.
        feed: tensors for it, as ``convert`` takes them.
        proven: whether a conversion that is not proven the same is an error; ``validate`` takes
            it, from an entry of its own, since it exists to say what is wrong with it.
        progress: called with each step and the share done.

    Raises:
        ConversionError: it fails, or is not proven the same.
        PortError: as ``convert`` does.
    """
    check_opset(opset)
    name, entry = f"{_FILE}.onnx", f"conversions/{source.name}-{_onnx_key(source, opset)}"

    def convert_into(folder: Path) -> None:
        from paddleport.convert.pipeline import convert  # much that a cached file has no use for

        done = convert(
            source,
            folder / name,
            opset=opset,
            shapes=shapes,
            feed=feed,
            keep=not proven,
            explain=proven,
            progress=progress,
        )
        if done.path != folder / name:
            raise NotProvenError(done.explanation)

    def kept(entry: str) -> Artifact:
        if proven:
            return read_onnx_model(cached_folder(entry, convert_into) / name)
        return read_onnx_model(_proven_or_not(entry, name, convert_into) / name)

    found = kept(entry)
    if shapes and not _takes(found, shapes):  # its sizes had to be fixed, and were otherwise
        given = {key: list(shape) for key, shape in sorted(shapes.items())}
        found = kept(f"{entry}-{cache_key(given)}")
    return found


def _takes(onnx: Artifact, shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether a file declares that it takes some shapes, as far as it has such inputs."""
    return all(
        size is None or size == given
        for spec in onnx_tensors(onnx.path)[0]
        for size, given in zip(spec.shape, shapes.get(spec.name, ()), strict=False)
    )


def _proven_or_not(entry: str, name: str, build: Callable[[Path], None]) -> Path:
    """The entry of a conversion; where that is not proven one of its own, built only once."""
    other = f"{entry}-not-proven"
    if is_intact(cache_dir() / other) and not is_intact(cache_dir() / entry):
        return cache_dir() / other
    with tempfile.TemporaryDirectory(prefix="paddleport-") as spare:

        def build_and_keep(folder: Path) -> None:
            try:
                build(folder)
            except NotProvenError:
                for file in folder.iterdir():
                    shutil.move(file, spare)
                raise

        def take(folder: Path) -> None:
            for file in Path(spare).iterdir():
                shutil.move(file, folder / (name if file.suffix == ".onnx" else file.name))

        try:
            return cached_folder(entry, build_and_keep)
        except NotProvenError:
            return cached_folder(other, take)


def cached_artifact(
    making: "Making",
    *,
    calibration: str = "",
    record: Mapping[str, Any] | None = None,
    timeout_s: float | None = None,
) -> Artifact:
    """A target's file of a model, from the cache or made now; it is not checked.

    For those that compare it themselves: ``validate``, ``tune``'s gate, and ``run`` on a file
    whose ONNX file was proven.

    Args:
        making: what is made, and out of what.
        calibration: what its calibration feeds are known by.
        record: more for its provenance.
        timeout_s: for making it, in seconds.

    Raises:
        PortError: as the target does.
    """
    target, options, model = making.target, making.options, making.model
    key = cache_key(
        {
            model.format: making.sha256,
            "target": target.name,
            "options": {
                **asdict(options),
                "shapes": {name: asdict(item) for name, item in sorted(options.shapes.items())},
            },
            "calibration": calibration,
            "tools": tool_versions() | target.tool_versions(options),
            "code": _code_of(target),
        }
    )
    source = model.provenance.get("source", {}).get("name", model.path.stem)
    name = f"{_FILE}{target.suffix}"

    def build(folder: Path) -> None:
        from paddleport.convert.naming import named_artifact

        made_in = folder / "made"
        made_in.mkdir()
        file, _ = making.run(made_in / name, timeout_s or target.timeout_s)
        file = replace(file, provenance={**file.provenance, **(record or {})})
        named_artifact(file, folder / name)
        shutil.rmtree(made_in)

    return read_artifact(cached_folder(f"conversions/{source}-{target.name}-{key}", build) / name)


def _code_of(target: "type[Target]") -> str:
    """The sha256 of the module that a target is defined in and its parts': changed, made anew."""
    files: list[Path] = []
    for name in (target.__module__, *target.parts):
        source = getattr(import_module(name), "__file__", None)
        if source and Path(source).is_file():
            file = Path(source)
            files += _of_package(file.parent) if file.stem == "__init__" else [file]
    return sha256(files) if files else ""


def _of_package(folder: Path) -> list[Path]:
    """Its modules, and what lies beside them: templates, and sources that are copied."""
    files = (file for file in folder.rglob("*") if "__pycache__" not in file.parts)
    return sorted(file for file in files if file.is_file())


def _onnx_key(source: "SourceModel", opset: int) -> str:
    return cache_key(
        {
            "recipe": _CONTENT_VERSION,
            "sha256": source.sha256,
            "weights": source.weights,
            "opset": opset,
            "preprocess": asdict(source.preprocess) if source.preprocess else None,
            "labels": source.labels,
            "tools": tool_versions(),
        }
    )
