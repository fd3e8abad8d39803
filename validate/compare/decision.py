"""The decision on one output: whether it agrees, and whether agreement could mean anything."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.compare.error_scale import (
    ErrorScale,
    choose_error_scale,
    structural_difference,
)
from paddleport.validate.compare.input_dependence import values_vary, whole_numbers_vary

if TYPE_CHECKING:
    from paddleport.validate.compare.comparison import FeedName, Verdict

_SMALLEST_SCALE = 1e-30  # float32 loses precision below 1.2e-38


def errors_of(
    reference: Sequence[Array], candidate: Sequence[Array], error_scale: ErrorScale
) -> list[float]:
    """The error of a candidate's tensors, one per feed."""
    pairs = zip(candidate, reference, strict=True)
    return [error_scale.error(one, other) for one, other in pairs]


def decide(
    reference: list[Array],
    candidate: list[Array],
    errors: Sequence[float],
    error_scale: ErrorScale,
    limit: float,
    feeds: Sequence["FeedName"],
) -> tuple["Verdict", str]:
    """The verdict on one output, and why it is not ``agrees``.

    What cannot be compared comes first, then values, then whether they prove anything: an output
    that is empty, not finite or the same for every feed does not.

    Args:
        reference: one tensor per feed.
        candidate: likewise.
        errors: of the candidate, likewise.
        error_scale: the output's.
        limit: of the tolerance.
        feeds: what was fed.
    """
    whole = error_scale.measure == "equality"
    is_blank = not whole and not any(np.isfinite(tensor).any() for tensor in reference)
    for ours, theirs, feed in zip(reference, candidate, feeds, strict=True):
        reason = structural_difference(ours, theirs, any_number=is_blank)
        if reason:
            return "differs", f"{feed.name}: {reason}"
    total = sum(tensor.size for tensor in reference)
    if not total:
        return "unproven", "the output is empty for every feed: nothing is proven"
    if whole:
        unequal = int(sum(errors))
        if unequal:
            return "differs", f"{unequal} of {total} values are not equal"
        if not whole_numbers_vary(reference, [feed.batch for feed in feeds]):
            return "unproven", "the output does not change with the input: alone it proves nothing"
        return "agrees", ""
    if is_blank:
        return "unproven", "no value of the reference is finite: nothing is proven"
    if max(errors) > limit:
        return "differs", f"error {max(errors):.2g} above the limit"
    if error_scale.scale < _SMALLEST_SCALE:
        return "unproven", "the output is zero or has no scale: nothing is proven"
    if not values_vary(reference, error_scale, limit):
        return "unproven", "the output hardly changes with the input: nothing is proven"
    return "agrees", ""


def is_accepted(
    reference: list[Array],
    candidate: list[Array],
    limit: float,
    feeds: Sequence["FeedName"],
    typical: Sequence[int],
) -> bool:
    """Whether a candidate would not be called another; for references that were disturbed.

    Args:
        reference: one tensor per feed.
        candidate: the disturbed ones.
        limit: of the tolerance.
        feeds: what was fed.
        typical: the feeds that the scale is taken from.
    """
    error_scale = choose_error_scale(reference, candidate, typical)
    errors = errors_of(reference, candidate, error_scale)
    return decide(reference, candidate, errors, error_scale, limit, feeds)[0] != "differs"
