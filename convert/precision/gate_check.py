"""A file in a lower precision, run by every backend that loads it, and each held to the gate."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

from paddleport import runners
from paddleport.convert.precision.gate_inputs import GateInputs
from paddleport.errors import PortError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.runners.tasks import shapes_of, task_of
from paddleport.tensors import Array, Feed, ShapeRange
from paddleport.validate.accuracy_gate.gate import (
    GateResult,
    judge_gate,
)
from paddleport.validate.compare.comparison import FeedName, compare_outputs
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.session import Session

GateVerdict = Literal["passed", "failed", "unproven"]
_UNPROVEN = "unproven"


@dataclass(frozen=True, kw_only=True)
class BackendGate:
    """What one backend made of the file.

    Attributes:
        backend: its name.
        computes_in: the precision that it says it computes in; empty where it did not run.
        result: the gate's; ``None`` where it did not run.
        unavailable: why it did not.
    """

    backend: str
    computes_in: str
    result: GateResult | None
    unavailable: str = ""


@dataclass(frozen=True, kw_only=True)
class KeptLayers:
    """Layers that would make a failed file pass, if they stayed in fp32.

    Attributes:
        layers: their names, the most harmful first; empty if none were found.
        tried: how many were kept at most.
        of: how many there are.
        closest: what the last try came to, by backend, where none was found.
        harm: of each layer alone, the root mean square change of the output.
    """

    layers: tuple[str, ...]
    tried: int
    of: int
    closest: str
    harm: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """What the gate found of one file.

    Attributes:
        verdict: ``unproven`` where the gate could not have failed, or nothing ran the file.
        rows: one per backend.
        tolerance: for fp16 and bf16, the verdict's reason by the tolerance of the precision;
            empty where it agrees.
        keep_fp32: layers that were to stay in fp32.
        kept_fp32: nodes that the conversion itself left in fp32, and why.
        advice: layers that would help; ``None`` where it passed, or nothing could be tried.
        pictures: the gate's: their number, source and hash.
        calibration: likewise; ``None`` but for int8.
        fp32_bytes: of the ONNX file that it was made of.
    """

    verdict: GateVerdict
    rows: tuple[BackendGate, ...]
    tolerance: str
    keep_fp32: tuple[str, ...]
    kept_fp32: Mapping[str, str]
    advice: KeptLayers | None
    pictures: Mapping[str, Any]
    calibration: Mapping[str, Any] | None
    fp32_bytes: int

    def explanation(self, model: str, precision: str) -> str:
        """One line on a file that did not pass."""
        reasons = reasons_of(self.rows) or "no backend here runs it"
        return (
            f"{model} in {precision} does not pass: {reasons}. {self._next_step}; --keep keeps "
            "the file"
        )

    @property
    def _next_step(self) -> str:
        if self.advice is None and self.pictures["source"].endswith("feeds"):
            return "Give telling tensors with --feed"
        if self.advice is None:
            return "Give telling pictures with --images DIR or --labelled DIR"
        if self.advice.layers:
            return f"Next: keep in fp32: --keep-fp32 {','.join(self.advice.layers)}"
        return (
            f"With the {self.advice.tried} most harmful of {self.advice.of} layers in fp32 it "
            f"still does not ({self.advice.closest})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, those of a lower precision."""
        return {
            "keep_fp32": list(self.keep_fp32),
            "backends": [asdict(row) for row in self.rows],
            "tolerance": self.tolerance,
            "kept": dict(self.kept_fp32),
            "mend": asdict(self.advice) if self.advice else None,
            "pictures": dict(self.pictures),
            "calibration": dict(self.calibration) if self.calibration else None,
            "fp32_bytes": self.fp32_bytes,
        }


def backends_for(format: str, named: Sequence[str]) -> dict[str, str]:
    """The backends that check a file, and why some of them cannot; empty for those that can.

    Args:
        format: of the file.
        named: those asked for; by default all that load it and are usable here.

    Raises:
        UsageError: a backend that never loads such a file.
    """
    found = {item.name: item for item in runners.describe_all() if format in item.formats}
    timed = [name for name in found if runners.runner_class(name).timed]
    possible = [name for name in timed if named or found[name].usable]
    for name in named:
        runners.runner_class(name)
        if name not in possible:
            raise UsageError(
                f"{name} does not run such a file, only {', '.join(possible)}: leave --backend out"
            )
    return {name: runners.why_not(name) for name in named or possible}


def check_by_gate(
    file: Artifact,
    inputs: GateInputs,
    backends: Mapping[str, str],
    precision: Precision,
) -> tuple[tuple[BackendGate, ...], str]:
    """Every backend's row, and why the tolerance of fp16 or bf16 is not kept, or an empty text."""
    rows, tolerance, _ = check_and_answer(file, inputs, backends, precision, ())
    return rows, tolerance


def check_and_answer(
    file: Artifact,
    inputs: GateInputs,
    backends: Mapping[str, str],
    precision: Precision,
    also: Sequence[Feed],
) -> tuple[tuple[BackendGate, ...], str, dict[str, list[dict[str, Array]]]]:
    """As ``check_by_gate``, and each backend's outputs for some more feeds of the file."""
    rows, tolerance = [], ""
    others: dict[str, list[dict[str, Array]]] = {}
    for backend, unusable in backends.items():
        if unusable:
            rows.append(
                BackendGate(backend=backend, computes_in="", result=None, unavailable=unusable)
            )
            continue
        try:
            own = inputs.gate.feeds(*inputs.inputs)
            computes_in, answers, more = _answers(backend, file, own, also)
        except PortError as error:
            reason = str(error).replace(str(file.path), "the file")
            rows.append(
                BackendGate(backend=backend, computes_in="", result=None, unavailable=reason)
            )
            continue
        rows.append(
            BackendGate(
                backend=backend, computes_in=computes_in, result=gate_outputs(inputs, answers)
            )
        )
        if more:
            others[backend] = more
        if precision != "int8" and not tolerance:
            tolerance = _by_tolerance(backend, inputs, answers, precision)
    return tuple(rows), tolerance, others


def verdict_of(rows: Sequence[BackendGate]) -> GateVerdict:
    """Failed by anyone is failed; unproven by anyone, or run by nobody, is unproven."""
    results = [row.result for row in rows if row.result is not None]
    failed = [item for item in results if not item.passed]
    if any(not item.reason.startswith(_UNPROVEN) for item in failed):
        return "failed"
    return "unproven" if failed or not results else "passed"


def reasons_of(rows: Sequence[BackendGate]) -> str:
    """Why backends do not pass; empty where all that ran do."""
    return "; ".join(
        f"{row.backend}: {row.result.reason}"
        for row in rows
        if row.result is not None and not row.result.passed
    )


def gate_outputs(inputs: GateInputs, answers: Sequence[Mapping[str, Array]]) -> GateResult:
    """Hold a backend's outputs against the reference's, by what the model's answers mean."""
    reference, candidate = (
        [inputs.gate.own(outputs, *inputs.inputs) for outputs in side]
        for side in (inputs.reference, answers)
    )
    return judge_gate(
        task_of(inputs.inputs, shapes_of(reference)),
        reference,
        candidate,
        inputs.gate.labels,
        inputs.limits,
        examples=inputs.gate.kind,
    )


def _answers(
    backend: str, file: Artifact, feeds: Sequence[Feed], also: Sequence[Feed]
) -> tuple[str, list[dict[str, Array]], list[dict[str, Array]]]:
    """What it computes in, and its outputs; none for ``also`` where it does not take those."""
    shapes = {}
    if runners.runner_class(backend).compiles_for_shapes:
        shapes = {name: ShapeRange.covering([item.shape]) for name, item in feeds[0].items()}
    session = Session(backend, file, RunnerOptions(shapes=shapes))
    try:
        answers, more = session.run_all(feeds), []
        with suppress(PortError):  # the gate is not about them
            more = session.run_all(also)
        return session.facts.computes_in, answers, more
    finally:
        session.close()


def _by_tolerance(
    backend: str, inputs: GateInputs, answers: Sequence[Mapping[str, Array]], precision: str
) -> str:
    names = [FeedName(name, "picture", 1) for name in inputs.gate.names]
    compared = compare_outputs(inputs.reference, answers, TOLERANCES[precision], feeds=names)
    for item in compared:
        if item.verdict == "differs":
            return (
                f"{backend}: output {item.output}: {item.reason} of {precision}, {item.limit:.1g}"
            )
    return ""
