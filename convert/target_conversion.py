"""The pipeline's half for other targets and precisions: made of what they take, then checked."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paddleport.convert.conversion import Conversion, Verdict
from paddleport.convert.making import Making
from paddleport.convert.naming import name_file, path_by_verdict
from paddleport.convert.precision.fp32_layers import find_layers_to_keep
from paddleport.convert.precision.gate_check import (
    GateReport,
    backends_for,
    check_and_answer,
    verdict_of,
)
from paddleport.convert.precision.gate_inputs import GateInputs, GateOptions, gate_inputs
from paddleport.convert.provenance import examples_record, precision_record
from paddleport.convert.target_proof import ComparedFile, compare_with_paddle, device_missing
from paddleport.convert.targets import MadeFile, Target, TargetOptions
from paddleport.errors import UsageError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress
from paddleport.tensors import Feed, GivenFeeds
from paddleport.validate.feeds.reference_record import REFERENCE, with_lowered
from paddleport.validate.feeds.stored_reference import fed_as, read_reference


def check_request(
    target: type[Target],
    options: TargetOptions,
    gate: GateOptions | None,
    *,
    keep: bool,
    of_onnx_only: Mapping[str, bool],
) -> None:
    """Refuse, before a long conversion, what a file of a target can't be asked for."""
    for option, given in of_onnx_only.items():
        if given:
            raise UsageError(
                f"{option} is of ONNX files in fp32: leave them out, or convert to ONNX first"
            )
    if target.made_of == "paddle" and gate is not None:
        raise UsageError(f"{target.name} is made of the Paddle program in fp32: leave --precision")
    backends_for(target.format, gate.backends if gate else ())
    target.check_here(options)
    if keep and (missing := why_not_run(target, options)):
        raise UsageError(
            f"--keep is for files that do not pass their check, and nothing here loads a "
            f"{target.name} file to check it ({missing}): leave it out"
        )


@dataclass(frozen=True, kw_only=True)
class TargetRequest:
    """A file that is to be made, with everything settled.

    Attributes:
        model: what it is made of, as ``Making`` has it.
    """

    source: SourceModel
    model: Artifact
    target: type[Target]
    options: TargetOptions
    path: Path
    opset: int
    shapes: Mapping[str, Sequence[int]]
    feed: GivenFeeds
    keep: bool
    timeout_s: float
    progress: Progress


def make_and_check(
    request: TargetRequest, gate: GateOptions | None, *, in_fp32: bool
) -> Conversion:
    """The file of another target or precision: made, checked, then named.

    Args:
        request: what is to be made.
        gate: how a lower precision is checked; by default on drawn pictures.
        in_fp32: compared with native Paddle by the tolerance instead.
    """
    gate = None if in_fp32 else gate or GateOptions()
    source, model, target, options = request.source, request.model, request.target, request.options
    precision = options.precision or "fp32"
    backends = backends_for(target.format, gate.backends if gate else ())
    not_run = why_not_run(target, options)
    inputs = None
    if gate is not None and not not_run:
        request.progress("read or draw pictures", None)
        inputs = gate_inputs(source, model, options, gate, request.shapes)
    with tempfile.TemporaryDirectory(prefix="paddleport-") as name:
        folder = Path(name)
        making = Making(
            target=target,
            model=model,
            options=options,
            calibration=inputs.calibration_feeds if inputs else (),
        )
        request.progress(f"make {target.name} in {precision}", None)
        file, made = making.run(folder / request.path.name, request.timeout_s)
        request.progress("check it", None)
        report, proof = None, None
        feeds: list[str] = []
        reference: Mapping[str, Any] = {}
        verdict: Verdict = "not run"
        if inputs is not None:
            report, reference = _gated(request, making, file, made, inputs, backends)
            verdict = report.verdict
        elif not not_run:
            compared = ComparedFile(file=file, source=source, model=model, opset=request.opset)
            proof, feeds, reference = compare_with_paddle(
                compared, backends, request.shapes, request.feed, request.progress
            )
            verdict = proof.verdict
            reference = file.provenance.get(REFERENCE, reference)  # of the same model
        record = precision_record(options, target.format, made, inputs, report)
        record |= proof.provenance if proof else {}
        if reference:
            record[REFERENCE] = reference
        file = replace(file, provenance={**file.provenance, **record})
        size_bytes = sum(item.stat().st_size for item in file.files)
        done = Conversion(
            target=target.name,
            precision=precision,
            source=source,
            written=file,
            verdict=verdict,
            opset=request.opset,
            size_bytes=size_bytes,
            sha256=sha256([file.path]),
            proof=proof,
            feeds=tuple(feeds),
            gate=report,
            made_of=target.made_of,
            onnx_sha256=sha256([model.path]) if target.made_of == "onnx" else "",
            facts=made.facts,
            not_run=not_run,
        )
        path = path_by_verdict(request.path, verdict, request.keep)
        return replace(done, written=None) if path is None else name_file(done, path)


def why_not_run(target: type[Target], options: TargetOptions) -> str:
    """Why nothing on a machine like this one loads a file made so; empty where something may."""
    return target.runs_here(options) or device_missing(target.format)


def _gated(
    request: TargetRequest,
    making: Making,
    file: Artifact,
    made: MadeFile,
    inputs: GateInputs,
    backends: Mapping[str, str],
) -> tuple[GateReport, Mapping[str, Any]]:
    """What the gate found, and what a served file is held against later."""
    precision = request.options.precision or "fp32"
    reference, feeds = file.provenance.get(REFERENCE, {}), _stored_feeds(file, inputs)
    rows, tolerance, answers = check_and_answer(file, inputs, backends, precision, feeds)
    verdict, advice = verdict_of(rows), None
    if verdict == "passed" and feeds:
        reference = with_lowered(reference, answers)
    if verdict == "failed":
        advice = find_layers_to_keep(
            making, file, inputs, backends, request.timeout_s, request.progress
        )
    report = GateReport(
        verdict=verdict,
        rows=rows,
        tolerance=tolerance,
        keep_fp32=request.options.keep_fp32,
        kept_fp32=made.kept_fp32,
        advice=advice,
        pictures=examples_record(inputs.gate),
        calibration=examples_record(inputs.calibration) if inputs.calibration else None,
        fp32_bytes=request.model.path.stat().st_size,
    )
    return report, reference


def _stored_feeds(file: Artifact, inputs: GateInputs) -> list[Feed]:
    """Those that the file's provenance has answers to; none where one can't be made again."""
    if REFERENCE not in file.provenance:
        return []
    try:
        stored = read_reference(file.provenance[REFERENCE], file.preprocess)
    except ValueError:  # of somebody else's making
        return []
    names = [spec.name for spec in inputs.inputs]
    return [] if stored.left_out else [fed_as(feed, names) for feed in stored.feeds]
