"""Pictures to labels on any runner: streamed, in order, in constant memory."""

import glob
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import UsageError
from paddleport.models.card import Preprocess
from paddleport.runners.base import Runner
from paddleport.runners.pipeline import Work, default_workers, run_pictures
from paddleport.runners.tasks.postprocess import Prediction, top_k
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
    workers: int | None = None,
    work: Work | None = None,
    fast_decode: bool = False,
) -> Generator[Classified, None, None]:
    """Classify pictures in order, ``batch_size`` at a time, while the next ones are decoded.

    A picture that cannot be read is answered with its error, and the rest go on. Pictures are
    read a few batches ahead, never more. Close the iterator if it is left before its end.

    Args:
        runner: a classifier with one image input.
        pictures: files, or names with HWC uint8 BGR arrays.
        preprocess: how they are fed.
        labels: class names by index.
        topk: how many classes each.
        batch_size: pictures in one inference; the last batch may be smaller.
        workers: threads that decode and preprocess; default ``default_workers()``.
        work: filled, when it is over, with what it cost.
        fast_decode: decode JPEGs at a reduced size, which is no longer bit-identical.

    Raises:
        UsageError: a batch size that the model does not take, or a model that is no classifier.
    """
    spec = _image_input(runner, batch_size)
    batches = run_pictures(
        runner,
        pictures,
        preprocess=preprocess,
        spec=spec,
        batch_size=batch_size,
        workers=default_workers() if workers is None else workers,
        work=Work() if work is None else work,
        fast_decode=fast_decode,
    )
    with closing(batches):
        for batch, scores in batches:
            predictions = iter(() if scores is None else top_k(scores, topk, labels))
            for item in batch.pictures:
                found = () if item.error else next(predictions)
                yield Classified(item.name, found, item.error)


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
