"""The files of one model that ``tune`` tries: its proven conversion, and others in less."""

from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from paddleport import runners
from paddleport.convert.artifact_cache import cached_artifact, cached_onnx
from paddleport.convert.making import Making, paddle_model
from paddleport.convert.paddle2onnx.supported import DEFAULT_OPSET
from paddleport.convert.precision.gate_inputs import CALIBRATION_PICTURES, calibration_pictures
from paddleport.convert.provenance import examples_record
from paddleport.convert.targets import Target, TargetOptions, target_class, target_for
from paddleport.errors import PortError, UsageError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress, no_progress
from paddleport.runners.preprocessing.picture_files import find_pictures
from paddleport.runners.runner_options import Precision
from paddleport.validate.tune.candidate import ModelVariant

INT8 = TargetOptions(precision="int8")
BY_CHANNEL = TargetOptions(precision="int8", activation_ranges="channel")
_READ_HERE = {"onnx", "paddle"}  # formats of files that are there without another target


def variants_of(
    source: SourceModel,
    *,
    opset: int = DEFAULT_OPSET,
    precisions: Collection[Precision] = (),
    backends: Sequence[str] = (),
    calibrate: Path | None = None,
    progress: Progress = no_progress,
) -> tuple[list[ModelVariant], list[str]]:
    """The proven conversion, and files in lower precisions.

    int8 as ONNX where NNCF is installed; and for each backend that loads no ONNX what the target
    that makes its format offers. None of these is checked yet: that is for the gate.

    Args:
        source: the model.
        opset: of all files.
        precisions: those that are wanted; empty is all.
        backends: which files are for; empty is all that can be used here.
        calibrate: pictures that int8 takes ranges from; by default drawn ones.
        progress: called with each step and the share done.

    Returns:
        The files, the conversion first, and what could not be made, a sentence each.
    """
    onnx = cached_onnx(source, opset=opset, progress=progress)
    found = [ModelVariant(precision="fp32", file=onnx)]
    named = backends or [name for name in runners.default_names() if not _why_not(name)]
    formats = {name: runners.runner_class(name).formats for name in named}
    without: list[str] = []
    if "int8" in (precisions or ("int8",)) and any("onnx" in it for it in formats.values()):
        made, reasons = _int8_onnx(source, onnx, calibrate, progress)
        found += made
        without += reasons
    for name, its in formats.items():
        if _READ_HERE.isdisjoint(its):
            for precision in _lowered_by_target(its, precisions):
                progress(f"make {name}'s file in {precision}", None)
                try:
                    file = lowered_variant(
                        source, onnx, precision=precision, formats=its, calibrate=calibrate
                    )
                except PortError as error:
                    without.append(f"{name}'s file in {precision} is not tried: {error}")
                    continue
                found.append(_of_backend(name, precision, file))
    return found, without


def _why_not(name: str) -> str:
    """Why a backend takes no part; ``tune`` says it of those that were named."""
    try:
        return runners.why_not(name)
    except PortError as error:
        return str(error)


def _of_backend(name: str, precision: Precision, file: Artifact) -> ModelVariant:
    """A runtime may compute in fp16 or bf16 by itself as well, and never in int8."""
    title = precision if precision == "int8" else f"{precision}-file"
    return ModelVariant(precision=precision, file=file, name=title, backends=(name,))


def _lowered_by_target(
    formats: Sequence[str], precisions: Collection[Precision]
) -> Iterator[Precision]:
    """What the target of a backend's format can be asked for, of what is wanted."""
    try:
        target = target_for(tuple(formats))
    except UsageError:
        return  # nothing makes its plain file either, which its row says
    for precision in target.precisions:
        if precision != "fp32" and precision in (precisions or (precision,)):
            yield precision


def _int8_onnx(
    source: SourceModel, onnx: Artifact, calibrate: Path | None, progress: Progress
) -> tuple[list[ModelVariant], list[str]]:
    if find_spec("nncf") is None:
        return [], [
            "int8 is not tried, as nncf is not installed: pip install 'paddleport[quantize]'"
        ]
    progress("quantise to int8", None)
    target = target_class("onnx")
    try:
        plain = _quantised(source, onnx, target, INT8, calibrate)
        by_channel = _quantised(source, onnx, target, BY_CHANNEL, calibrate)
    except PortError as error:
        return [], [f"int8 is not tried: {error}"]
    name, backends = "int8-by-channel", ("openvino",)
    return [
        ModelVariant(precision="int8", file=plain),
        ModelVariant(precision="int8", file=by_channel, name=name, backends=backends),
    ], []


def lowered_variant(
    source: SourceModel,
    onnx: Artifact,
    *,
    precision: Precision,
    formats: Sequence[str] = ("onnx",),
    calibrate: Path | None = None,
) -> Artifact:
    """The file in a lower precision, from the cache or made now; it is not checked.

    Args:
        source: the model.
        onnx: its proven conversion.
        precision: of the file.
        formats: those that whoever wants it loads; ONNX where it is among them.
        calibrate: pictures that int8 takes ranges from; by default drawn ones.

    Raises:
        UsageError: nothing makes such a file in this precision.
        PortError: as making it does.
    """
    options = TargetOptions(precision=precision)
    target = target_class("onnx") if "onnx" in formats else target_for(tuple(formats))
    target.check_options(options)
    target.check_here(options)
    model = paddle_model(target, source) if target.made_of == "paddle" else onnx
    options = target().check(model, options)
    if precision == "int8":
        return _quantised(source, model, target, options, calibrate)
    making = Making(target=target, model=model, options=options)
    record = {"lowered": {"precision": precision, "calibration": None, "gate": None}}
    return cached_artifact(making, record=record)


def _quantised(
    source: SourceModel,
    model: Artifact,
    target: type[Target],
    options: TargetOptions,
    calibrate: Path | None,
) -> Artifact:
    """An int8 file from the cache, or made now."""
    inputs = onnx_tensors(model.path)[0] if model.format == "onnx" else model.inputs
    given = sha256(find_pictures([str(calibrate)])) if calibrate else None
    pictures = calibration_pictures(source, inputs, calibrate)
    making = Making(
        target=target,
        model=model,
        options=options,
        calibration=pictures.held_feeds(*inputs),
    )
    return cached_artifact(
        making,
        calibration=given or f"{CALIBRATION_PICTURES} drawn",
        record={
            "lowered": {"precision": "int8", "calibration": examples_record(pictures), "gate": None}
        },
    )
