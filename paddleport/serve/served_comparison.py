"""A served model's outputs against a reference's: the result in plain values, or why it differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors, weights_precision
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.runner_options import Precision
from paddleport.runners.tasks import shapes_of, task_of
from paddleport.serve.hosting.model_host import DiffersError
from paddleport.tensors import TensorSpec
from paddleport.validate.accuracy_gate.gate import DEFAULT_LIMITS
from paddleport.validate.compare.comparison import (
    OutputComparison,
    Outputs,
    compare_outputs,
    overall,
    remarks,
)
from paddleport.validate.compare.tolerance import TOLERANCES, UNIT_ROUNDOFF
from paddleport.validate.feeds.stored_reference import StoredReference
from paddleport.wording import counted

_SAID = 3  # of the reasons that are given at most


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is compared, and as what.

    Attributes:
        spec: what is served.
        against: whose answers the reference is, in words.
        precision: the coarsest that the file or the backend computes in.
    """

    spec: PredictorSpec
    against: str
    precision: Precision


def served_precision(spec: PredictorSpec) -> Precision:
    """The coarsest precision of a file's weights, its conversion and what the backend is asked."""
    model = spec.model
    lowered = model.provenance.get("lowered")
    found: list[Precision] = ["fp32"]
    if isinstance(lowered, Mapping) and lowered.get("precision") in UNIT_ROUNDOFF:
        found.append(lowered["precision"])
    if model.format == "onnx":
        found.append(weights_precision(model.path))
    if spec.options.precision is not None:
        found.append(spec.options.precision)
    return max(found, key=UNIT_ROUNDOFF.__getitem__)


def file_precision(spec: PredictorSpec) -> Precision:
    """The same of the file alone."""
    return served_precision(replace(spec, options=replace(spec.options, precision=None)))


def _is_lowered(served: Served, stored: StoredReference) -> bool:
    """Whether the limit alone is no reason: in a lower precision, against native Paddle."""
    return served.precision != "fp32" and not stored.lowered_by


def file_inputs(model: Artifact) -> tuple[TensorSpec, ...]:
    """What a file takes, as far as it says so."""
    if model.inputs or model.format != "onnx":
        return model.inputs
    return onnx_tensors(model.path)[0]


def judged(served: Served, stored: StoredReference, outputs: Outputs) -> Mapping[str, Any]:
    """Compare, and say what came of it; raises DiffersError where it does."""
    spec, precision = served.spec, served.precision
    if differences := stored.shape_differences(outputs):
        raise DiffersError(_differs(served, differences))
    found = compare_outputs(
        stored.answers,
        stored.at_kept_places(outputs),
        TOLERANCES[precision],
        feeds=stored.names,
        classes=len(spec.labels or ()),
    )
    result, notes = _result(served, stored, outputs, found)
    return {
        "result": result,
        "sentence": _sentence(served, stored, found, result, notes),
        "against": served.against,
        "precision": precision,
        "feeds": [feed.name for feed in stored.feeds],
        "left_out": list(stored.left_out),
        "notes": notes,
        "outputs": [
            {
                "output": item.output,
                "verdict": item.verdict,
                "measure": item.measure,
                "worst_error": item.worst_error,
                "limit": item.limit,
                "reason": item.reason,
            }
            for item in found
        ],
    }


def _result(
    served: Served, stored: StoredReference, outputs: Outputs, found: Sequence[OutputComparison]
) -> tuple[str, list[str]]:
    """What it comes to, and what is to be said of it; raises DiffersError where it does."""
    spec, reasons = served.spec, _reasons(found)
    if overall(found) != "differs":
        return str(overall(found)), list(remarks(found))
    proof = spec.model.provenance.get("proof")
    if proof and served.precision == "fp32":
        # Float64 decided when it was made: the limit alone says nothing of this file.
        return "unproven", [*reasons, f"it was above the limit already: {proof}"]
    if _is_lowered(served, stored) and _same_answers(stored, outputs, spec):
        return "unproven", [*reasons, "the answers are the same, on too few feeds to prove it"]
    raise DiffersError(_differs(served, reasons))


def _same_answers(stored: StoredReference, outputs: Outputs, spec: PredictorSpec) -> bool:
    """Whether the answers to pictures are the reference's, as the gate of low precisions asks.

    A lower precision is checked by answers, not by rounding. Noise asks for none, where there
    are pictures.
    """
    pictures = [index for index, feed in enumerate(stored.feeds) if feed.kind != "noise"]
    chosen = pictures or range(len(stored.feeds))
    reference = [stored.answers[index] for index in chosen]
    if any(most is not None for index in chosen for _, most in stored.kept[index].values()):
        return False
    candidate = [
        dict(zip(stored.answers[index], outputs[index].values(), strict=True)) for index in chosen
    ]
    found = task_of(file_inputs(spec.model), shapes_of(reference)).compare(
        reference, candidate, None, noise=DEFAULT_LIMITS.noise
    )
    drift = 0.0 if found.drift is None else float(found.drift.max())
    return bool(found.same.all()) and drift <= DEFAULT_LIMITS.log_probability


def _reasons(found: Sequence[OutputComparison]) -> list[str]:
    return [
        f"output {item.output}: {item.reason}"
        + (
            f" (limit {item.limit:.2g}: {item.limit_source})"
            if item.worst_error is not None and item.limit
            else ""
        )
        for item in found
        if item.verdict == "differs"
    ]


def _differs(served: Served, reasons: Sequence[str]) -> str:
    """Why it is not ready, and what to type."""
    spec = served.spec
    more = f"; and {len(reasons) - _SAID} more" if len(reasons) > _SAID else ""
    option = {"onnx": "--onnx", "paddle": ""}.get(spec.model.format, "--target-file")
    made_of = spec.model.provenance.get("source", {})
    source = made_of.get("name") if made_of.get("weights") != "own" else "FOLDER"
    command = " ".join(
        part
        for part in (
            f"paddleport validate {source or 'FOLDER'}",
            f"{option} {spec.model.path}" if option else "",
            f"--backend {spec.backend}",
        )
        if part
    )
    own = file_precision(spec)
    cause = (
        f"the file was changed since, or {spec.backend} computes another thing here; {command} "
        "says which"
    )
    if UNIT_ROUNDOFF[served.precision] > UNIT_ROUNDOFF[own]:
        cause = (
            f"{served.precision}, which was asked for, as far as is known: leave --precision "
            f"{served.precision} out to serve the file in its own {own}"
        )
    return (
        f"{spec.model.path.name} on {spec.backend} in {served.precision} differs from "
        f"{served.against}: {'; '.join(reasons[:_SAID])}{more}. Cause: {cause}"
    )


def _sentence(
    served: Served,
    stored: StoredReference,
    found: Sequence[OutputComparison],
    result: str,
    notes: Sequence[str],
) -> str:
    errors = [item for item in found if item.worst_error is not None and item.limit]
    worst = max(errors, key=lambda item: (item.worst_error or 0) / item.limit, default=None)
    size = "" if worst is None else f", error {worst.worst_error:.1e} of {worst.limit:.0e}"
    feeds = counted(len(stored.feeds), "feed")
    verb = "agrees with" if result == "agrees" else "is not proven against"
    said = f"{verb} {served.against}, on {feeds} in {served.precision}{size}"
    more = [*notes, *stored.left_out]
    return f"{said}: {'; '.join(more)}" if more else said
