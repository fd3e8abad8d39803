"""The examples that a model's answers are judged on, and their labels where somebody knows them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from paddleport.errors import FeedError, UsageError, unknown_name
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.preprocessing.picture_files import find_pictures
from paddleport.runners.preprocessing.prepare_image import decode_image, fed_picture, takes_pixels
from paddleport.runners.tasks.base import Outputs, rows
from paddleport.tensors import (
    Array,
    Feed,
    GivenFeeds,
    TensorSpec,
    check_feed,
    listed_feeds,
)
from paddleport.validate.feeds.made_feed import made_feed
from paddleport.validate.feeds.make_feeds import concrete_inputs
from paddleport.validate.feeds.named_feed import DEFAULT_SIZE, SAMPLE_SIZE
from paddleport.validate.feeds.value_ranges import NO_RANGES, InputRanges

MAX_BYTES = 2 << 30  # all of them are held at a time
SAMPLES = 200  # drawn or made where none are given
_LIST = "val_list.txt"


@dataclass(frozen=True, kw_only=True)
class GateSet:
    """Examples as a model takes them: pictures, or feeds of any kind.

    Attributes:
        names: of each example.
        examples: the tensors of each, in the order of the model's inputs, with a batch of one
            and no preprocessing left to do.
        labels: the true class of each, by index; ``None`` where nobody knows.
        sha256: over names, tensors and labels.
        source: ``labelled DIR``, ``images DIR``, ``N drawn pictures``, ``N made feeds`` or
            ``N given feeds``.
    """

    names: tuple[str, ...]
    examples: tuple[tuple[Array, ...], ...] = field(repr=False)
    labels: tuple[int, ...] | None
    sha256: str
    source: str

    @property
    def kind(self) -> str:
        """``pictures`` or ``feeds``."""
        return "feeds" if self.source.endswith("feeds") else "pictures"

    def feeds(self, *inputs: TensorSpec) -> list[Feed]:
        """One feed for each example; a fixed batch is filled with the same picture.

        Raises:
            FeedError: the model does not take them.
        """
        made = [
            {
                spec.name: np.repeat(tensor, self._times(spec, tensor), axis=0)
                if tensor.ndim
                else tensor
                for spec, tensor in zip(inputs, example, strict=True)
            }
            for example in self.examples
        ]
        for feed in made:
            check_feed(inputs, feed)
        return list(made)

    def batch(self, size: int, *inputs: TensorSpec) -> Feed:
        """The first examples in one feed; of feeds that a fixed batch takes as they are, one."""
        if self.kind == "feeds" and any(spec.shape[:1] != (None,) for spec in inputs):
            return self.feeds(*inputs)[0]
        picked = [self.examples[index % len(self.examples)] for index in range(size)]
        return {
            spec.name: np.concatenate([example[place] for example in picked])
            for place, spec in enumerate(inputs)
        }

    def own(self, outputs: Outputs, *inputs: TensorSpec) -> dict[str, Array]:
        """Of the outputs for one of ``feeds``, those for the example alone."""
        return rows(outputs, 0, self._times(inputs[0], self.examples[0][0]) if inputs else 1)

    def _times(self, spec: TensorSpec, tensor: Array) -> int:
        """How often a picture is in the model's batch."""
        return _batch_of(spec) if self.kind == "pictures" and len(tensor) == 1 else 1


def example_set(
    preprocess: Preprocess | None,
    inputs: Sequence[TensorSpec],
    *,
    labelled: Path | None = None,
    images: Sequence[Path] = (),
    classes: Sequence[str] | None = None,
    given: GivenFeeds | None = None,
    ranges: InputRanges = NO_RANGES,
) -> GateSet:
    """Pictures for a model with one input that takes them, and feeds for any other.

    Args:
        preprocess: how a picture is fed, if that is known.
        inputs: of the model; of feeds, free dimensions get the defaults of ``concrete_inputs``.
        labelled: as ``gate_set`` has it.
        images: likewise.
        classes: likewise.
        given: tensors to feed instead, in one feed or several, whose first axis counts the
            examples.
        ranges: what integer inputs may hold, under the names of ``inputs``.

    Raises:
        UsageError: pictures for a model that takes none, or both pictures and tensors.
        PortError: as ``gate_set`` does.
    """
    pictures = len(inputs) == 1 and (preprocess is not None or _is_picture(inputs[0]))
    feeds = listed_feeds(given)
    if pictures and not feeds:
        return gate_set(preprocess, inputs[0], labelled=labelled, images=images, classes=classes)
    if labelled or images:
        what = "--feed names tensors" if feeds else "this model is not fed with one picture"
        raise UsageError(f"{what}, so --labelled and --images can't be: leave them out")
    return feed_set(inputs, feeds, ranges=ranges)


def matched_inputs(
    inputs: Sequence[TensorSpec], others: Sequence[TensorSpec]
) -> tuple[TensorSpec, ...]:
    """Another file's inputs in the order of ``inputs``: by name where all names are the same.

    Raises:
        FeedError: there are more or fewer of them.
    """
    if len(inputs) != len(others):
        raise FeedError(
            f"one file takes {len(inputs)} inputs and the other {len(others)}: they are not the "
            "same model"
        )
    named = {spec.name: spec for spec in others}
    if {spec.name for spec in inputs} != set(named):
        return tuple(others)
    return tuple(named[spec.name] for spec in inputs)


def feed_set(
    inputs: Sequence[TensorSpec],
    given: GivenFeeds | None,
    samples: int = SAMPLES,
    ranges: InputRanges = NO_RANGES,
) -> GateSet:
    """Feeds of any kind: those given, or ``samples`` that are made up.

    Raises:
        FeedError: the model does not take what is given.
    """
    feeds = listed_feeds(given)
    if not feeds:
        specs = concrete_inputs(inputs, {}, ranges.longest)
        tensors = (made_feed(specs, index, ranges.values).tensors for index in range(samples))
        made = ([feed[spec.name] for spec in specs] for feed in tensors)
        names = [f"made {index}" for index in range(samples)]
        return _set(names, made, None, f"{samples} made feeds", samples)
    examples = [example for feed in feeds for example in _examples(inputs, feed)]
    names = [f"given {index}" for index in range(len(examples))]
    return _set(names, examples, None, f"{len(examples)} given feeds", len(examples))


def _examples(inputs: Sequence[TensorSpec], feed: Feed) -> list[list[Array]]:
    check_feed([replace(spec, shape=(None, *spec.shape[1:])) for spec in inputs], feed)
    counts = {len(feed[spec.name]) // _batch_of(spec) for spec in inputs}
    if len(counts) != 1:
        raise FeedError(
            "the first axis of every --feed tensor counts the examples, and these have "
            f"{' and '.join(map(str, sorted(counts)))}"
        )
    return [
        [_part(feed[spec.name], index, _batch_of(spec)) for spec in inputs]
        for index in range(counts.pop())
    ]


def _part(tensor: Array, index: int, size: int) -> Array:
    return tensor[index * size : (index + 1) * size]


def _batch_of(spec: TensorSpec) -> int:
    return (spec.shape[0] if spec.shape else None) or 1


def _is_picture(spec: TensorSpec) -> bool:
    floating = np.issubdtype(np.dtype(spec.dtype), np.floating)
    return len(spec.shape) == 4 and ((floating and spec.shape[1] in (1, 3)) or takes_pixels(spec))


def gate_set(
    source_preprocess: Preprocess | None,
    spec: TensorSpec,
    *,
    labelled: Path | None,
    images: Sequence[Path],
    samples: int = SAMPLES,
    first: int = 0,
    classes: Sequence[str] | None = None,
) -> GateSet:
    """Read or draw the pictures of a gate.

    Args:
        source_preprocess: how a picture is fed; without it only drawn pictures can be.
        spec: the model's image input.
        labelled: a folder with ``val_list.txt`` ("path label" per line, as PaddleClas has it) or
            with one folder per class, named by the class's index or label; or such a list itself.
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
        drawn = ([tensor] for tensor in _drawn(source_preprocess, spec, numbers))
        titles = [f"sample {index}" for index in numbers]
        return _set(titles, drawn, None, f"{samples} drawn pictures", samples)
    read = ([_read(path, source_preprocess, spec)] for path in names)
    return _set([path.name for path in names], read, labels, source, len(names))


def _set(
    names: Sequence[str],
    examples: Iterable[Sequence[Array]],
    labels: tuple[int, ...] | None,
    source: str,
    count: int,
) -> GateSet:
    kept: list[tuple[Array, ...]] = []
    for example in examples:
        size = sum(tensor.nbytes for tensor in example)
        if size * count > MAX_BYTES:
            raise FeedError(
                f"{count} pictures of {size} bytes are more than the {MAX_BYTES >> 20} MB "
                f"that are held: give at most {MAX_BYTES // size}"
            )
        kept.append(tuple(example))
    digest = hashlib.sha256()
    for name, tensors in zip(names, kept, strict=True):
        for tensor in tensors:
            digest.update(f"{name}\0{tensor.dtype}{tensor.shape}".encode())
            digest.update(np.ascontiguousarray(tensor).data)
    digest.update(repr(labels).encode())
    return GateSet(
        names=tuple(names),
        examples=tuple(kept),
        labels=labels,
        sha256=digest.hexdigest(),
        source=source,
    )


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
    if not _is_picture(spec):
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
            f"{given} holds neither {_LIST} ('path label' per line) nor one folder per class"
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
