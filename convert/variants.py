"""The files of one model that ``tune`` tries: its proven conversion, and an int8 one of it."""

from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from paddleport.convert.artifact_cache import cached_artifact, cached_onnx
from paddleport.convert.making import Making
from paddleport.convert.paddle2onnx.supported import DEFAULT_OPSET
from paddleport.convert.precision.gate_inputs import CALIBRATION_PICTURES, calibration_pictures
from paddleport.convert.provenance import examples_record
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.errors import PortError
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


def variants_of(
    source: SourceModel,
    *,
    opset: int = DEFAULT_OPSET,
    precisions: Collection[Precision] = (),
    calibrate: Path | None = None,
    progress: Progress = no_progress,
) -> tuple[list[ModelVariant], list[str]]:
    """The proven conversion, and int8 files where NNCF is installed.

    The int8 files are not checked yet: that is for the gate.

    Args:
        source: the model.
        opset: of all files.
        precisions: those that are wanted; empty is all.
        calibrate: pictures that int8 takes ranges from; by default drawn ones.
        progress: called with each step and the share done.

    Returns:
        The files, fp32 first, and what could not be made, a sentence each.
    """
    onnx = cached_onnx(source, opset=opset, progress=progress)
    found = [ModelVariant(precision="fp32", onnx=onnx)]
    if precisions and "int8" not in precisions:
        return found, []
    if find_spec("nncf") is None:
        return found, [
            "int8 is not tried, as nncf is not installed: pip install 'paddleport[quantize]'"
        ]
    progress("quantise to int8", None)
    try:
        plain = _quantised(source, onnx, calibrate, INT8)
        by_channel = _quantised(source, onnx, calibrate, BY_CHANNEL)
        found += [
            ModelVariant(precision="int8", onnx=plain),
            ModelVariant(
                precision="int8", onnx=by_channel, name="int8-by-channel", backends=("openvino",)
            ),
        ]
        return found, []
    except PortError as error:
        return found, [f"int8 is not tried: {error}"]


def lowered_variant(
    source: SourceModel, onnx: Artifact, *, precision: Precision, calibrate: Path | None = None
) -> Artifact:
    """The file in a lower precision, from the cache or made now; it is not checked.

    Raises:
        PortError: as making it does.
    """
    options = TargetOptions(precision=precision)
    target_class("onnx").check_here(options)
    if precision == "int8":
        return _quantised(source, onnx, calibrate, options)
    making = Making(target=target_class("onnx"), model=onnx, options=options)
    record = {"lowered": {"precision": precision, "calibration": None, "gate": None}}
    return cached_artifact(making, record=record)


def _quantised(
    source: SourceModel, onnx: Artifact, calibrate: Path | None, options: TargetOptions
) -> Artifact:
    """An int8 file from the cache, or made now."""
    inputs, _ = onnx_tensors(onnx.path)
    given = sha256(find_pictures([str(calibrate)])) if calibrate else None
    pictures = calibration_pictures(source, inputs, calibrate)
    making = Making(
        target=target_class("onnx"),
        model=onnx,
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
