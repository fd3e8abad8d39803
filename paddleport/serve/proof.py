"""A served model against native Paddle, before it is said to be ready."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paddleport.errors import FeedError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors, weights_precision
from paddleport.runners.predictor import PredictorSpec
from paddleport.runners.runner_options import Precision
from paddleport.runners.tasks import shapes_of, task_of
from paddleport.serve.hosting.model_host import Inferred, NotReadyError
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.validate.accuracy_gate.gate import DEFAULT_LIMITS
from paddleport.validate.compare.comparison import (
    OutputComparison,
    Outputs,
    compare_outputs,
    overall,
    remarks,
)
from paddleport.validate.compare.tolerance import TOLERANCES, UNIT_ROUNDOFF
from paddleport.validate.feeds.stored_reference import (
    REFERENCE,
    StoredReference,
    fed_as,
    read_reference,
)

Infer = Callable[[Feed], Awaitable[Inferred]]
"""The served model's outputs for one feed."""

_NO_ANSWERS = (
    "not compared: {file} has no reference answers. Convert it again with paddleport convert, or "
    "give --prove where Paddle is installed"
)
_PADDLES_OWN = (
    "not compared: {file} is Paddle's own program. --prove holds it against Paddle at its "
    "plainest, without oneDNN"
)
_STORED = "native Paddle's answers, stored when the file was made"
_LOWERED = "what the file answered on {backend} when its answers passed for native Paddle's"
_SAID = 3  # of the reasons that are given at most


@dataclass(frozen=True, kw_only=True)
class _Served:
    """What is compared, and as what.

    Attributes:
        spec: what is served.
        against: whose answers the reference is, in words.
        precision: the coarsest that the file or the backend computes in.
    """

    spec: PredictorSpec
    against: str
    precision: Precision


async def prove(spec: PredictorSpec, infer: Infer) -> Mapping[str, Any]:
    """Hold a loaded model against the answers that its file carries.

    Args:
        spec: what is served.
        infer: its outputs for a feed, as a client would get them.

    Returns:
        ``result`` (``agrees``, ``unproven``, ``not compared``), ``sentence``, ``against``,
        ``precision``, ``feeds``, ``left_out`` and ``outputs``; JSON values.

    Raises:
        NotReadyError: it differs; what, by how much, and what to type next.
        HostError: as ``infer`` does.
    """
    model = spec.model
    if REFERENCE not in model.provenance:
        sentence = _PADDLES_OWN if model.format == "paddle" else _NO_ANSWERS
        return _not_compared(sentence.format(file=model.path.name))
    try:
        stored = await asyncio.to_thread(
            read_reference, model.provenance[REFERENCE], model.preprocess, _lowered_by(spec)
        )
    except ValueError as error:
        raise NotReadyError(
            f"{model.path.name} can't be proven: {error}. Convert it again with paddleport convert"
        ) from None
    against = _LOWERED.format(backend=stored.lowered_by) if stored.lowered_by else _STORED
    served = _Served(spec=spec, against=against, precision=served_precision(spec))
    return await _prove_against(served, stored, infer)


async def prove_with_paddle(
    spec: PredictorSpec, infer: Infer, *, paddle_model: str = ""
) -> Mapping[str, Any]:
    """As ``prove``, against native Paddle, which runs now in a process of its own.

    A file that does not say which Paddle model it was made of is held against what it carries,
    and that is said.

    Args:
        spec: what is served.
        infer: its outputs for a feed.
        paddle_model: the Paddle model, as ``convert`` takes it; by default what the file's
            provenance names.

    Raises:
        NotReadyError: it differs, or there is no Paddle model or no Paddle to ask.
        HostError: as ``infer`` does.
    """
    from paddleport.serve.native_paddle import UnknownSourceError, native_reference

    try:
        stored, against = await asyncio.to_thread(native_reference, spec, paddle_model)
    except UnknownSourceError as error:
        if REFERENCE not in spec.model.provenance:
            raise NotReadyError(f"--prove has nothing to compare with: {error}") from None
        found = await prove(spec, infer)
        return {**found, "sentence": f"{found['sentence']}; native Paddle was not asked: {error}"}
    served = _Served(spec=spec, against=against, precision=served_precision(spec))
    return await _prove_against(served, stored, infer)


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


def _precision_of_file(spec: PredictorSpec) -> Precision:
    return served_precision(replace(spec, options=replace(spec.options, precision=None)))


def _lowered_by(spec: PredictorSpec) -> str:
    """The backend, where a file in a lower precision is run in that precision."""
    own = _precision_of_file(spec)
    return spec.backend if own != "fp32" and spec.options.precision in (None, own) else ""


def _is_lowered(served: _Served, stored: StoredReference) -> bool:
    """Whether answers decide, and not rounding: in a lower precision, against native Paddle."""
    return served.precision != "fp32" and not stored.lowered_by


async def _prove_against(
    served: _Served, stored: StoredReference, infer: Infer
) -> Mapping[str, Any]:
    inputs = _input_names(served.spec.model)
    outputs: list[dict[str, Array]] = []
    refused: dict[int, str] = {}
    for index, feed in enumerate(stored.feeds):
        try:
            outputs.append((await infer(fed_as(feed, inputs))).outputs)
        except FeedError as error:  # it was opened for other shapes
            refused[index] = f"{feed.name}: {error}"
    stored = stored.without(refused)
    if not stored.feeds:
        return _not_compared(f"not compared: {'; '.join(stored.left_out) or 'there is no feed'}")
    return await asyncio.to_thread(_judged, served, stored, outputs)


def _judged(served: _Served, stored: StoredReference, outputs: Outputs) -> Mapping[str, Any]:
    """Compare, and say what came of it; raises NotReadyError where it differs."""
    spec, precision = served.spec, served.precision
    if differences := stored.shape_differences(outputs):
        raise NotReadyError(_differs(served, differences))
    found = compare_outputs(
        stored.answers,
        stored.at_kept_places(outputs),
        TOLERANCES[precision],
        feeds=stored.names,
        classes=len(spec.labels or ()),
    )
    result, notes = str(overall(found)), list(remarks(found))
    if result == "differs":
        reasons = _reasons(found)
        if spec.model.provenance.get("proof") and precision == "fp32":
            # Float64 decided when it was made: the limit alone says nothing of this file.
            result = "unproven"
            notes = [*reasons, f"it was above the limit already: {spec.model.provenance['proof']}"]
        elif _is_lowered(served, stored) and _same_answers(stored, outputs, _inputs(spec.model)):
            result = "agrees"
            notes = [*reasons, f"the answers are the same, which decides in {precision}"]
        else:
            raise NotReadyError(_differs(served, reasons))
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


def _same_answers(stored: StoredReference, outputs: Outputs, inputs: Sequence[TensorSpec]) -> bool:
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
    found = task_of(inputs, shapes_of(reference)).compare(
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


def _differs(served: _Served, reasons: Sequence[str]) -> str:
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
    own = _precision_of_file(spec)
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
    served: _Served,
    stored: StoredReference,
    found: Sequence[OutputComparison],
    result: str,
    notes: Sequence[str],
) -> str:
    errors = [item for item in found if item.worst_error is not None and item.limit]
    worst = max(errors, key=lambda item: (item.worst_error or 0) / item.limit, default=None)
    size = "" if worst is None else f", error {worst.worst_error:.1e} of {worst.limit:.0e}"
    feeds = f"{len(stored.feeds)} feed{'s' if len(stored.feeds) > 1 else ''}"
    verb = "agrees with" if result == "agrees" else "is not proven against"
    said = f"{verb} {served.against}, on {feeds} in {served.precision}{size}"
    more = [*notes, *stored.left_out]
    return f"{said}: {'; '.join(more)}" if more else said


def _not_compared(sentence: str) -> Mapping[str, Any]:
    return {"result": "not compared", "sentence": sentence}


def _inputs(model: Artifact) -> tuple[TensorSpec, ...]:
    if model.inputs or model.format != "onnx":
        return model.inputs
    return onnx_tensors(model.path)[0]


def _input_names(model: Artifact) -> list[str]:
    return [spec.name for spec in _inputs(model)]
