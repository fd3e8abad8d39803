"""What a lower precision is asked for with, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from paddleport.models.resolve import SourceModel
from paddleport.runners.base import Precision
from paddleport.tensors import Array
from paddleport.validate.accuracy_gate.gate import DEFAULT_LIMITS, GateLimits, GateResult
from paddleport.validate.accuracy_gate.gate_set import GateSet

Format = Literal["onnx", "openvino"]
Verdict = Literal["passed", "failed", "unproven"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "openvino": ".xml"}


@dataclass(frozen=True)
class Wanted:
    """A candidate to make.

    Attributes:
        precision: ``fp32`` (of OpenVINO's IR only), ``fp16``, ``bf16`` or ``int8``.
        format: ONNX, or OpenVINO's IR.
        keep: names of the ONNX nodes that stay in fp32.
        ranges: int8 activations have one range a ``tensor``, or one a ``channel`` where what
            they go into is depthwise.
    """

    precision: Precision
    format: Format
    keep: tuple[str, ...] = ()
    ranges: Literal["tensor", "channel"] = "tensor"


@dataclass(frozen=True)
class Pictures:
    """What a candidate is made with and judged on.

    Attributes:
        gate: the pictures that the gate is judged on.
        calibration: those that int8 takes its ranges from; ``None`` for the other precisions.
        reference: native Paddle's outputs for the gate's pictures.
        limits: of the gate.
    """

    gate: GateSet
    calibration: GateSet | None
    reference: list[dict[str, Array]] = field(repr=False)
    limits: GateLimits = DEFAULT_LIMITS


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Mend:
    """Layers that would make a failed candidate pass, if they stayed in fp32.

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


@dataclass(frozen=True)
class Lowered:
    """A finished file in a lower precision, and how it was judged.

    Attributes:
        path: where it is; ``None`` if it did not pass and was not kept.
        verdict: ``unproven`` where the gate could not have failed, or nothing ran the file.
        source: what was converted.
        wanted: what was asked for.
        rows: one a backend.
        tolerance: for fp16 and bf16, the verdict's reason by the tolerance of the precision;
            empty where it agrees.
        kept: nodes that the conversion itself left in fp32, and why.
        mend: what would help; ``None`` where it passed, or nothing could be tried.
        pictures: the gate's: their number, source and hash.
        calibration: likewise; ``None`` but for int8.
        size_bytes: of the file.
        fp32_bytes: of the ONNX file that it was made of.
    """

    path: Path | None
    verdict: Verdict
    source: SourceModel
    wanted: Wanted
    rows: tuple[BackendGate, ...]
    tolerance: str
    kept: Mapping[str, str]
    mend: Mend | None
    pictures: Mapping[str, Any]
    calibration: Mapping[str, Any] | None
    size_bytes: int
    fp32_bytes: int

    @property
    def explanation(self) -> str:
        """One line on a file that did not pass; empty for one that did."""
        if self.verdict == "passed":
            return ""
        reasons = reasons_of(self.rows) or "no backend here runs it"
        return (
            f"{self.source.name} in {self.wanted.precision} does not pass: {reasons}. "
            f"{self._advice}; --keep keeps the file"
        )

    @property
    def _advice(self) -> str:
        if self.mend is None:
            return "Give telling pictures with --images DIR or --labelled DIR"
        if self.mend.layers:
            return f"Next: keep in fp32: --keep-fp32 {','.join(self.mend.layers)}"
        return (
            f"With the {self.mend.tried} most harmful of {self.mend.of} layers in fp32 it still "
            f"does not ({self.mend.closest})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "path": str(self.path) if self.path else None,
            "verdict": self.verdict,
            "model": self.source.name,
            "weights": self.source.weights,
            "source_sha256": self.source.sha256,
            "precision": self.wanted.precision,
            "format": self.wanted.format,
            "keep_fp32": list(self.wanted.keep),
            "backends": [asdict(row) for row in self.rows],
            "tolerance": self.tolerance,
            "kept": dict(self.kept),
            "mend": asdict(self.mend) if self.mend else None,
            "pictures": dict(self.pictures),
            "calibration": dict(self.calibration) if self.calibration else None,
            "size_bytes": self.size_bytes,
            "fp32_bytes": self.fp32_bytes,
            "explanation": self.explanation,
        }


def reasons_of(rows: Sequence[BackendGate]) -> str:
    """Why backends do not pass; empty where all that ran do."""
    return "; ".join(
        f"{row.backend}: {row.result.reason}"
        for row in rows
        if row.result is not None and not row.result.passed
    )


def described(pictures: GateSet) -> dict[str, Any]:
    """Number, source and hash of a set of pictures, for the provenance."""
    return {
        "pictures": len(pictures.names),
        "source": pictures.source,
        "sha256": pictures.sha256,
        "labelled": pictures.labels is not None,
    }
