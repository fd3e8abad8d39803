"""Models that amplify rounding: whether that explains a difference, and changes the answer."""

import math

from paddleport.validate.diagnose.difference_evidence import Evidence

# A sum of some thousand products is off by several times what one rounding of each of them
# explains, and two samples of a worst case may both miss it.
EXPLAINED = 10.0
"""Times what imitated rounding does."""
# The reference's own two computations are two samples of the real thing.
_EXPLAINED_SEEN = 4.0
_LARGEST_SEEN = 30.0  # times the imitated rounding: beyond it, its other kernels are at fault
_CHAOS = 0.1  # of the output's scale: rounding alone makes another answer
AS_EXACT = "as exact as Paddle"
"""What a backend is called that is above its limit because the model amplifies rounding."""


def is_ill_conditioned(evidence: Evidence) -> bool:
    """Whether the model itself amplifies rounding so far that nobody is to blame.

    Reference and backend are both as far from float64 as rounding explains, and the backend is
    no farther from it than the reference is. That says nothing where rounding alone makes another
    answer: of two such answers one may be near by chance.
    """
    ours, reference = evidence.from_float64, evidence.reference_from_float64
    explained = explained_error(evidence)
    if ours is None or reference is None or explained is None or evidence.narrow:
        return False
    as_exact = ours <= EXPLAINED * reference or _rounds_to_another_answer(evidence)
    return ours <= explained and reference <= explained and as_exact


def explained_error(evidence: Evidence) -> float | None:
    """The largest distance from float64 that rounding explains; ``None`` where it isn't known.

    What rounding explains is best seen where the reference computes its own program twice, with
    other kernels: a fault of the conversion is not in that, however small it is. Where those two
    are nearer to each other than the imitation says, it says too much, and less is explained.
    """
    if evidence.rounding is None:
        return None
    seen = _seen_rounding(evidence)
    if seen is None:
        return EXPLAINED * evidence.rounding
    if seen < evidence.rounding:
        return _EXPLAINED_SEEN * evidence.rounding
    return max(EXPLAINED * evidence.rounding, _EXPLAINED_SEEN * seen)


def is_beyond_rounding(evidence: Evidence, error: float | None) -> bool:
    """Whether an error is above the limit, and above what rounding explains of this model."""
    return error is not None and error > max(evidence.limit, explained_error(evidence) or 0.0)


def is_safe(evidence: Evidence) -> bool:
    """Whether an ill-conditioned model's answer stays the same all the same.

    Not where the errors are of the size of the answer, top-1 is another, or whole numbers are.
    """
    return bool(evidence.limit) and not evidence.top1_changes and not _is_chaotic(evidence)


def _is_chaotic(evidence: Evidence) -> bool:
    found = evidence.from_float64, evidence.reference_from_float64
    return _rounds_to_another_answer(evidence) or any(map(_is_another_answer, found))


def _rounds_to_another_answer(evidence: Evidence) -> bool:
    return any(map(_is_another_answer, (evidence.rounding, _seen_rounding(evidence))))


def _is_another_answer(error: float | None) -> bool:
    return error is not None and error > _CHAOS


def _seen_rounding(evidence: Evidence) -> float | None:
    """``observed_rounding``, unless those other kernels are at fault themselves."""
    seen, imitated = evidence.observed_rounding, evidence.rounding
    if seen is None or imitated is None or seen > _LARGEST_SEEN * imitated:
        return None
    return seen


def is_settled(rounding: float, error: float) -> bool:
    """Whether more samples of imitated rounding would change nothing.

    It explains the error whatever else is seen, and it is as clear whether it makes another
    answer: samples of one network seldom differ by ten times.
    """
    unclear = _CHAOS / 10 < rounding <= _CHAOS
    return error <= _EXPLAINED_SEEN * rounding and not unclear


def describe_amplification(evidence: Evidence) -> str:
    """In words, that nobody is to blame, and who is how far from float64."""
    if evidence.rounding == math.inf:
        return (
            "Nobody is to blame: values of the model leave the range of fp32, where float64 has "
            "numbers, and what comes of that is chance (native Paddle's softmax may hide it, since "
            "it makes equal probabilities of what is none). From float64 Paddle is "
            f"{number(evidence.reference_from_float64)} and {evidence.backend} "
            f"{number(evidence.from_float64)}."
        )
    seen = ""
    if evidence.observed_rounding is not None:
        seen = f" (with other kernels it is {number(evidence.observed_rounding)} from itself)"
    near = evidence.from_float64, evidence.reference_from_float64
    exact = None in near or near[0] <= EXPLAINED * near[1]  # type: ignore[operator]  # no None
    verdict = f"so it is {AS_EXACT}" if exact else "and one of them may be near by chance"
    return (
        f"Nobody is to blame: the model amplifies rounding. Paddle itself is "
        f"{number(evidence.reference_from_float64)} from float64{seen} and {evidence.backend} "
        f"{number(evidence.from_float64)}, {verdict}; fp32 rounding alone explains "
        f"about {number(evidence.rounding)}, so the limit of {evidence.limit:.0e} does not apply "
        "as it stands."
    )


def describe_ill_conditioned(evidence: Evidence) -> str:
    """As ``describe_amplification``, with whether the answer is safe, and what to do next."""
    start, ranking = describe_amplification(evidence), sentence(evidence.ranking)
    if _is_chaotic(evidence):
        return (
            f"{start} Rounding alone makes another answer, so no comparison can prove or "
            f"disprove the conversion.{ranking} "
            "Next: check the weights; trained networks are rarely like that."
        )
    if not is_safe(evidence):
        return (
            f"{start} It changes the answer, so nothing is proven.{ranking} Next: feed what has a "
            "clear answer (--images DIR or --feed), or judge it by accuracy on labelled data."
        )
    return f"{start}{ranking} Next: judge it by accuracy on labelled data."


def number(value: float | None) -> str:
    """An error in words."""
    if value is None:
        return "an unknown distance"
    return f"{value:.1e}" if math.isfinite(value) else "not comparable"


def sentence(text: str) -> str:
    """A sentence to follow another; empty for none."""
    return f" {text}" if text else ""
