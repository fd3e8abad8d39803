"""A user's own preprocessed tensor against ours: what they do differently, in one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paddleport.errors import UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.progress import Progress, no_progress
from paddleport.runners.preprocessing.prepare_image import decode_image, preprocess_image
from paddleport.tensors import Array, format_shape
from paddleport.validate.input_diff import explanation_wording as wording
from paddleport.validate.input_diff.explanation import (
    Explanation,
    PartComparison,
    Residual,
    Verdict,
)
from paddleport.validate.input_diff.normalisation_fit import likeliest_normalisation
from paddleport.validate.input_diff.placement import Placement, PlacementTrials
from paddleport.validate.input_diff.placement_search import LIKE, search_placement
from paddleport.validate.input_diff.tensor_axes import (
    Layout,
    check_tensor,
    find_row,
    possible_layouts,
    without_padding,
)

_FLAT = 2.0  # levels of standard deviation: a picture with less has too little detail to tell
_THINNED = 1024  # rows and columns of a picture that are looked at for that
_ONE = 1e-6  # of the largest value: a tensor that varies by less is of one colour
_FLOOR = 1e-3  # levels: what float32 leaves of a pipeline that is the same
_ROUNDED = 0.05  # levels that fitting a line through rounded pixels adds to the 1 of rounding


@dataclass(frozen=True, kw_only=True)
class ComparedTensor:
    """One picture's tensor, and what the model is fed instead.

    Attributes:
        tensor: theirs.
        ours: [3, H, W] float32.
        preprocess: the model's.
        subject: what their tensor is called in a sentence.
        row: which of a batch it is.
    """

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
    progress: Progress = no_progress,
) -> Explanation:
    """Find out how a tensor was made from a picture, and how that differs from ours.

    A combination reproduces the tensor if no pixel is more than 1 of 255 levels off.

    Args:
        picture: the file, or its pixels [H, W, 3] uint8 BGR.
        tensor: what somebody made of it, of any layout and real dtype; of a batch, the first
            row that shows the picture is explained.
        preprocess: how the model is fed.
        progress: called with what is going on and its share done.

    Raises:
        ImageError: a picture that cannot be read or preprocessed.
        FeedError: a tensor that cannot be a picture.
        UsageError: a preprocessing that makes nothing of a picture.
    """
    if preprocess.channel_num == 4:
        tensor, preprocess = without_padding(tensor), replace(preprocess, channel_num=3)
    check_tensor(tensor)
    if preprocess.scale == 0:
        raise UsageError("the model's preprocessing scales by 0, so every picture is the same")
    pixels = decode_image(picture) if isinstance(picture, Path) else picture
    name = str(picture) if isinstance(picture, Path) else "the picture"
    ours = preprocess_image(pixels, preprocess, name=name)
    batch = tensor if tensor.ndim == 4 else tensor[None]
    row = find_row(pixels, batch, preprocess, progress)
    subject = f"Row {row} of your batch" if len(batch) > 1 else "Your tensor"
    compared = ComparedTensor(
        tensor=batch[row], ours=ours, preprocess=preprocess, subject=subject, row=row
    )
    readings = possible_layouts(batch[row], batch=tensor.ndim == 4)
    if _detail(pixels) < _FLAT:
        return _explain_without_detail(compared)
    if any(_is_one_colour(layout) for layout in readings):
        return _explain_one_colour(compared)
    trials = search_placement(
        pixels, readings, preprocess, floor=_floor(batch[row]), progress=progress
    )
    if trials.best is None:
        raise UsageError(f"nothing makes a tensor of [{format_shape(tensor.shape)}] of {name}")
    return _explain_by_placement(compared, trials, trials.best)


def _explain_by_placement(
    compared: ComparedTensor, trials: PlacementTrials, best: Placement
) -> Explanation:
    """By the best placement of a search."""
    theirs, pixels = trials.regions(best)
    _, found, values = likeliest_normalisation(
        theirs, pixels, [best.match.order], trials.ours, compared.preprocess, floor=trials.floor
    )
    rows = wording.describe_pixels(trials, best, found)
    rows += wording.describe_values(values, compared.preprocess)
    residual = replace(
        _before(compared),
        after_levels=found.worst,
        after_units=found.worst_in_units,
        after_mean_levels=found.mean,
    )
    if _is_same(residual):
        return _same(compared, residual, rows, trials.count)
    notes = [*(row.note for row in rows if row.note), *_dtype_note(compared)]
    verdict: Verdict = "explained"
    sentence = wording.explained_sentence(compared.subject, rows, notes)
    next_step = wording.AGAIN
    like = best.match.likeness >= LIKE
    if found.worst > wording.LEVEL + _ROUNDED or not like:
        verdict = "unexplained"
        rows, notes = (rows, notes) if like else ([], [])
        sentence = wording.unexplained_sentence(compared.subject, rows, found)
        next_step = wording.CHECK_TRAINING if rows else wording.CHECK_FILE
    return Explanation(
        verdict=verdict,
        sentence=sentence,
        next_step=next_step,
        parts=tuple(row.part for row in rows if row.differs),
        notes=tuple(notes),
        rows=tuple(rows),
        residual=residual,
        tried=trials.count,
        row=compared.row,
    )


def _explain_without_detail(compared: ComparedTensor) -> Explanation:
    """For a picture of one colour, of which any pipeline makes much the same."""
    residual = _before(compared)
    if _is_same(residual):
        same = _same(compared, residual, [], 0)
        but = " But the picture is of one colour, and shows no difference in size, crop or turn."
        return replace(same, sentence=same.sentence + but, next_step=wording.OTHER_PICTURE)
    shapes = ""
    if residual.before_levels is None:
        found, wanted = format_shape(compared.tensor.shape), format_shape(compared.ours.shape)
        shapes = f": it is [{found}] where the model takes [{wanted}]"
    sentence = (
        f"{compared.subject} differs{shapes}, and this picture is of one colour, which cannot tell "
        "by what."
    )
    return _without_parts(compared, "ambiguous", sentence, wording.OTHER_PICTURE)


def _explain_one_colour(compared: ComparedTensor) -> Explanation:
    """For a tensor without detail."""
    sentence = f"{compared.subject} is of one colour only, so it shows no picture."
    return _without_parts(compared, "unexplained", sentence, wording.CHECK_FILE)


def _without_parts(
    compared: ComparedTensor, verdict: Verdict, sentence: str, next_step: str
) -> Explanation:
    return Explanation(
        verdict=verdict,
        sentence=sentence,
        next_step=next_step,
        residual=_before(compared),
        row=compared.row,
    )


def _same(
    compared: ComparedTensor, residual: Residual, rows: Sequence[PartComparison], tried: int
) -> Explanation:
    notes = [row.clause for row in rows if row.clause] + [row.note for row in rows if row.note]
    notes += _dtype_note(compared)
    tensor, ours = compared.tensor, compared.ours
    exact = bool(tensor.dtype == ours.dtype and np.array_equal(tensor, ours))
    largest = float(np.abs(ours).max())
    return Explanation(
        verdict="same",
        exact=exact,
        sentence=wording.same_sentence(compared.subject, exact, residual, largest, notes),
        next_step=wording.NOT_THE_INPUT,
        notes=tuple(notes),
        rows=tuple(replace(row, differs=False) for row in rows),
        residual=residual,
        tried=tried,
        row=compared.row,
    )


def _before(compared: ComparedTensor) -> Residual:
    """The largest difference to our tensor, in its units and in levels."""
    if compared.tensor.shape != compared.ours.shape:
        return Residual()
    apart = np.abs(compared.tensor.astype(np.float64) - compared.ours)
    level = np.abs(np.array(compared.preprocess.std) / compared.preprocess.scale)[:, None, None]
    return Residual(before_levels=float((apart * level).max()), before_units=float(apart.max()))


def _is_same(residual: Residual) -> bool:
    before = residual.before_levels
    return before is not None and before <= wording.LEVEL + wording.SLACK


def _dtype_note(compared: ComparedTensor) -> list[str]:
    dtype = compared.tensor.dtype
    return [] if dtype == np.float32 else [f"{dtype} where the model takes float32"]


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
