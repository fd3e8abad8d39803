"""A user's own preprocessed tensor against ours: what they do differently, in one sentence."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paddleport.errors import UsageError
from paddleport.models.card import Preprocess
from paddleport.runners.preprocess import decode_image, preprocess_image
from paddleport.tensors import Array, format_shape
from paddleport.validate.preprocessing import answers
from paddleport.validate.preprocessing.batch import row_of
from paddleport.validate.preprocessing.explanation import Explanation, Residual, Row, Verdict
from paddleport.validate.preprocessing.layouts import check_tensor, layouts
from paddleport.validate.preprocessing.matching import Fit, fit, with_grey
from paddleport.validate.preprocessing.naming import Normalisation, name_normalisation
from paddleport.validate.preprocessing.normalisation import Colours
from paddleport.validate.preprocessing.placement import Placement, Trials
from paddleport.validate.preprocessing.search import search
from paddleport.validate.preprocessing.value_words import describe_values
from paddleport.validate.preprocessing.words import LEVEL, SLACK, describe_pixels

_ROUNDED = 0.05  # levels that fitting a line through rounded pixels adds to the 1 of rounding
_FLAT = 2.0  # levels of standard deviation: a picture with less has too little detail to tell
_FLOOR = 1e-3  # levels: what float32 leaves of a pipeline that is the same

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class _Task:
    """One picture's tensor, and what the model is fed instead."""

    tensor: Array
    ours: Array
    preprocess: Preprocess
    subject: str
    row: int


def explain_input(
    picture: Path | Array,
    tensor: Array,
    preprocess: Preprocess,
    *,
    progress: Progress | None = None,
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
    tell = progress or (lambda step, share: None)
    check_tensor(tensor)
    if preprocess.scale == 0:
        raise UsageError("the model's preprocessing scales by 0, so every picture is the same")
    pixels = decode_image(picture) if isinstance(picture, Path) else picture
    name = str(picture) if isinstance(picture, Path) else "the picture"
    ours = preprocess_image(pixels, preprocess, name=name)
    is_batch = tensor.ndim == 4
    row = row_of(pixels, tensor, preprocess, tell) if is_batch else 0
    single = tensor[row] if is_batch else tensor
    several = is_batch and len(tensor) > 1
    subject = f"Row {row} of your batch" if several else "Your tensor"
    task = _Task(single, ours, preprocess, subject, row)
    if float(pixels.std(axis=(0, 1)).max()) < _FLAT:
        return _ambiguous(task)
    readings = layouts(single, batch=is_batch)
    trials = search(pixels, readings, preprocess, floor=_floor(single), progress=tell)
    if trials.best is None:
        raise UsageError(f"nothing makes a tensor of [{format_shape(tensor.shape)}] of {name}")
    return _explained(task, trials, trials.best)


def _explained(task: _Task, trials: Trials, best: Placement) -> Explanation:
    theirs, pixels = trials.regions(best)
    best, found, values = _named(trials, best, theirs, pixels)
    rows = [*describe_pixels(trials, best, found), *describe_values(values, task.preprocess)]
    residual = replace(
        _before(task),
        after_levels=found.worst,
        after_units=found.worst_in_units,
        after_mean_levels=found.mean,
    )
    if residual.before_levels is not None and residual.before_levels <= LEVEL + SLACK:
        return _same(task, residual, rows, trials.count)
    notes = [*(row.note for row in rows if row.note), *_dtype_note(task)]
    verdict: Verdict = "explained" if found.worst <= LEVEL + _ROUNDED else "unexplained"
    sentence = answers.explained_sentence(task.subject, rows, notes)
    next_step = answers.AGAIN
    if verdict == "unexplained":
        sentence, next_step = answers.unexplained_sentence(task.subject, rows, found, best.likeness)
    return Explanation(
        verdict,
        False,
        sentence,
        next_step,
        tuple(row.part for row in rows if row.differs),
        tuple(notes),
        tuple(rows),
        residual,
        trials.count,
        task.row,
    )


def _named(
    trials: Trials, best: Placement, theirs: Array, pixels: Array
) -> tuple[Placement, Fit, Normalisation]:
    """The normalisation; where the picture cannot tell the order, by the likelier order."""
    orders = [best.order, best.order[::-1]] if best.reversible else [best.order]
    named = []
    for order in orders:
        found = fit(theirs, pixels, order)
        placed = with_grey(pixels)[:, list(order)]
        colours = Colours(order, trials.ours, placed.mean(axis=0), placed.std(axis=0))
        values = name_normalisation(found, trials.preprocess, colours, trials.floor)
        cost = values.cost + (not values.known) + (order != trials.ours)
        named.append((cost, replace(best, order=order), found, values))
    return min(named, key=lambda item: item[0])[1:]


def _same(task: _Task, residual: Residual, rows: list[Row], tried: int) -> Explanation:
    notes = [row.clause for row in rows if row.clause] + [row.note for row in rows if row.note]
    notes += _dtype_note(task)
    exact = task.tensor.dtype == task.ours.dtype and np.array_equal(task.tensor, task.ours)
    largest = float(np.abs(task.ours).max())
    return Explanation(
        "same",
        bool(exact),
        answers.same_sentence(task.subject, bool(exact), residual, largest, notes),
        answers.NOT_THE_INPUT,
        (),
        tuple(notes),
        tuple(replace(row, differs=False) for row in rows),
        residual,
        tried,
        task.row,
    )


def _ambiguous(task: _Task) -> Explanation:
    """For a picture of one colour, of which any pipeline makes much the same."""
    residual = _before(task)
    if residual.before_levels is not None and residual.before_levels <= LEVEL + SLACK:
        same = _same(task, residual, [], 0)
        told = " But the picture is of one colour, and shows no difference in size, crop or turn."
        return replace(same, sentence=same.sentence + told, next_step=answers.OTHER_PICTURE)
    shapes = ""
    if residual.before_levels is None:
        found, wanted = format_shape(task.tensor.shape), format_shape(task.ours.shape)
        shapes = f": it is [{found}] where the model takes [{wanted}]"
    sentence = (
        f"{task.subject} differs{shapes}, and this picture is of one colour, which cannot tell "
        "by what."
    )
    return Explanation(
        "ambiguous", False, sentence, answers.OTHER_PICTURE, (), (), (), residual, 0, task.row
    )


def _before(task: _Task) -> Residual:
    """The largest difference to our tensor, in its units and in levels."""
    if task.tensor.shape != task.ours.shape:
        return Residual(None, None, 0.0, 0.0, 0.0)
    apart = np.abs(task.tensor.astype(np.float64) - task.ours)
    level = np.abs(np.array(task.preprocess.std) / task.preprocess.scale)[:, None, None]
    return Residual(float((apart * level).max()), float(apart.max()), 0.0, 0.0, 0.0)


def _dtype_note(task: _Task) -> list[str]:
    dtype = task.tensor.dtype
    return [] if dtype == np.float32 else [f"{dtype} where the model takes float32"]


def _floor(tensor: Array) -> float:
    """Error in levels that a tensor's own precision makes, if it spans 255 levels."""
    if tensor.dtype.kind != "f":
        return _FLOOR
    values = tensor.astype(np.float64)
    span = float(np.ptp(values))
    unit = float(np.finfo(tensor.dtype).eps) * float(np.abs(values).max())
    return max(_FLOOR, 255 * unit / span) if span > 0 else _FLOOR
