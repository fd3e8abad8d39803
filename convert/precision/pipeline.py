"""Convert to a lower precision in one call: proven, lowered, judged by every backend, named."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from paddleport.convert.cached import cached_onnx
from paddleport.convert.paddle2onnx.opsets import DEFAULT_OPSET
from paddleport.convert.precision.judged import (
    backends_for,
    judge_file,
    native_answers,
    verdict_of,
)
from paddleport.convert.precision.make import Made, make_candidate
from paddleport.convert.precision.mend import find_mend
from paddleport.convert.precision.wanted import (
    SUFFIXES,
    BackendGate,
    Lowered,
    Pictures,
    Wanted,
    described,
)
from paddleport.convert.steps import Progress
from paddleport.errors import OutputError, UsageError
from paddleport.files import write_atomically
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors, read_onnx_proto, write_metadata
from paddleport.models.resolve import SourceModel
from paddleport.tensors import TensorSpec
from paddleport.validate.accuracy_gate.gate import DEFAULT_LIMITS, GateLimits
from paddleport.validate.accuracy_gate.gate_set import GateSet, gate_set
from paddleport.validate.feeds.make_feeds import concrete_inputs
from paddleport.worker import run_in_worker

DEFAULT_TIMEOUT_S = 1800.0  # for one quantisation
CALIBRATION_PICTURES = 100
_FIRST_CALIBRATION = 100_000  # drawn pictures from there on are none that the gate is judged on


def to_precision(
    source: SourceModel,
    wanted: Wanted,
    output: Path | None = None,
    *,
    opset: int = DEFAULT_OPSET,
    shapes: Mapping[str, Sequence[int]] | None = None,
    labelled: Path | None = None,
    images: Sequence[Path] = (),
    calibrate: Path | None = None,
    backends: Sequence[str] = (),
    limits: GateLimits = DEFAULT_LIMITS,
    keep: bool = False,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Progress = lambda step, share: None,
) -> Lowered:
    """Convert to ONNX, prove that, lower its precision, and let every backend judge the answers.

    Args:
        source: from ``paddleport.models.resolve.resolve``.
        wanted: the precision, the format, and what stays in fp32.
        output: by default ``NAME.PRECISION.onnx`` or ``.xml`` in the current folder.
        opset: of the ONNX file.
        shapes: input name to shape, where the model leaves it free.
        labelled: the gate's pictures and their labels, as ``gate_set`` takes them.
        images: pictures without labels, instead.
        calibrate: a folder of pictures for int8; by default some are drawn.
        backends: who judges; by default all that are usable here.
        limits: of the gate.
        keep: keep a file that does not pass, as ``NAME.failed.onnx`` or ``NAME.unproven.onnx``.
        timeout_s: for one quantisation, in seconds.
        progress: told each step and the share done.

    Raises:
        NotProvenError: the ONNX file is not proven to be the same model.
        PortError: as ``make_candidate``, ``gate_set`` and ``backends_for`` do.
    """
    target = output or Path(f"{source.name}.{wanted.precision}{SUFFIXES[wanted.format]}")
    _check_target(target, wanted)
    judges = backends_for(wanted, backends)
    onnx = cached_onnx(source, opset=opset, shapes=shapes, progress=progress)
    spec = _picture_input(onnx, shapes or {})
    progress("read or draw pictures", None)
    pictures = _pictures(source, wanted, spec, labelled, images, calibrate, limits)
    with tempfile.TemporaryDirectory(prefix="paddleport-") as name:
        folder = Path(name)
        file = folder / f"candidate{SUFFIXES[wanted.format]}"
        progress(f"make it {wanted.precision}", None)
        feeds = pictures.calibration.feeds(spec) if pictures.calibration else []
        made = run_in_worker(make_candidate, timeout_s, onnx.path, file, wanted, feeds)
        progress("judge it", None)
        rows, tolerance = judge_file(file, pictures, spec, judges, wanted.precision)
        verdict, mend = verdict_of(rows), None
        if verdict == "failed":
            mend = find_mend(onnx.path, file, wanted, pictures, spec, judges, timeout_s, progress)
        told = _provenance(onnx, wanted, made, pictures, rows)
        path = target if verdict == "passed" else None
        if verdict != "passed" and keep:
            path = target.with_suffix(f".{verdict}{target.suffix}")
        size = _write(file, path, onnx, told)
    return Lowered(
        path,
        verdict,
        source,
        wanted,
        rows,
        tolerance,
        made.kept,
        mend,
        described(pictures.gate),
        described(pictures.calibration) if pictures.calibration else None,
        size,
        onnx.path.stat().st_size,
    )


def _picture_input(onnx: Artifact, shapes: Mapping[str, Sequence[int]]) -> TensorSpec:
    """The only input, with every dimension known but the batch."""
    inputs, _ = onnx_tensors(onnx.path)
    if len(inputs) != 1:
        raise UsageError(
            f"a lower precision is judged on pictures, and this model takes {len(inputs)} inputs"
        )
    (spec,) = inputs
    (concrete,) = concrete_inputs(inputs, shapes)
    return replace(spec, shape=(spec.shape[:1] and (spec.shape[0], *concrete.shape[1:])))


def _pictures(
    source: SourceModel,
    wanted: Wanted,
    spec: TensorSpec,
    labelled: Path | None,
    images: Sequence[Path],
    calibrate: Path | None,
    limits: GateLimits,
) -> Pictures:
    judged = gate_set(
        source.preprocess, spec, labelled=labelled, images=images, classes=source.labels
    )
    calibration = None
    if wanted.precision == "int8":
        calibration = calibration_pictures(source, spec, calibrate)
    elif calibrate:
        raise UsageError("--calibrate is of --precision int8, the others have no ranges")
    own = replace(spec, name=source.program.inputs[0].name)
    return Pictures(judged, calibration, native_answers(source, judged.feeds(own)), limits)


def calibration_pictures(source: SourceModel, spec: TensorSpec, calibrate: Path | None) -> GateSet:
    """What int8 ranges are taken from: a folder's pictures, or drawn ones that no gate judges."""
    return gate_set(
        source.preprocess,
        spec,
        labelled=None,
        images=[calibrate] if calibrate else [],
        samples=CALIBRATION_PICTURES,
        first=_FIRST_CALIBRATION,
    )


def _provenance(
    onnx: Artifact,
    wanted: Wanted,
    made: Made,
    pictures: Pictures,
    rows: Sequence[BackendGate],
) -> dict[str, Any]:
    calibration = pictures.calibration
    lowered = {
        "precision": wanted.precision,
        "format": wanted.format,
        "keep_fp32": list(wanted.keep),
        "kept": dict(made.kept),
        "tools": dict(made.tools),
        "settings": dict(made.settings),
        "calibration": described(calibration) if calibration else None,
        "gate": {
            "limits": asdict(pictures.limits),
            "pictures": described(pictures.gate),
            "backends": [asdict(row) for row in rows],
        },
    }
    return {**onnx.provenance, "lowered": lowered}


def _write(file: Path, path: Path | None, onnx: Artifact, told: Mapping[str, Any]) -> int:
    """Give the file its metadata and, where there is one, its name; returns bytes."""
    if file.suffix == ".onnx":
        proto = read_onnx_proto(file)
        write_metadata(proto, preprocess=onnx.preprocess, labels=onnx.labels, provenance=told)
        content = proto.SerializeToString(deterministic=True)
        if path is not None:
            write_atomically(path, content)
        return len(content)
    weights = file.with_suffix(".bin").read_bytes()
    if path is not None:
        beside = {
            "preprocess": onnx.preprocess.to_dict() if onnx.preprocess else None,
            "labels": list(onnx.labels) if onnx.labels else None,
            "provenance": dict(told),
        }
        text = json.dumps(beside, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        write_atomically(path.with_suffix(".bin"), weights)
        write_atomically(path, file.read_bytes())
        write_atomically(path.with_name(f"{path.name}.json"), text.encode())
    return len(weights) + file.stat().st_size


def _check_target(target: Path, wanted: Wanted) -> None:
    suffix = SUFFIXES[wanted.format]
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give a file: -o {target / f'model{suffix}'}")
    if target.suffix != suffix:
        raise OutputError(f"{target} has another ending than {suffix}; try -o {target}{suffix}")
