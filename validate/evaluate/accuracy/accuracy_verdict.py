"""Whether an accuracy is lower by more than is let pass, beyond what chance explains.

Two one-sided tests at 5 %: ``lower`` where the drop's lower limit is above what is let pass,
``passed`` where its upper limit is below, and else there are too few pictures to tell.
"""

import math
from dataclasses import dataclass

from paddleport.validate.evaluate.accuracy.evaluated_row import AnswerChanges, EvaluationVerdict
from paddleport.validate.evaluate.accuracy.proportions import (
    Z_ONE_SIDED,
    Z_POWER,
    mcnemar,
    pictures_needed,
    tango_interval,
    wilson_interval,
)

NOISE = 0.05  # a p-value above is called noise
_UNREACHABLE = 10_000_000  # pictures


@dataclass(frozen=True, kw_only=True)
class AccuracyVerdict:
    """What a test says.

    Attributes:
        verdict: as ``EvaluationReport`` has it.
        reason: a sentence with the numbers.
        needed: pictures that would tell, where these are too few and a number is known.
    """

    verdict: EvaluationVerdict
    reason: str
    needed: int | None = None


def answer_changes(lost: int, gained: int, other: int, count: int) -> AnswerChanges:
    """Counts of changed answers to ``count`` pictures with what follows from them."""
    low, high = tango_interval(lost, gained, count)
    at_least, at_most = tango_interval(lost, gained, count, Z_ONE_SIDED)
    return AnswerChanges(
        lost=lost,
        gained=gained,
        other=other,
        drop=(lost - gained) / max(count, 1),
        drop_low=low,
        drop_high=high,
        at_least=at_least,
        at_most=at_most,
        mcnemar=mcnemar(lost, gained),
    )


def judge_drop(changes: AnswerChanges, count: int, max_drop: float) -> AccuracyVerdict:
    """Hold a paired drop against what is let pass."""
    found, allowed = drop_text(changes), f"{points(max_drop)} allowed"
    if changes.at_least > max_drop:
        return AccuracyVerdict(
            verdict="lower",
            reason=f"{found}: beyond the {allowed}, by more than chance explains",
        )
    if changes.at_most < max_drop:
        return AccuracyVerdict(verdict="passed", reason=f"{found}: within the {allowed}")
    needed = pictures_needed(changes.lost, changes.gained, count, max_drop)
    return _too_few(found, count, needed, max_drop)


def judge_against_published(
    right: int, count: int, published: float, max_drop: float
) -> AccuracyVerdict:
    """Hold an accuracy against a published one, where native Paddle isn't there to compare."""
    limit = min(max(published - max_drop, 1e-9), 1 - 1e-9)
    low, high = wilson_interval(right, count, Z_ONE_SIDED)
    drop = published - right / count
    word = "lower" if drop > 0 else "higher"
    found = f"{points(abs(drop))} {word} than the published {published:.1%}"
    if high < limit:
        reason = f"{found}: beyond the {points(max_drop)} allowed, by more than chance explains"
        return AccuracyVerdict(verdict="lower", reason=reason)
    if low > limit:
        reason = f"{found}: within the {points(max_drop)} allowed"
        return AccuracyVerdict(verdict="passed", reason=reason)
    score = (right - count * limit) / math.sqrt(count * limit * (1 - limit))
    far = abs(score) > 1e-3
    needed = math.ceil(count * ((Z_ONE_SIDED + Z_POWER) / score) ** 2) if far else None
    return _too_few(found, count, needed, max_drop)


def drop_text(changes: AnswerChanges) -> str:
    """The drop with its interval, and whether it is noise."""
    if not changes.lost and not changes.gained:
        return f"right on the same pictures as Paddle (at most {points(changes.at_most)} lower)"
    word = "lower" if changes.drop > 0 else "higher"
    low, high = 100 * changes.drop_low, 100 * changes.drop_high
    by = points(abs(changes.drop)) + f" {word}" if changes.drop else "as accurate"
    chance = "noise" if changes.mcnemar > NOISE else "no noise"
    return f"{by} (drop of {low:.2f} to {high:.2f}, McNemar p {p_value(changes.mcnemar)}: {chance})"


def points(share: float) -> str:
    """A difference of shares in percentage points."""
    text = f"{100 * share:.2f}".rstrip("0").rstrip(".")
    return f"{text} point{'' if text == '1' else 's'}"


def p_value(value: float) -> str:
    """Two digits; what is too small for anybody to care is a bound."""
    return f"{value:.2g}" if value >= 1e-6 else "< 1e-06"


def _too_few(found: str, count: int, needed: int | None, max_drop: float) -> AccuracyVerdict:
    if needed is None or needed > _UNREACHABLE:
        rest = f"so near the {points(max_drop)} allowed that no number of pictures would tell"
        return AccuracyVerdict(
            verdict="unproven", reason=f"{found}: {rest}; choose another --max-drop"
        )
    needed = max(needed, count + 1)
    return AccuracyVerdict(
        verdict="unproven",
        reason=(
            f"{found}: {count:,} pictures are too few to tell whether that is more than the "
            f"{points(max_drop)} allowed; about {needed:,} would do"
        ),
        needed=needed,
    )
