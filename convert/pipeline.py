"""From a Paddle model to a checked file of any target, in one pipeline.

Paddle2ONNX, simplifier, ONNX's checker and a comparison with native Paddle make the proven ONNX
file; the precision step lowers it; the target makes its format of that. The result is loaded and
compared with native Paddle again, and only then gets its name.
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from paddleport.convert.artifact_cache import cached_onnx
from paddleport.convert.conversion import Conversion, Verdict
from paddleport.convert.embed import pixel_input
from paddleport.convert.making import Making
from paddleport.convert.naming import check_output, name_file, path_by_verdict
from paddleport.convert.onnx_conversion import OnnxRequest, convert_to_onnx
from paddleport.convert.paddle2onnx.supported import DEFAULT_OPSET, check_opset
from paddleport.convert.precision.fp32_layers import find_layers_to_keep
from paddleport.convert.precision.gate_check import (
    GateReport,
    backends_for,
    check_by_gate,
    verdict_of,
)
from paddleport.convert.precision.gate_inputs import GateInputs, GateOptions, gate_inputs
from paddleport.convert.proof import compare_with_paddle, device_missing
from paddleport.convert.provenance import examples_record, precision_record
from paddleport.convert.targets import MadeFile, Target, TargetOptions, target_class
from paddleport.convert.tools import Tools
from paddleport.errors import UsageError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel, resolve_with_warning
from paddleport.progress import Progress, no_progress
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, ShapeRange
from paddleport.validate.compare.comparison import OutputComparison, overall
from paddleport.validate.feeds.pixel_feeds import PixelInput

EXPORT_TIMEOUT_S = 300.0


def convert(
    model: SourceModel | str | Path,
    output: Path | str | None = None,
    *,
    to: str = "onnx",
    precision: Precision | None = None,
    opset: int = DEFAULT_OPSET,
    weights: str = "auto",
    shapes: Mapping[str, Sequence[int] | ShapeRange] | None = None,
    allow_upgrade: bool = False,
    keep: bool = False,
    simplify: bool = True,
    embed_preprocess: bool = False,
    keep_fp32: Sequence[str] = (),
    compute_capabilities: Sequence[tuple[int, int]] = (),
    tf32: bool = False,
    gate: GateOptions | None = None,
    feed: Mapping[str, Array] | None = None,
    timeout_s: float | None = None,
    tools: Tools | None = None,
    progress: Progress = no_progress,
) -> Conversion:
    """Convert a Paddle model, and give the file its name only when it is proven the same.

    Args:
        model: a zoo name, a folder, tar or file, or what ``resolve`` found.
        output: the file; by default as the target names it, in the current folder.
        to: a target's name.
        precision: of the file; by default fp32.
        opset: of the ONNX file, 7 to 21.
        weights: for a zoo name, as ``resolve`` takes it.
        shapes: input name to shape, where the model leaves it free, for the comparison and for
            targets that compile for shapes; the latter take ranges.
        allow_upgrade: accept a higher opset where the model needs one.
        keep: keep what does not pass its check, as ``NAME.differs.onnx``, ``NAME.failed.onnx``
            or ``NAME.unproven.onnx``.
        simplify: fold and fuse with onnxslim.
        embed_preprocess: take pictures as they are cropped, uint8 NHWC, and normalise them in
            the graph; ``feed`` is such a picture then.
        keep_fp32: names of the ONNX nodes that a lower precision leaves in fp32.
        compute_capabilities: of the GPUs to build for, for targets that can choose.
        tf32: whether float32 products of an engine may be rounded to TF32.
        gate: how a lower precision is checked.
        feed: input name to tensor, instead of made-up feeds.
        timeout_s: for the export, or for what the target makes, in seconds.
        tools: processes that were started earlier; they are closed at the end.
        progress: called with each step and the share done.

    Raises:
        UsageError: an option that the target does not take, or no preprocessing to embed.
        ConversionError: Paddle2ONNX, ONNX's checker or ONNX Runtime said no.
        NotProvenError: the ONNX file that another is made of is not proven to be the same model.
        BackendUnavailableError: a library or device that the target needs is not there.
        PortError: as ``resolve`` and ``make_feeds`` do, and for a file that can't be written.
    """
    target = target_class(to)
    options = TargetOptions(
        precision=precision,
        keep_fp32=tuple(keep_fp32),
        shapes={name: _as_range(shape) for name, shape in (shapes or {}).items()},
        compute_capabilities=tuple(compute_capabilities),
        tf32=tf32,
    )
    target.check_options(options)
    check_opset(opset)
    if timeout_s is not None and not 0 < timeout_s < math.inf:
        raise UsageError(f"a timeout of {timeout_s:g} s is not possible: a number above 0")
    if precision in (None, "fp32") and gate is not None:
        raise UsageError("a file in fp32 is compared with native Paddle and takes no gate")
    source = model if isinstance(model, SourceModel) else resolve_with_warning(model, weights)
    in_fp32 = precision in (None, "fp32")
    path = Path(output or target.file_name(source.name, precision or "fp32"))
    check_output(path, target, source.model)
    concrete = {name: item.opt for name, item in options.shapes.items()}
    if to == "onnx" and in_fp32:
        export = OnnxRequest(
            opset=opset,
            allow_upgrade=allow_upgrade,
            simplify=simplify,
            timeout_s=timeout_s or EXPORT_TIMEOUT_S,
            shapes=concrete,
            feed=feed or {},
            pixels=_pixels(source) if embed_preprocess else None,
        )
        return convert_to_onnx(source, path, export, keep, tools or Tools(), progress)
    _check_request(
        target,
        options,
        gate,
        keep=keep,
        of_onnx_only={
            "--allow-upgrade": allow_upgrade,
            "--no-simplify": not simplify,
            "--embed-preprocess": embed_preprocess,
        },
    )
    onnx = cached_onnx(source, opset=opset, shapes=concrete, feed=feed, progress=progress)
    options = target().check(onnx, options)
    request = _TargetRequest(
        source=source,
        onnx=onnx,
        target=target,
        options=options,
        path=path,
        opset=opset,
        shapes=concrete,
        feed=feed or {},
        keep=keep,
        timeout_s=timeout_s or target.timeout_s,
        progress=progress,
    )
    return _make_and_check(request, None if in_fp32 else gate or GateOptions())


def _check_request(
    target: type[Target],
    options: TargetOptions,
    gate: GateOptions | None,
    *,
    keep: bool,
    of_onnx_only: Mapping[str, bool],
) -> None:
    """Refuse, before a long conversion, what a file made of an ONNX file can't be asked for."""
    for option, given in of_onnx_only.items():
        if given:
            raise UsageError(
                f"{option} is of ONNX files in fp32: leave them out, or convert to ONNX first"
            )
    backends_for(target.format, gate.backends if gate else ())
    target.check_here(options)
    if keep and (missing := device_missing(target.format)):
        raise UsageError(
            f"--keep is for files that do not pass their check, and nothing here loads a "
            f"{target.name} file to check it ({missing}): leave it out"
        )


@dataclass(frozen=True, kw_only=True)
class _TargetRequest:
    """A file that is to be made of a proven ONNX file, with everything settled."""

    source: SourceModel
    onnx: Artifact
    target: type[Target]
    options: TargetOptions
    path: Path
    opset: int
    shapes: Mapping[str, Sequence[int]]
    feed: Mapping[str, Array]
    keep: bool
    timeout_s: float
    progress: Progress


def _make_and_check(request: _TargetRequest, gate: GateOptions | None) -> Conversion:
    """The file of another target or precision: made, checked, then named."""
    source, onnx, target, options = request.source, request.onnx, request.target, request.options
    precision = options.precision or "fp32"
    backends = backends_for(target.format, gate.backends if gate else ())
    not_run = device_missing(target.format)
    inputs = None
    if gate is not None and not not_run:
        request.progress("read or draw pictures", None)
        inputs = gate_inputs(source, onnx, options, gate, request.shapes)
    with tempfile.TemporaryDirectory(prefix="paddleport-") as name:
        folder = Path(name)
        making = Making(
            target=target,
            onnx=onnx,
            options=options,
            calibration=inputs.calibration_feeds if inputs else (),
        )
        request.progress(f"make {target.name} in {precision}", None)
        file, made = making.run(folder / request.path.name, request.timeout_s)
        request.progress("check it", None)
        report = None
        comparisons: list[OutputComparison] = []
        feeds: list[str] = []
        verdict: Verdict = "not run"
        if inputs is not None:
            report = _gated(request, making, file, made, inputs, backends)
            verdict = report.verdict
        elif not not_run:
            comparisons, feeds = compare_with_paddle(
                file, source, onnx, backends, request.shapes, request.feed
            )
            verdict = overall(comparisons)
        record = precision_record(options, target.format, made, inputs, report)
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
            comparisons=tuple(comparisons),
            feeds=tuple(feeds),
            gate=report,
            onnx_sha256=sha256([onnx.path]),
            facts=made.facts,
            not_run=not_run,
        )
        path = path_by_verdict(request.path, verdict, request.keep)
        return replace(done, written=None) if path is None else name_file(done, path)


def _gated(
    request: _TargetRequest,
    making: Making,
    file: Artifact,
    made: MadeFile,
    inputs: GateInputs,
    backends: Mapping[str, str],
) -> GateReport:
    precision = request.options.precision or "fp32"
    rows, tolerance = check_by_gate(file, inputs, backends, precision)
    verdict, advice = verdict_of(rows), None
    if verdict == "failed":
        advice = find_layers_to_keep(
            making, file, inputs, backends, request.timeout_s, request.progress
        )
    return GateReport(
        verdict=verdict,
        rows=rows,
        tolerance=tolerance,
        keep_fp32=request.options.keep_fp32,
        kept_fp32=made.kept_fp32,
        advice=advice,
        pictures=examples_record(inputs.gate),
        calibration=examples_record(inputs.calibration) if inputs.calibration else None,
        fp32_bytes=request.onnx.path.stat().st_size,
    )


def _as_range(shape: Sequence[int] | ShapeRange) -> ShapeRange:
    return shape if isinstance(shape, ShapeRange) else ShapeRange.only(tuple(shape))


def _pixels(source: SourceModel) -> PixelInput:
    rules = source.preprocess
    spec = pixel_input(source.program.inputs, rules, source.preprocess_unknown)
    if rules is None:  # which is refused by now
        raise UsageError(source.preprocess_unknown)
    return PixelInput(spec, rules, rules)
