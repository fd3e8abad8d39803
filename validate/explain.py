"""A user's own preprocessed tensor against ours: what they do differently, in one sentence."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleport.errors import UsageError
from paddleport.models.card import Preprocess
from paddleport.runners.preprocess import decode_image, preprocess_image
from paddleport.tensors import Array
from paddleport.validate.preprocessing.alignment import best_offset, luminance
from paddleport.validate.preprocessing.geometry import our_resize
from paddleport.validate.preprocessing.kernels import Kernel, resample
from paddleport.validate.preprocessing.layouts import Layout, check_tensor, layouts
from paddleport.validate.preprocessing.matching import Fit, fit, with_grey
from paddleport.validate.preprocessing.normalisation import name_normalisation
from paddleport.validate.preprocessing.placement import Trials
from paddleport.validate.preprocessing.search import search
from paddleport.validate.preprocessing.words import LEVEL, Row, describe

_SAME = 1e-5  # of the largest value: what float32 makes of one recipe written in two ways
_ROUNDING = 1e-4  # levels, of float32: 1 level and this is still 1 level
_UNLIKE = 0.5  # share of the variance: a tensor that shares less does not show the picture


@dataclass(frozen=True)
class Residual:
    """What is left between two tensors; levels are of 255, units are the tensor's.

    Attributes:
        before_levels, before_units: largest difference between their tensor and ours; ``None``
            where the shapes differ.
        after_levels, after_units: the same between their tensor and the pipeline found.
        after_mean_levels: the mean of it.
    """

    before_levels: float | None
    before_units: float | None
    after_levels: float
    after_units: float
    after_mean_levels: float


@dataclass(frozen=True)
class Explanation:
    """How a tensor was made, compared with how the model is fed.

    Attributes:
        same: no difference but rounding (at most 1 of 255 levels).
        exact: bit for bit.
        sentence: the answer.
        differences: what they do differently, in plain words.
        parts: the part of the preprocessing that each difference is in.
        notes: differences that do not matter.
        rows: every part, ours and theirs; of the nearest pipeline where none reproduces it.
        found: their pipeline in words; ``None`` if nothing reproduces the tensor.
        residual: how far the tensors are apart.
        tried: how many combinations were tried.
        row: which picture of a batch was explained.
    """

    same: bool
    exact: bool
    sentence: str
    differences: tuple[str, ...]
    parts: tuple[str, ...]
    notes: tuple[str, ...]
    rows: tuple[Row, ...]
    found: str | None
    residual: Residual
    tried: int
    row: int = 0


def explain_input(
    picture: Path | Array,
    tensor: Array,
    preprocess: Preprocess,
    *,
    progress: Callable[[str, float], None] | None = None,
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
    readings = layouts(tensor)
    row = _row_of(pixels, readings, preprocess)
    chosen = [(layout, layout.pictures[row]) for layout in readings]
    single = tensor if tensor.ndim == 3 else tensor[row]
    trials = search(pixels, chosen, preprocess, floor=_floor(single), progress=progress)
    return _explained(trials, single, ours, preprocess, row)


def _explained(
    trials: Trials, tensor: Array, ours: Array, preprocess: Preprocess, row: int
) -> Explanation:
    best = trials.best
    if best is None:  # a tensor larger than any picture that is made
        raise UsageError(
            "no rule makes a tensor of this size from this picture: give the picture it was made of"
        )
    theirs, pixels = trials.regions(best)
    found = fit(theirs, pixels, best.order)
    placed = with_grey(pixels)[:, list(best.order)]
    values = name_normalisation(
        found, preprocess, best.order, trials.ours, (placed.mean(axis=0), placed.std(axis=0))
    )
    rows = describe(trials, best, found, values, preprocess)
    units, levels = _before(tensor, ours, preprocess)
    reproduced = found.worst <= LEVEL + _ROUNDING
    same = levels is not None and levels <= LEVEL + _ROUNDING
    differing = [item for item in rows if item.difference]
    notes = [item.note for item in rows if item.note]
    if same:
        notes = [item.difference for item in differing] + notes
        differing = []
    if tensor.dtype != np.float32:
        notes.append(f"{tensor.dtype} where the model takes float32")
    exact = same and tensor.dtype == ours.dtype and bool(np.array_equal(tensor, ours))
    differences = tuple(item.difference for item in differing)
    residual = Residual(levels, units, found.worst, found.worst_in_units, found.mean)
    if same:
        sentence = _same_sentence(exact, residual, float(np.abs(ours).max()), notes)
    elif reproduced:
        sentence = _sentence(differences, notes)
    else:
        sentence = _nothing(found, differences, best.error, placed)
    described = "; ".join(f"{item.part}: {item.theirs}" for item in rows)
    return Explanation(
        same,
        exact,
        sentence,
        differences,
        tuple(item.part for item in differing),
        tuple(notes),
        tuple(rows),
        described if reproduced else None,
        residual,
        trials.count,
        row,
    )


def _before(
    tensor: Array, ours: Array, preprocess: Preprocess
) -> tuple[float | None, float | None]:
    """The largest difference to our tensor: in its units, and in levels."""
    if tensor.shape != ours.shape:
        return None, None
    apart = np.abs(tensor.astype(np.float64) - ours)
    level = np.abs(np.array(preprocess.std) / preprocess.scale)[:, None, None]
    return float(apart.max()), float((apart * level).max())


def _same_sentence(exact: bool, residual: Residual, largest: float, notes: list[str]) -> str:
    if exact:
        return "Your tensor is the same, bit for bit."
    units, levels = residual.before_units or 0.0, residual.before_levels or 0.0
    if units <= _SAME * largest:
        said = f"Your tensor is the same: no value is more than {units:.1e} off"
    else:
        said = (
            f"Your tensor is the same up to rounding: no pixel is more than {levels:.2g} of 255 "
            "levels off"
        )
    return f"{said}{_doesnt_matter(notes)}."


def _sentence(differences: tuple[str, ...], notes: list[str]) -> str:
    if not differences:  # its differences are each within rounding and together are not
        return f"Your tensor differs by little more than rounding{_doesnt_matter(notes)}."
    return f"Your tensor is {_listed(differences)}{_doesnt_matter(notes)}."


def _nothing(found: Fit, differences: tuple[str, ...], error: float, pixels: Array) -> str:
    spread = float(np.sqrt(np.mean(pixels.var(axis=0))))
    shared = 1 - (error / spread) ** 2 if spread else 0.0
    off = f"off by {found.mean:.3g} of 255 levels on average and {found.worst:.3g} at most"
    if shared < _UNLIKE:
        return (
            f"No combination reproduces your tensor, and it does not look like this picture: "
            f"the nearest is {off}. Next: check that it was made of this file."
        )
    nearest = _listed(differences) if differences else "made as the model is fed"
    return f"No combination reproduces your tensor; nearest: {nearest}, {off}."


def _listed(clauses: tuple[str, ...]) -> str:
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _doesnt_matter(notes: list[str]) -> str:
    if not notes:
        return ""
    return f"; {', '.join(notes)} {'does not' if len(notes) == 1 else 'do not'} matter"


def _floor(tensor: Array) -> float:
    """Error in levels that a tensor's own precision makes, if it spans 255 levels."""
    floor = 1e-3
    if tensor.dtype.kind == "f":
        values = tensor.astype(np.float64)
        span = float(np.ptp(values))
        if span > 0:
            unit = float(np.finfo(tensor.dtype).eps) * float(np.abs(values).max()) / span
            floor = max(floor, 0.5 * 255 * unit)
    return floor


def _row_of(picture: Array, readings: list[Layout], preprocess: Preprocess) -> int:
    """The first row of a batch that shows the picture as well as any does."""
    count = len(readings[0].pictures)
    if count == 1:
        return 0
    likeness = []
    size = our_resize(picture.shape[:2], preprocess).size
    whole = luminance(resample(picture, size, Kernel("OpenCV", "area")))
    for row in range(count):
        scores = [0.0]
        for layout in readings:
            part = luminance(layout.pictures[row])
            if all(have >= want for have, want in zip(whole.shape, part.shape, strict=True)):
                scores.append(best_offset(whole, part)[0])
        likeness.append(max(scores))
    return next(row for row, score in enumerate(likeness) if score >= 0.98 * max(likeness))
