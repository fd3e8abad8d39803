"""What an explanation of a tensor says: frozen values, for people and for JSON."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["same", "explained", "unexplained", "ambiguous"]


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
