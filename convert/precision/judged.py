"""A candidate file, run by every backend that takes it, and each held to the gate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from paddleport import runners
from paddleport.convert.precision.wanted import BackendGate, Pictures, Verdict, Wanted
from paddleport.errors import PortError, UsageError
from paddleport.models.recognize import read_artifact
from paddleport.models.resolve import SourceModel
from paddleport.runners.base import RunnerOptions
from paddleport.tensors import Array, Feed, ShapeRange, TensorSpec
from paddleport.validate.accuracy_gate.gate import GateLimits, GateResult, judge_gate
from paddleport.validate.compare.comparison import FeedName, compare_outputs, output_pairs
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.parity.session import PLAIN_PADDLE, Session

_UNPROVEN = "unproven"


def native_answers(source: SourceModel, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
    """What native Paddle makes of the pictures: the reference, its plainest but for threads."""
    options = replace(PLAIN_PADDLE, threads=RunnerOptions().threads)
    session = Session("paddle", source.model, options)
    try:
        return session.run_all(feeds)
    finally:
        session.close()


def backends_for(wanted: Wanted, named: Sequence[str]) -> dict[str, str]:
    """Who is to judge a file, and why some of them cannot, which is empty for those that can.

    Raises:
        UsageError: a backend that never loads such a file.
    """
    if wanted.format == "openvino":
        possible = ["openvino"]
    else:
        found = {item.name: item for item in runners.describe_all() if "onnx" in item.formats}
        timed = [name for name in found if runners.runner_class(name).timed]
        possible = [name for name in timed if named or found[name].usable]
    for name in named:
        runners.runner_class(name)
        if name not in possible:
            raise UsageError(
                f"{name} does not run such a file, only {', '.join(possible)}: leave --backend out"
            )
    return {name: runners.why_not(name) for name in named or possible}


def judge_file(
    file: Path,
    pictures: Pictures,
    spec: TensorSpec,
    backends: Mapping[str, str],
    precision: str,
) -> tuple[tuple[BackendGate, ...], str]:
    """Every backend's row, and why the tolerance of fp16 or bf16 is not kept, or an empty text."""
    rows, tolerance = [], ""
    for backend, unusable in backends.items():
        if unusable:
            rows.append(BackendGate(backend, "", None, unusable))
            continue
        try:
            computes_in, answers = _answers(backend, file, pictures.gate.feeds(spec))
        except PortError as error:
            rows.append(BackendGate(backend, "", None, str(error).replace(str(file), "the file")))
            continue
        result = judge_answers(
            pictures.reference, answers, pictures.gate.labels, pictures.limits, spec
        )
        rows.append(BackendGate(backend, computes_in, result))
        if precision != "int8" and not tolerance:
            tolerance = _by_tolerance(backend, pictures, answers, precision)
    return tuple(rows), tolerance


def verdict_of(rows: Sequence[BackendGate]) -> Verdict:
    """Failed by anyone is failed; unproven by anyone, or run by nobody, is unproven."""
    results = [row.result for row in rows if row.result is not None]
    failed = [item for item in results if not item.passed]
    if any(not item.reason.startswith(_UNPROVEN) for item in failed):
        return "failed"
    return "unproven" if failed or not results else "passed"


def judge_answers(
    reference: Sequence[Mapping[str, Array]],
    answers: Sequence[Mapping[str, Array]],
    labels: Sequence[int] | None,
    limits: GateLimits,
    spec: TensorSpec,
) -> GateResult:
    """The gate of every output; of several the first that is not passed."""
    batch = (spec.shape[0] if spec.shape else None) or 1
    if len(reference[0]) != len(answers[0]):
        reason = f"{len(answers[0])} outputs, the reference has {len(reference[0])}"
        return GateResult(False, reason, len(reference), None, None, 0.0, None)
    results = []
    for ours, theirs in output_pairs(reference[0], answers[0]):
        one = [_first(item[ours], batch) for item in reference]
        other = [_first(item[theirs], batch) for item in answers]
        results.append(judge_gate(one, other, labels, limits))
    return next((item for item in results if not item.passed), results[0])


def _first(tensor: Array, batch: int) -> Array:
    """Of a fixed batch that was filled with one picture, its first row."""
    return tensor[:1] if batch > 1 and tensor.ndim else tensor


def _answers(backend: str, file: Path, feeds: Sequence[Feed]) -> tuple[str, list[dict[str, Array]]]:
    shapes = {}
    if runners.runner_class(backend).compiles_for_shapes:
        shapes = {name: ShapeRange.covering([item.shape]) for name, item in feeds[0].items()}
    session = Session(backend, read_artifact(file), RunnerOptions(shapes=shapes))
    try:
        return session.facts.computes_in, session.run_all(feeds)
    finally:
        session.close()


def _by_tolerance(
    backend: str, pictures: Pictures, answers: Sequence[Mapping[str, Array]], precision: str
) -> str:
    names = [FeedName(name, "picture") for name in pictures.gate.names]
    compared = compare_outputs(pictures.reference, answers, TOLERANCES[precision], feeds=names)
    for item in compared:
        if item.verdict == "differs":
            return (
                f"{backend}: output {item.output}: {item.reason} of {precision}, {item.limit:.1g}"
            )
    return ""
