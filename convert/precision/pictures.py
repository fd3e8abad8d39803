"""The examples that a lower precision is made with and compared on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from paddleport.convert.precision.gate_check import (
    GateInputs,
    GateReport,
    described,
    native_answers,
)
from paddleport.convert.targets.base import MadeFile, TargetOptions
from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import SourceModel
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.accuracy_gate.gate import DEFAULT_LIMITS, GateLimits
from paddleport.validate.accuracy_gate.gate_set import (
    GateSet,
    example_set,
    gate_set,
    matched_inputs,
)
from paddleport.validate.feeds.make_feeds import concrete_inputs

CALIBRATION_PICTURES = 100
_FIRST_CALIBRATION = 100_000  # drawn pictures from there on are none that the gate compares on


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """How a lower precision is checked.

    Attributes:
        labelled: the gate's pictures and their labels, as ``gate_set`` takes them.
        images: pictures without labels, instead.
        calibrate: a folder of pictures for int8; by default some are drawn.
        feed: tensors to compare answers on instead, whose first axis counts the examples; a model
            that is not fed with one picture is given made-up ones by default.
        backends: what runs the file; by default all that load it and are usable here.
        limits: of the gate.
    """

    labelled: Path | None = None
    images: Sequence[Path] = ()
    calibrate: Path | None = None
    feed: Mapping[str, Array] = field(default_factory=dict)
    backends: Sequence[str] = ()
    limits: GateLimits = field(default=DEFAULT_LIMITS)


def gate_inputs(
    source: SourceModel,
    onnx: Artifact,
    options: TargetOptions,
    gate: GateOptions,
    shapes: Mapping[str, Sequence[int]],
) -> GateInputs:
    """Read, draw or make the examples, and have native Paddle answer them.

    Raises:
        UsageError: pictures for a model that takes none, or ``--calibrate`` means nothing.
        PortError: as ``example_set`` does.
    """
    inputs = sized_inputs(onnx, shapes)
    calibration = None
    if options.precision == "int8":
        calibration = calibration_pictures(source, inputs, gate.calibrate)
    elif gate.calibrate:
        raise UsageError("--calibrate is of --precision int8, the others have no ranges")
    examples = example_set(
        source.preprocess,
        inputs,
        labelled=gate.labelled,
        images=gate.images,
        classes=source.labels,
        given=gate.feed,
    )
    own = matched_inputs(inputs, source.program.inputs)
    return GateInputs(
        inputs=inputs,
        gate=examples,
        calibration=calibration,
        reference=native_answers(source, examples.feeds(*own)),
        limits=gate.limits,
    )


def sized_inputs(onnx: Artifact, shapes: Mapping[str, Sequence[int]]) -> tuple[TensorSpec, ...]:
    """The inputs, with every dimension known but the batch."""
    inputs, _ = onnx_tensors(onnx.path)
    return tuple(
        replace(spec, shape=spec.shape[:1] and (spec.shape[0], *concrete.shape[1:]))
        for spec, concrete in zip(inputs, concrete_inputs(inputs, shapes), strict=True)
    )


def calibration_pictures(
    source: SourceModel, inputs: Sequence[TensorSpec], calibrate: Path | None
) -> GateSet:
    """What int8 ranges are taken from: a folder's pictures, or drawn ones that no gate uses.

    Raises:
        UsageError: the model is not fed with one picture: ranges of made-up feeds would be those
            of nothing that it meets.
    """
    if len(inputs) != 1:
        raise UsageError(
            f"int8 takes its ranges from pictures, and this model takes {len(inputs)} inputs: "
            "--precision fp16 or bf16"
        )
    return gate_set(
        source.preprocess,
        inputs[0],
        labelled=None,
        images=[calibrate] if calibrate else [],
        samples=CALIBRATION_PICTURES,
        first=_FIRST_CALIBRATION,
    )


def lowered_record(
    options: TargetOptions,
    format: str,
    made: MadeFile,
    calibration: GateSet | None,
    report: GateReport | None,
    limits: GateLimits = DEFAULT_LIMITS,
) -> dict[str, Any]:
    """What a file's provenance says of its precision; nothing for fp32."""
    if options.precision in (None, "fp32"):
        return {}
    gate = None
    if report is not None:
        gate = {
            "limits": asdict(limits),
            "pictures": dict(report.pictures),
            "backends": [asdict(row) for row in report.rows],
        }
    return {
        "lowered": {
            "precision": options.precision,
            "format": format,
            "keep_fp32": list(options.keep_fp32),
            "kept": dict(made.kept_fp32),
            "tools": dict(made.tools),
            "settings": dict(made.settings),
            "calibration": described(calibration) if calibration else None,
            "gate": gate,
        }
    }
