"""What a conversion came to: one result for every target and precision."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from paddleport.convert.fp32_proof import Proof
from paddleport.errors import ConversionError
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import FORMAT as CPP
from paddleport.models.resolve import SourceModel
from paddleport.runners.runner_options import Precision
from paddleport.tensors import TensorSpec, format_shape
from paddleport.validate.compare.comparison import OutputComparison

if TYPE_CHECKING:
    from paddleport.convert.precision.gate_check import GateReport
    from paddleport.validate.diagnose.causes import Cause

Verdict = Literal["agrees", "differs", "passed", "failed", "unproven", "not run"]
WRITTEN = ("agrees", "passed", "not run")
"""The verdicts that give a file its name without ``--keep``."""

_KEEP = "--keep keeps the file"
_DIFFERS = ("differs from", "Next: paddleport validate says why")
_UNPROVEN = ("is not proven against", "Give it telling input with --feed NAME=FILE.npy")
_OTHER_FEED = "Give it one more --feed, with other values"


@dataclass(frozen=True, kw_only=True)
class OnnxFacts:
    """What is known of an ONNX file that was made just now.

    Attributes:
        fixups: what was rewritten because Paddle2ONNX would have got it wrong.
        nodes_before: nodes that Paddle2ONNX wrote.
        nodes: nodes in the file.
        not_simplified: why onnxslim's result was not taken; empty where it was.
        pixels: the input, where the file takes 8-bit pictures and normalises them itself.
        narrowed: what it takes less than the program does, and by which operator.
        notes: what native Paddle itself does not take, though its program leaves it free.
    """

    fixups: tuple[str, ...]
    nodes_before: int
    nodes: int
    not_simplified: str
    pixels: TensorSpec | None = None
    narrowed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A finished file and how it was checked.

    Attributes:
        target: what ``--to`` named.
        precision: of the file.
        source: what was converted.
        written: the file; ``None`` if it did not pass its check and was not kept.
        verdict: in fp32 ``agrees`` or ``differs``, against native Paddle on the feeds; in a
            lower precision ``passed`` or ``failed``, by the gate; ``unproven`` where the check
            could not have failed, rounding alone makes another answer, or nothing ran the file;
            ``not run`` where the device that loads this format is not here.
        opset: of the ONNX file, or of the one that it was made of, if it was.
        proof: how it compares with native Paddle, in fp32.
        feeds: names of the feeds that were compared.
        gate: what the gate found, in a lower precision.
        onnx_facts: of the ONNX file, where it is the target and was made just now.
        made_of: the proven ``onnx`` file, or the ``paddle`` program with no ONNX file on the way.
        onnx_sha256: of the proven ONNX file that another target's was made of.
        facts: what the target's tools say of the file.
        not_run: why nothing here loads the file; empty where something did.
        size_bytes: of all its files.
        sha256: of its main file.
        files_sha256: of every file, by name, where it was made of an ONNX file.
    """

    target: str
    precision: Precision
    source: SourceModel
    written: Artifact | None
    verdict: Verdict
    opset: int
    size_bytes: int
    sha256: str
    proof: Proof | None = None
    feeds: tuple[str, ...] = ()
    gate: "GateReport | None" = None
    onnx_facts: OnnxFacts | None = None
    made_of: Literal["onnx", "paddle"] = "onnx"
    onnx_sha256: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    not_run: str = ""
    files_sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def comparisons(self) -> tuple[OutputComparison, ...]:
        """One per output, in fp32."""
        return self.proof.comparisons if self.proof else ()

    @property
    def cause(self) -> "Cause":
        """Who made it differ, as ``validate`` names it; empty where the tolerance decides."""
        return self.proof.cause if self.proof else ""

    @property
    def step(self) -> str:
        """Of the conversion, where that is the cause and it was found."""
        return self.proof.step if self.proof else ""

    @property
    def why(self) -> str:
        """The cause in a sentence or two.

        Of a file that agrees though it is above the limit it says why it is proven all the same.
        """
        return self.proof.why if self.proof else ""

    @property
    def path(self) -> Path | None:
        """The file; ``None`` if it did not pass its check and was not kept."""
        return self.written.path if self.written else None

    @property
    def place(self) -> Path | None:
        """What was asked for: the file, or the folder that holds it where that is the target's."""
        return self.path.parent if self.path and self.artifact.format == CPP else self.path

    @property
    def artifact(self) -> Artifact:
        """The file as a model to open a runner on.

        Raises:
            ConversionError: it did not pass its check and was not kept.
        """
        if self.written is None:
            raise ConversionError(self.explanation)
        return self.written

    @property
    def explanation(self) -> str:
        """One line on a file that did not pass its check; empty for one that did."""
        if self.verdict in WRITTEN:
            return ""
        if self.gate is not None:
            return self.gate.explanation(self.source.name, self.precision)
        found = [item.reason for item in self.comparisons if item.reason]
        reasons = "; ".join(found or [self.proof.reason if self.proof else ""])
        what, next_step = _UNPROVEN if self.verdict == "unproven" else _DIFFERS
        if next_step is _UNPROVEN[1] and any(name.startswith("given") for name in self.feeds):
            next_step = _OTHER_FEED
        if self.why:
            step = f", step {self.step}" if self.step else ""
            next_step = f"Cause: {self.cause}{step}. {self.why}" if self.cause else self.why
        made = "" if self.target == "onnx" else f" to {self.target}"
        opset = f" at opset {self.opset}" if self.made_of == "onnx" else ""
        text = (
            f"the conversion of {self.source.name}{made}{opset} {what} native "
            f"Paddle: {reasons}. {next_step.rstrip('.')}"
        )
        return text if self.written is not None else f"{text}; {_KEEP}"

    @property
    def input_format(self) -> str:
        """What the input takes, in words, where pictures are normalised inside."""
        rules, pixels = self.source.preprocess, self.onnx_facts and self.onnx_facts.pixels
        if not pixels or rules is None:
            return ""
        return f"{pixels.dtype} [{format_shape(pixels.shape)}] {rules.channels}"

    @property
    def narrowed(self) -> tuple[str, ...]:
        """What the file takes less than the Paddle model does, a sentence each."""
        if self.onnx_facts is not None:
            return self.onnx_facts.narrowed
        return tuple(self.written.provenance.get("narrowed", ())) if self.written else ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        preprocess, labels = self.source.preprocess, self.source.labels
        values: dict[str, Any] = {
            "path": str(self.place) if self.place else None,
            "format": self.target,
            "verdict": self.verdict,
            "precision": self.precision,
            "opset": self.opset if self.made_of == "onnx" else None,
            "model": self.source.name,
            "weights": self.source.weights,
            "weights_from": self.source.weights_from,
            "source_sha256": self.source.sha256,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "feeds": list(self.feeds),
            "comparisons": [asdict(item) for item in self.comparisons],
            "explanation": self.explanation,
            "narrowed": list(self.narrowed),
            "cause": self.cause,
            "step": self.step,
            "why": self.why,
        }
        if self.proof is not None and self.proof.pictures:
            values["pictures"] = self.proof.pictures
        if self.onnx_facts is not None:
            values |= {
                "nodes": self.onnx_facts.nodes,
                "nodes_before": self.onnx_facts.nodes_before,
                "not_simplified": self.onnx_facts.not_simplified,
                "mends": list(self.onnx_facts.fixups),
                "notes": list(self.onnx_facts.notes),
                "embedded_preprocess": self.onnx_facts.pixels is not None,
                "input": self.input_format or None,
            }
        if self.gate is not None:
            values |= self.gate.to_dict()
        if self.target != "onnx":
            values |= {
                "made_of": self.made_of,
                "onnx_sha256": self.onnx_sha256,
                "not_run": self.not_run,
                "files_sha256": dict(self.files_sha256),
                "preprocess": preprocess.to_dict() if preprocess else None,
                "labels": list(labels) if labels else None,
            }
            values = {**self.facts, **values}
            if self.written is not None:
                values |= sidecar_of(self.written)
        return values


def sidecar_of(artifact: Artifact) -> dict[str, Any]:
    """What stands beside a file of a format that has no room for our metadata."""
    return {
        "format": artifact.format,
        "files": [file.name for file in artifact.files[1:]],
        "inputs": [asdict(spec) for spec in artifact.inputs],
        "outputs": [asdict(spec) for spec in artifact.outputs],
        "preprocess": artifact.preprocess.to_dict() if artifact.preprocess else None,
        "labels": list(artifact.labels) if artifact.labels else None,
        "provenance": dict(artifact.provenance),
    }
