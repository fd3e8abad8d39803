"""An ill-conditioned output on several kinds of feeds, and the proof that it could have failed."""

import math
from collections.abc import Sequence
from dataclasses import replace

from paddleport.tensors import Array
from paddleport.validate.compare.sensitivity import Sensitivity, prove_sensitivity
from paddleport.validate.diagnose.amplified_rounding import explained_error, is_ill_conditioned
from paddleport.validate.diagnose.difference_evidence import Evidence
from paddleport.validate.diagnose.validation_outputs import ComparedOutput


def merged(parts: Sequence[Evidence]) -> Evidence | None:
    """What several kinds of feeds show, as one; ``None`` of none."""
    if not parts:
        return None
    return replace(
        parts[0],
        error=max(part.error for part in parts),
        feeds=tuple(name for part in parts for name in part.feeds),
        from_float64=_largest([part.from_float64 for part in parts]),
        reference_from_float64=_largest([part.reference_from_float64 for part in parts]),
        rounding=_largest([part.rounding for part in parts]),
        observed_rounding=_largest([part.observed_rounding for part in parts]),
    )


def _largest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def prove_explained(output: ComparedOutput, evidence: Evidence) -> Sensitivity | None:
    """The float64 answer, disturbed by shares of what rounding explains, on the same feeds.

    The rule looks at both distances from float64 alike, so a backend that is moved so far is
    refused as a graph is that was converted so far off. In limits, as every proof is; ``None``
    where nothing can be disturbed.
    """
    explained = explained_error(evidence)
    if output.float64 is None or not explained or not math.isfinite(explained):
        return None
    exact = [output.float64[index] for index in output.failing]

    def agrees(disturbed: list[Array]) -> bool:
        moved = max(map(output.scale.error, disturbed, exact))
        as_backend = replace(evidence, from_float64=moved)
        as_graph = replace(evidence, reference_from_float64=moved)
        return is_ill_conditioned(as_backend) or is_ill_conditioned(as_graph)

    found = prove_sensitivity(exact, output.scale, explained, agrees)
    return found and replace(
        found,
        refused_at=found.refused_at * explained / evidence.limit,
        accepted_at=found.accepted_at * explained / evidence.limit,
    )
