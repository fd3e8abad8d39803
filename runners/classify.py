"""Pictures to labels on any runner: streamed, in order, in constant memory."""

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import ImageError, UsageError
from paddleport.models.card import Preprocess
from paddleport.runners.base import Runner
from paddleport.runners.postprocess import Prediction, top_k
from paddleport.runners.preprocess import decode_image, preprocess_image, stack_pictures
from paddleport.tensors import Array, TensorSpec, format_shape

PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
)


@dataclass(frozen=True)
class Classified:
    """One picture's answer, or why there is none.

    Attributes:
        picture: its file, or the name of a picture that was drawn.
        predictions: the likeliest classes, highest first; empty if it could not be read.
        error: why it could not be read; empty if it could.
    """

    picture: str
    predictions: tuple[Prediction, ...]
    error: str = ""


def find_pictures(names: Iterable[str]) -> Iterator[Path]:
    """The files that ``names`` stand for: files as they are, folders and globs searched.

    A file is yielded whatever it is called, or even if it is missing: reading it will tell.

    Raises:
        UsageError: a folder without pictures, or a glob that fits nothing.
    """
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = sorted(
                item for item in path.rglob("*") if item.suffix.lower() in PICTURE_SUFFIXES
            )
            if not found:
                raise UsageError(
                    f"{name} holds no pictures ({', '.join(sorted(PICTURE_SUFFIXES))})"
                )
            yield from found
        elif glob.has_magic(name) and not path.exists():
            matches = sorted(glob.glob(name, recursive=True))
            if not matches:
                raise UsageError(f"no file fits {name}")
            yield from (Path(match) for match in matches)
        else:
            yield path


def classify(
    runner: Runner,
    pictures: Iterable[Path | tuple[str, Array]],
    *,
    preprocess: Preprocess,
    labels: Sequence[str] | None = None,
    topk: int = 5,
    batch_size: int = 1,
    fast_decode: bool = False,
) -> Iterator[Classified]:
    """Classify pictures in order, ``batch_size`` at a time.

    A picture that cannot be read is answered with its error, and the rest go on.

    Args:
        runner: a classifier with one image input.
        pictures: files, or names with HWC uint8 BGR arrays.
        preprocess: how they are fed.
        labels: class names by index.
        topk: how many classes each.
        batch_size: pictures in one inference; the last batch may be smaller.
        fast_decode: decode JPEGs at a reduced size, which is no longer bit-identical.

    Raises:
        UsageError: a batch size that the model does not take, or a model that is no classifier.
    """
    spec = _image_input(runner, batch_size)
    batch: list[tuple[str, Array]] = []
    waiting: list[Classified | str] = []  # answers and names in the order of the pictures
    for picture in pictures:
        name = str(picture) if isinstance(picture, Path) else picture[0]
        try:
            image = (
                decode_image(picture, fast_for=preprocess if fast_decode else None)
                if isinstance(picture, Path)
                else picture[1]
            )
            batch.append((name, preprocess_image(image, preprocess, name=name)))
            waiting.append(name)
        except ImageError as error:
            waiting.append(Classified(name, (), str(error)))
        if len(batch) == batch_size or not batch:
            yield from _answers(runner, spec, batch, waiting, labels, topk)
            batch, waiting = [], []
    yield from _answers(runner, spec, batch, waiting, labels, topk)


def _answers(
    runner: Runner,
    spec: TensorSpec,
    batch: list[tuple[str, Array]],
    waiting: list[Classified | str],
    labels: Sequence[str] | None,
    topk: int,
) -> Iterator[Classified]:
    predictions: Iterator[tuple[Prediction, ...]] = iter(())
    if batch:
        tensor = stack_pictures([tensor for _, tensor in batch])
        fixed = spec.shape[0]
        if fixed is not None and len(batch) < fixed:  # the last batch of a fixed-batch model
            tensor = stack_pictures(
                [*(item for _, item in batch)] + [batch[-1][1]] * (fixed - len(batch))
            )
        outputs = runner.run({spec.name: tensor})
        scores = next(iter(outputs.values()))[: len(batch)]
        predictions = iter(top_k(scores, topk, labels))
    for item in waiting:
        yield item if isinstance(item, Classified) else Classified(item, next(predictions))


def _image_input(runner: Runner, batch_size: int) -> TensorSpec:
    if batch_size < 1:
        raise UsageError(f"--batch-size {batch_size} is not possible: 1 or more")
    spec = runner.inputs[0]
    if len(runner.inputs) != 1 or len(spec.shape) != 4 or len(runner.outputs) != 1:
        raise UsageError(
            "this model is no image classifier (one 4-D input, one output); "
            "paddleport validate takes any model"
        )
    if spec.shape[0] not in (None, batch_size):
        raise UsageError(
            f"the model takes batches of {spec.shape[0]} ({spec.name} "
            f"[{format_shape(spec.shape)}]): --batch-size {spec.shape[0]}"
        )
    return spec
