"""When two outputs are the same: one tolerance rule, one comparison, one verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array, format_shape

Verdict = Literal["agrees", "differs", "unproven"]
_SOFTMAX_SUM_ERROR = 1e-3
_PROBABILITY_SCALE = 0.01  # times the fp32 limit: 1e-6, which is 17 units of 2^-24
_LIKELY = 1e-3
_SMALLEST_PROBABILITY = 1e-30  # float32 keeps full precision down to 1.2e-38


@dataclass(frozen=True)
class Tolerance:
    """Element ``a`` matches reference ``b`` when ``|a - b| <= limit * (|b| + scale)``.

    ``scale`` is the root mean square of the reference output, so the limit means the same for
    logits of 10 and for features of 1e-5. Probabilities (all within 0 and 1, some above 1e-3)
    have a scale of at least 0.01: runtimes compute a sigmoid as 0.5 plus something, so its
    error is some units of 2^-24 however small the probability is. Integers and booleans must be
    equal.

    Attributes:
        limit: largest accepted error, in units of ``|b| + scale``.
        source: where the number comes from.
    """

    limit: float
    source: str


# Fixed before any model was measured. u is the unit roundoff of the format; rounding errors of
# a network of some 100 layers add up to a few tens of u where nothing is ill-conditioned.
TOLERANCES = {
    "fp64": Tolerance(1e-4, "as fp32: the reference it is held against is fp32"),
    "fp32": Tolerance(1e-4, "about 1700 u, u = 2^-24"),
    "fp16": Tolerance(1e-2, "about 20 u, u = 2^-11"),
    "bf16": Tolerance(5e-2, "about 13 u, u = 2^-8"),
}


@dataclass(frozen=True)
class OutputComparison:
    """One output of one backend against the reference, over all feeds.

    Attributes:
        output: the output's name in the candidate.
        verdict: ``unproven`` when the reference output does not depend on the feeds enough
            for agreement to mean anything.
        reason: why it is not ``agrees``; empty when it is.
        worst_error: largest error over all elements in the tolerance's unit; ``None`` where
            shapes, types or non-finite values made values incomparable.
        limit: the tolerance's limit.
        measure: ``values``, ``log-probabilities`` or ``equality``.
        top1_agreeing: feeds rows whose largest class is the same; ``None`` for no classifier.
        top1_total: rows compared.
    """

    output: str
    verdict: Verdict
    reason: str
    worst_error: float | None
    limit: float
    measure: Literal["values", "log-probabilities", "equality"]
    top1_agreeing: int | None
    top1_total: int | None


def compare_outputs(
    reference: Sequence[Mapping[str, Array]],
    candidate: Sequence[Mapping[str, Array]],
    tolerance: Tolerance,
) -> list[OutputComparison]:
    """Compare a candidate's outputs with the reference's, one row an output.

    Args:
        reference: one mapping a feed, output name to tensor.
        candidate: the same feeds' outputs of the candidate. Outputs are matched by name where
            all names are the same, else by position, since Paddle's names do not survive
            conversion.
        tolerance: the rule for floating-point outputs.

    Returns:
        One comparison an output of the reference, in its order, and one for a differing count.
    """
    reference_names, candidate_names = list(reference[0]), list(candidate[0])
    if len(reference_names) != len(candidate_names):
        reason = f"{len(candidate_names)} outputs, the reference has {len(reference_names)}"
        return [_incomparable("(all)", reason, tolerance)]
    same_names = set(reference_names) == set(candidate_names)
    pairs = zip(reference_names, reference_names if same_names else candidate_names, strict=True)
    return [
        _compare_output(
            theirs,
            [outputs[ours] for outputs in reference],
            [outputs[theirs] for outputs in candidate],
            tolerance,
        )
        for ours, theirs in pairs
    ]


def overall(comparisons: Sequence[OutputComparison]) -> Verdict:
    """The verdict over several outputs: the worst of them."""
    verdicts = {comparison.verdict for comparison in comparisons}
    if "differs" in verdicts:
        return "differs"
    return "agrees" if verdicts == {"agrees"} else "unproven"


def _compare_output(
    name: str, reference: list[Array], candidate: list[Array], tolerance: Tolerance
) -> OutputComparison:
    for index, (wanted, found) in enumerate(zip(reference, candidate, strict=True)):
        reason = _structural_difference(wanted, found)
        if reason:
            return _incomparable(name, f"feed {index}: {reason}", tolerance)
    if not all(np.issubdtype(tensor.dtype, np.floating) for tensor in reference):
        return _compare_exactly(name, reference, candidate, tolerance)
    agreeing, total = _top1(reference, candidate)
    wanted64 = [tensor.astype(np.float64) for tensor in reference]
    found64 = [tensor.astype(np.float64) for tensor in candidate]
    measure: Literal["values", "log-probabilities"] = "values"
    if all(_is_softmax(tensor) for tensor in wanted64) and all(
        _is_softmax(tensor) for tensor in found64
    ):
        measure = "log-probabilities"
        wanted64 = [_centred_log(tensor) for tensor in wanted64]
        found64 = [_centred_log(tensor) for tensor in found64]
    scale = _scale(wanted64)
    worst = max(
        _worst_error(wanted, found, scale) for wanted, found in zip(wanted64, found64, strict=True)
    )
    verdict: Verdict = "agrees" if worst <= tolerance.limit else "differs"
    reason = "" if verdict == "agrees" else f"error {worst:.2g} above the limit"
    if verdict == "agrees" and not _varies(wanted64, scale, tolerance):
        verdict, reason = "unproven", "the output hardly changes with the input: nothing is proven"
    return OutputComparison(name, verdict, reason, worst, tolerance.limit, measure, agreeing, total)


def _structural_difference(wanted: Array, found: Array) -> str:
    if wanted.shape != found.shape:
        return (
            f"shape [{format_shape(found.shape)}], the reference has [{format_shape(wanted.shape)}]"
        )
    both_float = np.issubdtype(wanted.dtype, np.floating) and np.issubdtype(
        found.dtype, np.floating
    )
    if wanted.dtype != found.dtype and not both_float:
        return f"type {found.dtype}, the reference has {wanted.dtype}"
    if both_float:
        # NaN and infinities must stand in the same places with the same sign.
        wanted_bad, found_bad = ~np.isfinite(wanted), ~np.isfinite(found)
        if not np.array_equal(wanted_bad, found_bad) or not np.array_equal(
            wanted[wanted_bad], found[found_bad].astype(wanted.dtype), equal_nan=True
        ):
            return (
                f"{int(found_bad.sum())} values are not finite, "
                f"the reference has {int(wanted_bad.sum())}"
            )
        if wanted_bad.all() and wanted.size:
            return "no value of the reference is finite"
    return ""


def _compare_exactly(
    name: str, reference: list[Array], candidate: list[Array], tolerance: Tolerance
) -> OutputComparison:
    unequal = sum(
        int((wanted != found).sum()) for wanted, found in zip(reference, candidate, strict=True)
    )
    total = sum(tensor.size for tensor in reference)
    constant = len({(tensor.shape, tensor.tobytes()) for tensor in reference}) == 1
    verdict: Verdict = "differs" if unequal else "unproven" if constant else "agrees"
    reason = f"{unequal} of {total} values are not equal" if unequal else ""
    if verdict == "unproven":
        reason = "the output does not change with the input: nothing is proven"
    return OutputComparison(name, verdict, reason, float(unequal), 0.0, "equality", None, None)


def _incomparable(name: str, reason: str, tolerance: Tolerance) -> OutputComparison:
    return OutputComparison(name, "differs", reason, None, tolerance.limit, "values", None, None)


def _worst_error(wanted: NDArray[np.float64], found: NDArray[np.float64], scale: float) -> float:
    finite = np.isfinite(wanted)
    difference = np.abs(found[finite] - wanted[finite])
    if not difference.size or not difference.any():
        return 0.0
    unit = np.abs(wanted[finite]) + scale
    return float(np.max(difference / unit))


def _scale(tensors: Sequence[NDArray[np.float64]]) -> float:
    """The ``scale`` of ``Tolerance``."""
    finite = np.concatenate([tensor[np.isfinite(tensor)].ravel() for tensor in tensors])
    if not finite.size:
        return 0.0
    root_mean_square = float(np.sqrt(np.mean(finite**2)))
    if finite.min() >= 0 and _LIKELY < finite.max() <= 1:
        return max(root_mean_square, _PROBABILITY_SCALE)
    return root_mean_square


def _varies(tensors: Sequence[NDArray[np.float64]], scale: float, tolerance: Tolerance) -> bool:
    """Whether the reference moves with its input by much more than the limit would let pass."""
    if any(tensor.shape != tensors[0].shape for tensor in tensors):
        return True
    rows = [row for tensor in tensors for row in (tensor if tensor.ndim > 1 else tensor[None])]
    if len(rows) < 2:
        return scale > 0 and float(np.nanstd(rows[0])) > 10 * tolerance.limit * scale
    finite = np.isfinite(rows[0])
    if any(not np.array_equal(np.isfinite(row), finite) for row in rows[1:]):
        return True
    spread = max(_worst_error(rows[0], row, scale) for row in rows[1:])
    return spread > 10 * tolerance.limit


def _is_softmax(tensor: NDArray[np.float64]) -> bool:
    return bool(
        tensor.ndim >= 2
        and tensor.shape[-1] > 1
        and np.isfinite(tensor).all()
        and (tensor >= 0).all()
        and (np.abs(tensor.sum(axis=-1) - 1) < _SOFTMAX_SUM_ERROR).all()
    )


def _centred_log(tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities are logits up to a constant a row; centred, they are comparable."""
    logits = np.log(np.maximum(tensor, _SMALLEST_PROBABILITY))
    centred: NDArray[np.float64] = logits - logits.mean(axis=-1, keepdims=True)
    return centred


def _top1(reference: list[Array], candidate: list[Array]) -> tuple[int | None, int | None]:
    if reference[0].ndim != 2 or reference[0].shape[-1] < 2:
        return None, None
    wanted = np.concatenate([tensor.argmax(axis=-1) for tensor in reference])
    found = np.concatenate([tensor.argmax(axis=-1) for tensor in candidate])
    return int((wanted == found).sum()), int(wanted.size)
