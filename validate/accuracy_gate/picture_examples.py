"""Pictures as a gate's examples: labelled ones, any others, or drawn ones."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from paddleport.errors import FeedError, UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.preprocessing.picture_files import find_pictures
from paddleport.runners.preprocessing.prepare_image import decode_image, fed_picture, takes_pixels
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.accuracy_gate.gate_set import GateSet, collected
from paddleport.validate.feeds.named_feed import DEFAULT_SIZE, SAMPLE_SIZE
from paddleport.validate.labelled.labelled_data import LabelledData, open_labelled

DRAWN_PICTURES = 200  # where none are given


def gate_set(
    source_preprocess: Preprocess | None,
    spec: TensorSpec,
    *,
    labelled: Path | None,
    images: Sequence[Path],
    samples: int = DRAWN_PICTURES,
    first: int = 0,
    classes: Sequence[str] | None = None,
    class_map: Path | None = None,
) -> GateSet:
    """Read or draw the pictures of a gate.

    Args:
        source_preprocess: how a picture is fed; without it only drawn pictures can be.
        spec: the model's image input.
        labelled: pictures in any of the forms that ``open_labelled`` finds by itself, such as a
            folder with a folder a class.
        images: files and folders of pictures, instead; their labels are unknown.
        samples: how many to draw where neither is given.
        first: the number of the first drawn picture; another gives other pictures.
        classes: the model's labels by index, to find folders by.
        class_map: which class the labels stand for, where somebody wrote it down.

    Raises:
        UsageError: both are given, or pictures for a model whose preprocessing is not known.
        ImageError: a picture that cannot be read.
        FeedError: the model takes no pictures, or more of them were given than the disk
            has room for.
    """
    if labelled and images:
        raise UsageError("--labelled and --images are two sets of pictures: give one of them")
    if (labelled or images) and source_preprocess is None:
        raise UsageError(
            "this model's preprocessing is not known, so no picture can be fed to it: put an "
            "inference.yml beside it"
        )
    if class_map and not labelled:
        raise UsageError("--class-map is for the labels of --labelled DIR, which is not given")
    if labelled:
        data = open_labelled(labelled, labels=classes, classes=None, class_map=class_map)
        return _labelled_set(data, labelled, source_preprocess, spec)
    if images:
        paths = tuple(find_pictures(str(item) for item in images))
        read = ([_read(path, str(path), source_preprocess, spec)] for path in paths)
        source = f"images {', '.join(item.name for item in images)}"
        return collected([path.name for path in paths], read, None, source)
    numbers = range(first, first + samples)
    drawn = ([tensor] for tensor in _drawn(source_preprocess, spec, numbers))
    titles = [f"sample {index}" for index in numbers]
    return collected(titles, drawn, None, f"{samples} drawn pictures")


def _labelled_set(
    data: LabelledData, given: Path, preprocess: Preprocess | None, spec: TensorSpec
) -> GateSet:
    listed = [(Path(entry.name).name, entry.label) for entry in data.entries()]
    read = ([_read(picture.source, picture.name, preprocess, spec)] for picture in data.pictures())
    names, labels = zip(*listed, strict=True)
    return collected(names, read, labels, f"labelled {given.name}")


def is_picture(spec: TensorSpec) -> bool:
    """Whether an input looks like one that takes a picture."""
    floating = np.issubdtype(np.dtype(spec.dtype), np.floating)
    return len(spec.shape) == 4 and ((floating and spec.shape[1] in (1, 3)) or takes_pixels(spec))


def _read(
    source: Path | bytes, name: str, preprocess: Preprocess | None, spec: TensorSpec
) -> Array:
    picture = decode_image(source, name=name)
    fed = fed_picture(picture, preprocess or Preprocess(), spec, name=name)
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
    if not is_picture(spec):
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
