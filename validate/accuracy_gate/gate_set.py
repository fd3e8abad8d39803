"""The pictures that a model's accuracy is judged on, and their labels where somebody knows them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from paddleport.errors import FeedError, UsageError, unknown_name
from paddleport.models.card import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.preprocessing.prepare_image import decode_image, fed_picture, takes_pixels
from paddleport.runners.tasks.classify import find_pictures
from paddleport.tensors import Array, Feed, TensorSpec, check_feed
from paddleport.validate.feeds.make_feeds import DEFAULT_SIZE, SAMPLE_SIZE

MAX_BYTES = 2 << 30  # all of them are held at a time
_LIST = "val_list.txt"


@dataclass(frozen=True)
class GateSet:
    """Pictures as a model takes them.

    Attributes:
        names: of each picture.
        tensors: one a picture, [1, ...], the model's input with no preprocessing left to do.
        labels: the true class of each, by index; ``None`` where nobody knows.
        sha256: over names, tensors and labels.
        source: ``labelled DIR``, ``images DIR`` or ``N drawn pictures``.
    """

    names: tuple[str, ...]
    tensors: tuple[Array, ...] = field(repr=False)
    labels: tuple[int, ...] | None
    sha256: str
    source: str

    def feeds(self, spec: TensorSpec) -> list[Feed]:
        """One feed a picture; a fixed batch is filled with the same picture.

        Raises:
            FeedError: the model does not take these pictures.
        """
        batch = (spec.shape[0] if spec.shape else None) or 1
        made = [{spec.name: np.repeat(tensor, batch, axis=0)} for tensor in self.tensors]
        for feed in made:
            check_feed([spec], feed)
        return list(made)


def gate_set(
    source_preprocess: Preprocess | None,
    spec: TensorSpec,
    *,
    labelled: Path | None,
    images: Sequence[Path],
    samples: int = 200,
    first: int = 0,
    classes: Sequence[str] | None = None,
) -> GateSet:
    """Read or draw the pictures of a gate.

    Args:
        source_preprocess: how a picture is fed; without it only drawn pictures can be.
        spec: the model's image input.
        labelled: a folder with ``val_list.txt`` ("path label" a line, as PaddleClas has it) or
            with one folder a class, named by the class's index or label; or such a list itself.
        images: files and folders of pictures, instead; their labels are unknown.
        samples: how many to draw where neither is given.
        first: the number of the first drawn picture; another gives other pictures.
        classes: the model's labels by index, to find folders by.

    Raises:
        UsageError: both are given, or pictures for a model whose preprocessing is not known.
        ImageError: a picture that cannot be read.
        FeedError: the model takes no pictures, or more than ``MAX_BYTES`` of them were given.
    """
    if labelled and images:
        raise UsageError("--labelled and --images are two sets of pictures: give one of them")
    if (labelled or images) and source_preprocess is None:
        raise UsageError(
            "this model's preprocessing is not known, so no picture can be fed to it: put an "
            "inference.yml beside it"
        )
    if labelled:
        found = _labelled(labelled, classes)
        names, labels = tuple(path for path, _ in found), tuple(label for _, label in found)
        source = f"labelled {labelled.name}"
    elif images:
        names, labels = tuple(find_pictures(str(item) for item in images)), None
        source = f"images {', '.join(item.name for item in images)}"
    else:
        numbers = range(first, first + samples)
        drawn = _drawn(source_preprocess, spec, numbers)
        titles = [f"sample {index}" for index in numbers]
        return _set(titles, drawn, None, f"{samples} drawn pictures", samples)
    read = (_read(path, source_preprocess, spec) for path in names)
    return _set([path.name for path in names], read, labels, source, len(names))


def _set(
    names: Sequence[str],
    pictures: Iterable[Array],
    labels: tuple[int, ...] | None,
    source: str,
    count: int,
) -> GateSet:
    tensors: list[Array] = []
    for tensor in pictures:
        if tensor.nbytes * count > MAX_BYTES:
            raise FeedError(
                f"{count} pictures of {tensor.nbytes} bytes are more than the {MAX_BYTES >> 20} MB "
                f"that are held: give at most {MAX_BYTES // tensor.nbytes}"
            )
        tensors.append(tensor)
    digest = hashlib.sha256()
    for name, tensor in zip(names, tensors, strict=True):
        digest.update(f"{name}\0{tensor.dtype}{tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor).data)
    digest.update(repr(labels).encode())
    return GateSet(tuple(names), tuple(tensors), labels, digest.hexdigest(), source)


def _read(path: Path, preprocess: Preprocess | None, spec: TensorSpec) -> Array:
    fed = fed_picture(decode_image(path), preprocess or Preprocess(), spec, name=str(path))
    return np.ascontiguousarray(fed[None])


def _drawn(
    preprocess: Preprocess | None, spec: TensorSpec, numbers: Iterable[int]
) -> Iterable[Array]:
    """Prepared as any picture where it is known how; else with mean 0 and variance 1."""
    if preprocess is not None:
        for index in numbers:
            picture = draw_picture(index, SAMPLE_SIZE)
            yield fed_picture(picture, preprocess, spec, name=f"sample {index}")[None]
        return
    floating = np.issubdtype(np.dtype(spec.dtype), np.floating)
    if len(spec.shape) != 4 or not ((floating and spec.shape[1] in (1, 3)) or takes_pixels(spec)):
        raise FeedError(f"accuracy is judged on pictures, and this model takes {spec}")
    sides = spec.shape[1:3] if takes_pixels(spec) else spec.shape[2:4]
    height, width = (side or DEFAULT_SIZE for side in sides)
    for index in numbers:
        picture = draw_picture(index, (height, width))
        if takes_pixels(spec):
            yield picture[None]
            continue
        plain = picture.astype(np.float64)[:, :, : spec.shape[1]]
        spread = np.maximum(plain.std(axis=(0, 1)), 1)
        normal = (plain - plain.mean(axis=(0, 1))) / spread
        yield np.ascontiguousarray(normal.transpose(2, 0, 1)[None].astype(spec.dtype))


def _labelled(given: Path, classes: Sequence[str] | None) -> list[tuple[Path, int]]:
    file = given if given.is_file() else given / _LIST
    if file.is_file():
        return _from_list(file)
    if not given.is_dir():
        raise UsageError(f"--labelled {given}: no such folder or list")
    folders = sorted(item for item in given.iterdir() if item.is_dir())
    if not folders:
        raise UsageError(
            f"{given} holds neither {_LIST} ('path label' a line) nor one folder a class"
        )
    return [
        (path, _class_index(folder.name, classes))
        for folder in folders
        for path in find_pictures([str(folder)])
    ]


def _from_list(file: Path) -> list[tuple[Path, int]]:
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        path, _, label = line.strip().rpartition("\t" if "\t" in line else " ")
        if not line.strip():
            continue
        if not path or not label.isdecimal():
            raise UsageError(f"{file.name} line {number} is not 'path label': {line.strip()[:80]}")
        found.append((file.parent / path.strip(), int(label)))
    if not found:
        raise UsageError(f"{file} lists no pictures")
    return found


def _class_index(name: str, classes: Sequence[str] | None) -> int:
    if name.isdecimal():
        return int(name)
    places = [index for index, label in enumerate(classes or ()) if label == name]
    if not classes:
        raise UsageError(
            f"folder '{name}' names a class, and this model has no labels: name it by its index"
        )
    if len(places) != 1:
        raise UsageError(unknown_name("class", name, classes))
    return places[0]
