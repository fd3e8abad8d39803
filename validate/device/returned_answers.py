"""Tensors that came back from a device: an .npz file, or a folder of raw or .npy files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleport.errors import FeedError, UsageError
from paddleport.files import sha256
from paddleport.tensors import Array, format_shape
from paddleport.validate.device.folder import DeviceFolder
from paddleport.validate.device.manifest import EXPECTED, key_of
from paddleport.validate.feeds.tensor_files import MAX_UNPACKED_BYTES, load_npy, load_npz

_LISTED = 4  # names in one message
_OTHER_SIZES = {2: "float16", 8: "float64"}


@dataclass(frozen=True)
class ReturnedAnswers:
    """What a device answered.

    Attributes:
        outputs: one mapping per feed, output name to tensor, in the manifest's order.
        notes: what was read otherwise than it came.
    """

    outputs: tuple[Mapping[str, Array], ...]
    notes: tuple[str, ...]


def read_answers(path: Path, folder: DeviceFolder) -> ReturnedAnswers:
    """Every output of every feed: ``OUTPUT.FEED`` in an .npz, or in ``OUTPUT.FEED.bin`` files.

    OUTPUT is the output's name, or its ``file_name``; FEED its number from 0. Raw files are
    little-endian, in the type that the manifest names; .npy files are taken as well.

    Raises:
        FeedError: no such file, no numbers, answers that are missing, or others than asked for.
        UsageError: these are the folder's own expected answers.
    """
    _refuse_own(path, folder)
    wanted = _wanted(folder)
    found: dict[str, Array] = {}
    sources: dict[str, str] = {}
    unknown = []
    for name, tensor in _read(path, folder, wanted):
        key = wanted.get(name)
        if key is None:
            unknown.append(name)
        elif key in found:
            raise FeedError(f"{path} has {key} twice, as {sources[key]} and {name}: leave one out")
        else:
            found[key], sources[key] = tensor, name
    if unknown:
        raise FeedError(
            f"{path} has {_listed(unknown)}, which {folder.path} did not ask for: it takes "
            f"{_listed(list(dict.fromkeys(wanted.values())))}"
        )
    missing = [key for key in dict.fromkeys(wanted.values()) if key not in found]
    if missing:
        raise FeedError(
            f"{path} has no {_listed(missing)}: run every feed of {folder.path}, and write the "
            f"answer of each as OUTPUT.FEED, such as {missing[0]}"
        )
    return _whole(folder, found)


def _refuse_own(path: Path, folder: DeviceFolder) -> None:
    own = path.resolve() in (folder.path.resolve(), (folder.path / "expected").resolve())
    if path.is_file():
        own = own or sha256([path]) == folder.manifest.files[EXPECTED]
    if own:
        raise UsageError(
            f"{path} holds the expected answers themselves: give what came back from the device"
        )


def _wanted(folder: DeviceFolder) -> dict[str, str]:
    """By what a tensor may be called, its key."""
    return {
        key_of(name, number): key_of(item.name, number)
        for number in range(len(folder.manifest.feeds))
        for item in folder.manifest.outputs
        for name in (item.name, item.file_name)
    }


def _read(
    path: Path, folder: DeviceFolder, wanted: Mapping[str, str]
) -> Iterator[tuple[str, Array]]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".bin", ".npy"))
        if not files:
            raise FeedError(f"{path} has no .bin and no .npy files: {_naming(folder)}")
        for file in files:
            key = wanted.get(file.stem)
            if key is None:
                yield file.name, np.zeros(0)
            elif file.suffix == ".npy":
                yield file.stem, load_npy(file)
            else:
                yield file.stem, _raw(file, folder, key)
        return
    try:
        yield from load_npz(path).items()
    except FeedError as error:
        if not path.exists():
            raise
        raise FeedError(
            f"{error}: write it with numpy.savez, or give a folder, in which {_naming(folder)}"
        ) from None


def _naming(folder: DeviceFolder) -> str:
    first = folder.manifest.outputs[0].file_name
    return f"one file per output and feed is taken, such as {key_of(first, 0)}.bin"


def _raw(file: Path, folder: DeviceFolder, key: str) -> Array:
    name, _, number = key.rpartition(".")
    expected = folder.expected[int(number)][name]
    dtype = expected.dtype.newbyteorder("<")
    content = file.read_bytes() if file.stat().st_size <= MAX_UNPACKED_BYTES else b""
    wanted = expected.size * dtype.itemsize
    if len(content) != wanted:
        sizes = f"[{format_shape(expected.shape)}] of {expected.dtype}"
        kind = _OTHER_SIZES.get(len(content) // max(expected.size, 1), "")
        even = dtype.kind == "f" and expected.size and not len(content) % expected.size
        other = f", as {kind} would have" if kind and even else ""
        raise FeedError(
            f"{file} has {file.stat().st_size} bytes{other}, and {sizes} has {wanted}: write "
            "every value of the output, without padding between its channels"
        )
    return np.frombuffer(content, dtype).astype(expected.dtype).reshape(expected.shape)


def _whole(folder: DeviceFolder, found: Mapping[str, Array]) -> ReturnedAnswers:
    outputs, notes = [], []
    for number, expected in enumerate(folder.expected):
        made = {}
        for name, reference in expected.items():
            tensor, note = _as_expected(found[key_of(name, number)], reference, name)
            made[name] = tensor
            notes.append(note)
        outputs.append(made)
    return ReturnedAnswers(tuple(outputs), tuple(dict.fromkeys(note for note in notes if note)))


def _as_expected(tensor: Array, reference: Array, name: str) -> tuple[Array, str]:
    """A tensor with what carries no value made as expected: axes of size 1, width of numbers."""
    if tensor.dtype.kind not in "biuf":
        raise FeedError(f"{name} came back as {tensor.dtype}, and numbers are taken")
    notes = []
    sides = [tuple(size for size in item.shape if size != 1) for item in (tensor, reference)]
    if tensor.shape != reference.shape and sides[0] == sides[1]:
        came = f"[{format_shape(tensor.shape)}]"
        notes.append(f"{name} came as {came}, taken as [{format_shape(reference.shape)}]")
        tensor = tensor.reshape(reference.shape)
    if tensor.dtype.newbyteorder("=") != reference.dtype:
        whole = reference.dtype.kind in "iu" and tensor.dtype.kind in "iu"
        half = reference.dtype == np.float32 and tensor.dtype.itemsize < 4
        fits = np.array_equal(tensor.astype(reference.dtype), tensor) if whole or half else False
        if fits or (half and tensor.dtype.kind == "f"):
            notes.append(f"{name} came as {tensor.dtype}")
            tensor = tensor.astype(reference.dtype)
    return tensor.astype(tensor.dtype.newbyteorder("="), copy=False), "; ".join(notes)


def _listed(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
