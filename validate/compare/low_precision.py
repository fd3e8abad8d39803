"""Whether an answer in fp32 was computed in fp16 or bf16: by its numbers, whatever it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paddleport.tensors import Array

LowerPrecision = Literal["", "fp16", "bf16"]

# A float32 is one of fp16's numbers by chance once in 2^13, of bf16's once in 2^16; eight that
# say nothing of each other never are.
_ENOUGH = 8
_BETWEEN = 1 / 16  # of a step: nearer to one of the format's numbers it may be that, but for fp32


@dataclass(frozen=True, kw_only=True)
class _Format:
    """A floating-point format: IEEE 754's binary16, or the upper half of a float32.

    Attributes:
        digits: of the significand, the leading one included.
        smallest: the exponent of the smallest step.
        largest: number.
    """

    digits: int
    smallest: int
    largest: float

    def steps(self, tensor: NDArray[np.float64]) -> NDArray[np.float64]:
        """Finite numbers in units of the format's step at each: whole where it has that number."""
        _, exponents = np.frexp(tensor)
        steps: NDArray[np.float64] = np.ldexp(
            tensor, -np.maximum(exponents - self.digits, self.smallest)
        )
        return steps

    def has(self, tensor: Array) -> bool:
        """Whether every finite number of a tensor is one of the format's."""
        finite = _finite(tensor)
        steps = self.steps(finite)
        return bool((np.abs(finite) <= self.largest).all() and (steps == np.rint(steps)).all())

    def telling(self, candidate: Array, reference: Array) -> NDArray[np.float64]:
        """The candidate's numbers where the reference's lies well between two of the format's."""
        ours, theirs = np.asarray(candidate, np.float64), np.asarray(reference, np.float64)
        counts = np.isfinite(ours) & np.isfinite(theirs) & (ours != 0)
        ours, steps = ours[counts], self.steps(theirs[counts])
        found: NDArray[np.float64] = ours[np.abs(steps - np.rint(steps)) > _BETWEEN]
        return found


# bf16 first: its numbers that are neither too large nor too small for fp16 are fp16's as well.
_FORMATS: dict[LowerPrecision, _Format] = {
    "bf16": _Format(digits=8, smallest=-133, largest=float(np.finfo(np.float32).max)),
    "fp16": _Format(digits=11, smallest=-24, largest=65504.0),
}


def fits_lower_precision(outputs: Sequence[Array], reference: Sequence[Array]) -> LowerPrecision:
    """``bf16`` or ``fp16`` if that is what an answer of float32 tensors was rounded to.

    Every value must be one of the format's numbers, while enough different ones of them stand
    where the reference has something well between two such numbers. So nothing is said of zeros,
    counts and whole numbers, of answers that are 0 or 1, of a few numbers, nor where the model
    itself rounds, since the reference is then rounded as well. Empty too for tensors that are
    fp16 by their type, which hides nothing.

    Args:
        outputs: one output of a backend that was to compute in fp32, a tensor per feed.
        reference: the same of the reference, of any float type.
    """
    pairs = list(zip(outputs, reference, strict=True))
    if not pairs or not all(_can_tell(one, other) for one, other in pairs):
        return ""
    for name, kind in _FORMATS.items():
        if not all(map(kind.has, outputs)):
            continue
        telling = [kind.telling(one, other) for one, other in pairs]
        if len(np.unique(np.concatenate(telling))) >= _ENOUGH:
            return name
    return ""


def _can_tell(candidate: Array, reference: Array) -> bool:
    single = candidate.dtype == np.float32 and reference.dtype.kind == "f"
    return single and candidate.shape == reference.shape


def _finite(tensor: Array) -> NDArray[np.float64]:
    exact: NDArray[np.float64] = np.asarray(tensor, np.float64)
    return exact[np.isfinite(exact)]
