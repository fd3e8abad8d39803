"""A user's own preprocessed tensor against ours: what they do differently, in one sentence."""

from pathlib import Path

import numpy as np

from paddleport.errors import UsageError
from paddleport.models.card import Preprocess
from paddleport.progress import Progress, no_progress
from paddleport.runners.preprocessing.prepare_image import decode_image, preprocess_image
from paddleport.tensors import Array, format_shape
from paddleport.validate.input_diff.batch import row_of
from paddleport.validate.input_diff.explanation import Explanation
from paddleport.validate.input_diff.layouts import Layout, check_tensor, layouts
from paddleport.validate.input_diff.search import search
from paddleport.validate.input_diff.verdicts import (
    Task,
    explained,
    of_one_colour,
    without_detail,
)

_FLAT = 2.0  # levels of standard deviation: a picture with less has too little detail to tell
_THINNED = 1024  # rows and columns of a picture that are looked at for that
_ONE = 1e-6  # of the largest value: a tensor that varies by less is of one colour
_FLOOR = 1e-3  # levels: what float32 leaves of a pipeline that is the same


def explain_input(
    picture: Path | Array,
    tensor: Array,
    preprocess: Preprocess,
    *,
    progress: Progress = no_progress,
) -> Explanation:
    """Find out how a tensor was made from a picture, and how that differs from ours.

    A combination reproduces the tensor if no pixel is more than 1 of 255 levels off.

    Args:
        picture: the file, or its pixels [H, W, 3] uint8 BGR.
        tensor: what somebody made of it, of any layout and real dtype; of a batch, the first
            row that shows the picture is explained.
        preprocess: how the model is fed.
        progress: told what is going on and its share done.

    Raises:
        ImageError: a picture that cannot be read or preprocessed.
        FeedError: a tensor that cannot be a picture.
        UsageError: a preprocessing that makes nothing of a picture.
    """
    check_tensor(tensor)
    if preprocess.scale == 0:
        raise UsageError("the model's preprocessing scales by 0, so every picture is the same")
    pixels = decode_image(picture) if isinstance(picture, Path) else picture
    name = str(picture) if isinstance(picture, Path) else "the picture"
    ours = preprocess_image(pixels, preprocess, name=name)
    batch = tensor if tensor.ndim == 4 else tensor[None]
    row = row_of(pixels, batch, preprocess, progress)
    subject = f"Row {row} of your batch" if len(batch) > 1 else "Your tensor"
    task = Task(batch[row], ours, preprocess, subject, row)
    readings = layouts(batch[row], batch=tensor.ndim == 4)
    if _detail(pixels) < _FLAT:
        return without_detail(task)
    if any(_is_one_colour(layout) for layout in readings):
        return of_one_colour(task)
    trials = search(pixels, readings, preprocess, floor=_floor(batch[row]), progress=progress)
    if trials.best is None:
        raise UsageError(f"nothing makes a tensor of [{format_shape(tensor.shape)}] of {name}")
    return explained(task, trials, trials.best)


def _detail(pixels: Array) -> float:
    """The standard deviation in levels of the channel that varies most."""
    down, right = (max(1, size // _THINNED) for size in pixels.shape[:2])
    return float(pixels[::down, ::right].std(axis=(0, 1)).max())


def _is_one_colour(layout: Layout) -> bool:
    varies = float(np.ptp(layout.picture, axis=(0, 1)).max())
    return varies <= _ONE * float(np.abs(layout.picture).max())


def _floor(tensor: Array) -> float:
    """Error in levels that a tensor's own precision makes, if it spans 255 levels."""
    if tensor.dtype.kind != "f":
        return _FLOOR
    values = tensor.astype(np.float64)
    span = float(np.ptp(values))
    unit = float(np.finfo(tensor.dtype).eps) * float(np.abs(values).max())
    return max(_FLOOR, 255 * unit / span) if span > 0 else _FLOOR
