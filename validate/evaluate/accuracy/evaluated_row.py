"""What is reported of one backend; plain values throughout."""

from dataclasses import dataclass, field
from typing import Literal

from paddleport.validate.evaluate.counts.calibration import CalibrationBin
from paddleport.validate.evaluate.counts.changed_pictures import ChangedPicture

EvaluationVerdict = Literal["passed", "lower", "unproven"]
EvaluatedVerdict = Literal["reference", "passed", "lower", "unproven", "failed"]


@dataclass(frozen=True, kw_only=True)
class CountedShare:
    """A share of pictures with Wilson's 95 % interval.

    Attributes:
        right: pictures that count.
        count: of so many.
        share: 0 to 1; 0 where nothing was counted.
        low, high: the interval's ends.
    """

    right: int
    count: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class AnswerChanges:
    """How a backend's answers differ from native Paddle's to the same pictures.

    Attributes:
        lost: pictures that only Paddle answers right.
        gained: pictures that only the backend does.
        other: pictures that both answer wrong, each in its own way.
        drop: (lost - gained) by all pictures, a share; below 0 where the backend is better.
        drop_low, drop_high: Tango's 95 % interval of it.
        at_least, at_most: his one-sided 95 % limits, which the verdict goes by.
        mcnemar: the exact two-sided p-value of no difference.
    """

    lost: int
    gained: int
    other: int
    drop: float
    drop_low: float
    drop_high: float
    at_least: float
    at_most: float
    mcnemar: float


@dataclass(frozen=True, kw_only=True)
class ClassAnswer:
    """A wrong answer to a class's pictures, and how many got it."""

    answer: int
    count: int


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """One class's pictures.

    Attributes:
        label: the class.
        count: its pictures.
        right: those answered right.
        reference_right: those that native Paddle answers right; ``None`` without it.
        answers: the commonest wrong answers.
    """

    label: int
    count: int
    right: int
    reference_right: int | None
    answers: tuple[ClassAnswer, ...]


@dataclass(frozen=True, kw_only=True)
class ConfusedPair:
    """A class and the wrong answer that its pictures got.

    Attributes:
        label: the true class.
        answer: given instead.
        count: how often; at least, for models with thousands of classes.
        reference_count: how often by native Paddle; ``None`` without it.
    """

    label: int
    answer: int
    count: int
    reference_count: int | None


@dataclass(frozen=True, kw_only=True)
class EvaluatedRow:
    """One backend.

    Attributes:
        name: the row's name.
        backend: what ran.
        precision: read back from the runtime.
        version: of the runtime.
        verdict: ``lower`` where its accuracy is lower than native Paddle's by more than is let
            pass, beyond chance.
        reason: one sentence on why; empty for the reference.
        top1: pictures whose likeliest class is the true one.
        topk: pictures with the true one among the first k; ``None`` where k is 1.
        loss: mean cross entropy of the true class in nats; ``None`` for scores that are no
            probabilities of one class among all.
        calibration_error: expected, from 15 bins, likewise.
        calibration: these bins.
        changes: against native Paddle; ``None`` without it, and where either failed.
        not_finite: pictures without an answer, as their scores are not finite; they count as wrong.
        not_finite_listed: the first of them.
        pictures_needed: how many would tell, where there are too few.
        pictures_per_second: through preprocessing and inference.
        worst_classes: those that are answered right most seldom.
        confused_pairs: the commonest wrong answers.
        changed_pictures: the most telling ones.
        notes: what else there is to know.
    """

    name: str
    backend: str
    precision: str
    version: str
    verdict: EvaluatedVerdict
    reason: str
    top1: CountedShare
    topk: CountedShare | None
    loss: float | None
    calibration_error: float | None
    calibration: tuple[CalibrationBin, ...]
    changes: AnswerChanges | None
    not_finite: int
    not_finite_listed: tuple[str, ...]
    pictures_needed: int | None
    pictures_per_second: float | None
    worst_classes: tuple[ClassFigures, ...]
    confused_pairs: tuple[ConfusedPair, ...]
    changed_pictures: tuple[ChangedPicture, ...]
    notes: tuple[str, ...] = field(default=())
