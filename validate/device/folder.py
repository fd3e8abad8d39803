"""A device folder as it lies on disk: checked against its manifest, and its tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from paddleport.errors import ModelFileError
from paddleport.files import sha256
from paddleport.models.preprocess import Preprocess
from paddleport.models.recognize import read_artifact
from paddleport.runners.preprocessing.prepare_image import decode_image
from paddleport.tensors import Array
from paddleport.validate.device.manifest import (
    EXPECTED,
    FEEDS,
    FLOAT64,
    DeviceTensor,
    Manifest,
    key_of,
    read_manifest,
)
from paddleport.validate.feeds.named_feed import NamedFeed


@dataclass(frozen=True, kw_only=True)
class DeviceFolder:
    """A folder that ``paddleport device-folder`` wrote.

    Attributes:
        path: where it lies.
        manifest: what it says of itself.
        feeds: under the Paddle model's names.
        expected: native Paddle's answers under the file's names, one mapping per feed.
        float64: those of the ONNX graph in float64 by the feed's number; ``None`` without any.
        preprocess: how pictures are fed, if that is known.
    """

    path: Path
    manifest: Manifest
    feeds: tuple[NamedFeed, ...]
    expected: tuple[Mapping[str, Array], ...]
    float64: Mapping[int, Mapping[str, Array]] | None
    preprocess: Preprocess | None

    @property
    def model_path(self) -> Path:
        """The model's main file."""
        return self.path / self.manifest.model_file


def read_folder(path: Path) -> DeviceFolder:
    """A folder, once every file in it is seen to be what was written.

    Raises:
        ModelFileError: it is no such folder, or a file is missing or was changed.
    """
    manifest = read_manifest(path)
    _check_files(path, manifest)
    numbers = range(len(manifest.feeds))
    fed = _tensors(path / FEEDS)
    expected = _tensors(path / EXPECTED)
    exact = _tensors(path / FLOAT64) if FLOAT64 in manifest.files else {}
    try:
        feeds = tuple(_feed(path, manifest, fed, number) for number in numbers)
        answers = tuple(_named(manifest.outputs, expected, number) for number in numbers)
    except KeyError as error:
        raise ModelFileError(f"{path} is damaged: it has no tensor {error}") from None
    first = manifest.outputs[0].name
    known = [number for number in numbers if key_of(first, number) in exact]
    return DeviceFolder(
        path=path,
        manifest=manifest,
        feeds=feeds,
        expected=answers,
        float64={number: _named(manifest.outputs, exact, number) for number in known} or None,
        preprocess=read_artifact(path / manifest.model_file).preprocess,
    )


def _check_files(path: Path, manifest: Manifest) -> None:
    for name, digest in manifest.files.items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise ModelFileError(f"{path} is damaged: its manifest names {name}")
        file = path / name
        if not file.is_file():
            raise ModelFileError(f"{path} has no {name}: copy the whole folder again")
        if sha256([file]) != digest:
            raise ModelFileError(
                f"{file} is not what was written there (its sha256 is another): copy it again, "
                "and put what comes back from a device elsewhere"
            )
    needed = {FEEDS, EXPECTED, manifest.model_file} - manifest.files.keys()
    if needed:
        raise ModelFileError(f"{path} is damaged: its manifest has no {', '.join(sorted(needed))}")


def _tensors(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as archive:  # whose sha256 is right by now
        return {name: archive[name] for name in archive.files}


def _named(
    tensors: tuple[DeviceTensor, ...], found: Mapping[str, Array], feed: int
) -> dict[str, Array]:
    return {item.name: found[key_of(item.name, feed)] for item in tensors}


def _feed(path: Path, manifest: Manifest, found: Mapping[str, Array], number: int) -> NamedFeed:
    feed = manifest.feeds[number]
    named = _named(manifest.inputs, found, number)
    return NamedFeed(
        name=feed.name,
        kind=feed.kind,
        tensors={item.paddle_name: named[item.name] for item in manifest.inputs},
        picture=decode_image(path / feed.picture) if feed.picture else None,
    )
