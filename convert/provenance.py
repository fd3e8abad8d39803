"""How a file was made: nothing in it differs between two runs of the same command."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paddleport.convert.paddle2onnx.declared_inputs import Narrowing
    from paddleport.convert.paddle2onnx.export import RawExport
    from paddleport.convert.precision.gate_check import GateReport
    from paddleport.convert.precision.gate_inputs import GateInputs
    from paddleport.convert.targets import MadeFile, TargetOptions
    from paddleport.models.resolve import SourceModel
    from paddleport.validate.accuracy_gate.gate_set import GateSet

PADDLE2ONNX, SIMPLIFIER, PRECISION = "Paddle2ONNX", "simplifier", "precision"
EMBEDDING = "embedded preprocessing"
"""Names of the pipeline's steps; a target's step has the target's name."""

_TOOLS = ("paddleport", "paddle2onnx", "paddlepaddle", "onnx", "onnxslim")


def onnx_provenance(
    source: "SourceModel",
    raw: "RawExport",
    fixups: tuple[str, ...],
    narrowing: "Narrowing",
    *,
    embedded: bool = False,
    simplified: bool = True,
) -> dict[str, Any]:
    """What an ONNX file carries about its making.

    ``weights_kept_out`` counts those that did not pass through Paddle2ONNX; where it needed
    them, ``weights_not_kept_out`` says why. ``narrowed`` says what the file takes less than its
    program, and the step's ``fixed`` and ``declared`` how it is made so.
    """
    tools = tool_versions()
    steps = [
        step(
            PADDLE2ONNX,
            tools={name: tools[name] for name in ("paddle2onnx", "paddlepaddle")},
            options={
                "opset": raw.opset,
                "fixups": list(fixups),
                **_shapes("fixed", raw.fixed),
                **_shapes("declared", narrowing.declared),
            },
            input_sha256=source.sha256,
        )
    ]
    if simplified:
        steps.append(step(SIMPLIFIER, tools={"onnxslim": tools["onnxslim"]}))
    if embedded:
        steps.append(step(EMBEDDING, tools={"paddleport": tools["paddleport"]}))
    return {
        "command": f"paddleport convert {source.name} --opset {raw.opset}"
        + ("" if source.weights == "own" else f" --weights {source.weights}")
        + (" --embed-preprocess" if embedded else ""),
        "source": source_record(source),
        "opset": raw.opset,
        "mends": list(fixups),
        **({"narrowed": list(narrowing.sentences)} if narrowing.sentences else {}),
        **({"embedded_preprocess": True} if embedded else {}),
        **({"weights_kept_out": len(raw.offloaded)} if raw.offloaded else {}),
        **({"weights_not_kept_out": raw.not_offloaded} if raw.not_offloaded else {}),
        "tools": tools,
        "steps": steps,
    }


def source_record(source: "SourceModel") -> dict[str, Any]:
    """What a file says of the Paddle model that it was made of."""
    return {
        "name": source.name,
        "format": source.model.encoding,
        "format_version": source.program.version,
        "sha256": source.sha256,
        "weights": source.weights,
        "weights_from": source.weights_from,
    }


def _shapes(name: str, shapes: Mapping[str, tuple[int | None, ...]]) -> dict[str, Any]:
    return {name: {key: list(shape) for key, shape in shapes.items()}} if shapes else {}


def precision_record(
    options: "TargetOptions",
    format: str,
    made: "MadeFile",
    inputs: "GateInputs | None",
    report: "GateReport | None",
) -> dict[str, Any]:
    """What a file's provenance says of its precision; nothing for fp32."""
    if options.precision in (None, "fp32"):
        return {}
    calibration, gate = inputs and inputs.calibration, None
    if inputs is not None and report is not None:
        gate = {
            "limits": asdict(inputs.limits),
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
            "calibration": examples_record(calibration) if calibration else None,
            "gate": gate,
        }
    }


def examples_record(pictures: "GateSet") -> dict[str, Any]:
    """Number, source and hash of a set of pictures."""
    return {
        "pictures": len(pictures.names),
        "source": pictures.source,
        "sha256": pictures.sha256,
        "labelled": pictures.labels is not None,
    }


def step(
    name: str,
    *,
    tools: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
    input_sha256: str = "",
) -> dict[str, Any]:
    """One step of a provenance: who did it, how, and to which file."""
    return {
        "step": name,
        "tools": dict(tools),
        "options": dict(options or {}),
        **({"input_sha256": input_sha256} if input_sha256 else {}),
    }


def with_step(provenance: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """A provenance and one more step."""
    return {**provenance, "steps": [*provenance.get("steps", ()), dict(added)]}


def steps_of(provenance: Mapping[str, Any]) -> list[str]:
    """The names of the steps that made a file, the first one first; empty if nobody knows."""
    return [str(item.get("step", "")) for item in provenance.get("steps", ())]


def tool_versions() -> dict[str, str]:
    """The versions of everything that has a say in a conversion's bytes."""
    return {tool: version(tool) for tool in _TOOLS}
