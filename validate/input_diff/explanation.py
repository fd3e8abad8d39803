"""What an explanation of a tensor says: its values, for JSON, and its sentences."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from paddleport.validate.input_diff.normalisation_fit import ChannelFit

Verdict = Literal["same", "explained", "unexplained", "ambiguous"]

_SAME = 1e-5  # of the largest value: what float32 makes of one recipe written in two ways

AGAIN = "change that, save the tensor again and repeat this command"
NOT_THE_INPUT = "the input is not to blame: compare the models (paddleport validate MODEL)"
OTHER_PICTURE = "give a picture with detail, such as a photo"
CHECK_FILE = "check that the tensor was made of this file"
CHECK_TRAINING = (
    "check for steps that only training has (random crops, jitter) and for a resize by "
    "another library than OpenCV, Pillow, PyTorch or TensorFlow"
)


@dataclass(frozen=True, kw_only=True)
class PartComparison:
    """One part of the preprocessing, on both sides.

    Attributes:
        part: its name.
        ours, theirs: what is done.
        differs: whether that makes a difference.
        clause: the difference, for a sentence that begins with "Your tensor is"; empty where
            another row's clause says it.
        note: a difference that does not matter, likewise.
    """

    part: str
    ours: str
    theirs: str
    differs: bool = False
    clause: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Residual:
    """What is left between two tensors; levels are of 255, units are the tensor's.

    Attributes:
        before_levels, before_units: largest difference between their tensor and ours; ``None``
            where the shapes differ.
        after_levels, after_units: the same between their tensor and the pipeline found; ``None``
            where none was looked for.
        after_mean_levels: the mean of it.
    """

    before_levels: float | None = None
    before_units: float | None = None
    after_levels: float | None = None
    after_units: float | None = None
    after_mean_levels: float | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """How a tensor was made, compared with how the model is fed.

    Attributes:
        verdict: ``same``: no difference but rounding (at most 1 of 255 levels).
            ``explained``: what is done differently was found. ``unexplained``: no combination
            reproduces the tensor. ``ambiguous``: the picture has too little detail to tell.
        exact: bit for bit.
        sentence: the answer.
        next_step: what to do about it.
        parts: the parts of the preprocessing that differ; of the nearest pipeline where the
            verdict is ``unexplained``.
        notes: differences that do not matter.
        rows: every part, ours and theirs, likewise.
        residual: how far the tensors are apart.
        tried: how many combinations were tried.
        row: which picture of a batch was explained.
    """

    verdict: Verdict
    exact: bool = False
    sentence: str
    next_step: str
    parts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rows: tuple[PartComparison, ...] = ()
    residual: Residual
    tried: int = 0
    row: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"schema": 1, **asdict(self)}


def same_sentence(
    subject: str, exact: bool, residual: Residual, largest: float, notes: Sequence[str]
) -> str:
    """For a tensor that is ours up to rounding.

    Args:
        subject: what it is called.
        exact: bit for bit.
        residual: how far it is off.
        largest: of our tensor's values, by size.
        notes: differences that do not matter.
    """
    if exact:
        return f"{subject} is the same, bit for bit."
    units, levels = residual.before_units or 0.0, residual.before_levels or 0.0
    said = f"{subject} is the same up to rounding: no pixel is more than {levels:.2g} of 255 levels"
    if units <= _SAME * largest:
        said = f"{subject} is the same: no value is more than {units:.1e}"
    return f"{said} off{_not_mattering(notes)}."


def explained_sentence(subject: str, rows: Sequence[PartComparison], notes: Sequence[str]) -> str:
    """For a tensor whose differences were found."""
    clauses = [row.clause for row in rows if row.clause]
    if not clauses:  # its differences are each within rounding and together are not
        return f"{subject} differs by little more than rounding{_not_mattering(notes)}."
    return f"{subject} is {_listed(clauses)}{_not_mattering(notes)}."


def unexplained_sentence(subject: str, rows: Sequence[PartComparison], found: ChannelFit) -> str:
    """For a tensor that nothing reproduces.

    Args:
        subject: what it is called.
        rows: the nearest pipeline; none where that does not look like the tensor.
        found: how it fits.
    """
    off = f"off by {found.mean:.3g} of 255 levels on average and {found.worst:.3g} at most"
    asked = f"No combination reproduces {subject[0].lower()}{subject[1:]}"
    if not rows:
        return f"{asked}, and nothing in this picture looks like it: the nearest is {off}."
    clauses = [row.clause for row in rows if row.clause]
    nearest = _listed(clauses) if clauses else "made as the model is fed"
    return f"{asked}; the nearest is {nearest}, {off}."


def _listed(clauses: Sequence[str]) -> str:
    """``a, b, and c``."""
    if len(clauses) < 3:
        return " and ".join(clauses)
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _not_mattering(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return f"; {_listed(notes)} {'does' if len(notes) == 1 else 'do'} not matter"
