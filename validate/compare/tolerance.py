"""The one tolerance rule, and the limit of each precision with its source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """Element ``a`` matches reference ``b`` when ``|a - b| <= limit * (|b| + scale)``.

    ``scale`` is the root mean square of the reference output over all feeds that are no
    extremes, so the limit means the same for logits of 10 and for features of 1e-5.
    Probabilities (all within 0 and 1, some above 1e-3) and log-probabilities have a scale of at
    least 0.01: runtimes compute a sigmoid as 0.5 plus something, so its error is some units of
    2^-24 however small the probability is, and the logarithm of a float32 probability is no
    finer than that either. Integers and booleans must be equal.

    Attributes:
        limit: largest accepted error, in units of ``|b| + scale``.
        source: where the number comes from.
        precision: what is compared by it was asked to compute in; empty where that is open.
    """

    limit: float
    source: str
    precision: str = ""


# Fixed before any model was measured. u is the unit roundoff of the format; rounding errors of
# a network of some 100 layers add up to a few tens of u where nothing is ill-conditioned.
TOLERANCES = {
    "fp64": Tolerance(1e-4, "as fp32: the reference it is held against is fp32"),
    "fp32": Tolerance(1e-4, "about 1700 u, u = 2^-24", precision="fp32"),
    "fp16": Tolerance(1e-2, "about 20 u, u = 2^-11"),
    "bf16": Tolerance(5e-2, "about 13 u, u = 2^-8"),
    "int8": Tolerance(2e-1, "about 13 u, u = 2^-6: half of 1/127 of a range of 4 rms"),
}

# Half the distance from 1 to the next number: the largest relative error of one rounding.
# int8 rounds in steps of its tensor's range; set against the root mean square, as the rule does.
UNIT_ROUNDOFF = {
    "fp64": 2.0**-53,
    "fp32": 2.0**-24,
    "fp16": 2.0**-11,
    "bf16": 2.0**-8,
    "int8": 2.0**-6,
}
