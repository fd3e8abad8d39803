"""From what was found to the explanation that is given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array, format_shape
from paddleport.validate.input_diff import answers
from paddleport.validate.input_diff.explanation import Explanation, Residual, Row, Verdict
from paddleport.validate.input_diff.naming import likeliest
from paddleport.validate.input_diff.placement import Placement
from paddleport.validate.input_diff.search import LIKE
from paddleport.validate.input_diff.trials import Trials
from paddleport.validate.input_diff.value_words import describe_values
from paddleport.validate.input_diff.words import LEVEL, SLACK, describe_pixels

_ROUNDED = 0.05  # levels that fitting a line through rounded pixels adds to the 1 of rounding


@dataclass(frozen=True)
class Task:
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


def explained(task: Task, trials: Trials, best: Placement) -> Explanation:
    """By the best placement of a search."""
    theirs, pixels = trials.regions(best)
    _, found, values = likeliest(
        theirs, pixels, [best.match.order], trials.ours, task.preprocess, floor=trials.floor
    )
    rows = [*describe_pixels(trials, best, found), *describe_values(values, task.preprocess)]
    residual = replace(
        _before(task),
        after_levels=found.worst,
        after_units=found.worst_in_units,
        after_mean_levels=found.mean,
    )
    if _is_same(residual):
        return _same(task, residual, rows, trials.count)
    notes = [*(row.note for row in rows if row.note), *_dtype_note(task)]
    verdict: Verdict = "explained"
    sentence, next_step = answers.explained_sentence(task.subject, rows, notes), answers.AGAIN
    like = best.match.likeness >= LIKE
    if found.worst > LEVEL + _ROUNDED or not like:
        verdict = "unexplained"
        rows, notes = (rows, notes) if like else ([], [])
        sentence = answers.unexplained_sentence(task.subject, rows, found)
        next_step = answers.CHECK_TRAINING if rows else answers.CHECK_FILE
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


def without_detail(task: Task) -> Explanation:
    """For a picture of one colour, of which any pipeline makes much the same."""
    residual = _before(task)
    if _is_same(residual):
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
    return _unfound(task, "ambiguous", sentence, answers.OTHER_PICTURE)


def of_one_colour(task: Task) -> Explanation:
    """For a tensor without detail."""
    sentence = f"{task.subject} is of one colour only, so it shows no picture."
    return _unfound(task, "unexplained", sentence, answers.CHECK_FILE)


def _unfound(task: Task, verdict: Verdict, sentence: str, next_step: str) -> Explanation:
    residual = _before(task)
    return Explanation(verdict, False, sentence, next_step, (), (), (), residual, 0, task.row)


def _same(task: Task, residual: Residual, rows: Sequence[Row], tried: int) -> Explanation:
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


def _before(task: Task) -> Residual:
    """The largest difference to our tensor, in its units and in levels."""
    if task.tensor.shape != task.ours.shape:
        return Residual(None, None)
    apart = np.abs(task.tensor.astype(np.float64) - task.ours)
    level = np.abs(np.array(task.preprocess.std) / task.preprocess.scale)[:, None, None]
    return Residual(float((apart * level).max()), float(apart.max()))


def _is_same(residual: Residual) -> bool:
    return residual.before_levels is not None and residual.before_levels <= LEVEL + SLACK


def _dtype_note(task: Task) -> list[str]:
    dtype = task.tensor.dtype
    return [] if dtype == np.float32 else [f"{dtype} where the model takes float32"]
