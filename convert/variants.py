"""The files of one model that ``tune`` tries: its proven conversion, and an int8 one of it."""

import hashlib
import json
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from paddleport.convert.cached import cached_onnx
from paddleport.convert.paddle2onnx.opsets import DEFAULT_OPSET
from paddleport.convert.precision.make import PRESET, make_candidate, nncf_version
from paddleport.convert.precision.pipeline import (
    CALIBRATION_PICTURES,
    DEFAULT_TIMEOUT_S,
    calibration_pictures,
)
from paddleport.convert.precision.wanted import Wanted, described
from paddleport.convert.steps import Progress
from paddleport.errors import PortError
from paddleport.files import sha256, write_atomically
from paddleport.models.artifact import Artifact
from paddleport.models.cache import cached_folder
from paddleport.models.onnx.onnx_file import (
    onnx_tensors,
    read_onnx_model,
    read_onnx_proto,
    write_metadata,
)
from paddleport.models.resolve import SourceModel
from paddleport.runners.base import Precision
from paddleport.runners.tasks.classify import find_pictures
from paddleport.validate.tune.candidate import Variant
from paddleport.worker import run_in_worker

INT8 = Wanted("int8", "onnx")
BY_CHANNEL = Wanted("int8", "onnx", ranges="channel")
_FILE = "model.onnx"


def variants_of(
    source: SourceModel,
    *,
    opset: int = DEFAULT_OPSET,
    precisions: Collection[Precision] = (),
    calibrate: Path | None = None,
    progress: Progress = lambda step, share: None,
) -> tuple[list[Variant], list[str]]:
    """The proven conversion, and int8 files where NNCF is installed.

    The int8 files are not judged yet: that is for the gate.

    Args:
        source: the model.
        opset: of all files.
        precisions: those that are wanted; empty is all.
        calibrate: pictures that int8 takes ranges from; by default drawn ones.
        progress: told each step and the share done.

    Returns:
        The files, fp32 first, and what could not be made, a sentence each.
    """
    onnx = cached_onnx(source, opset=opset, progress=progress)
    found = [Variant("fp32", onnx)]
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
            Variant("int8", plain),
            Variant("int8", by_channel, "int8-by-channel", ("openvino",)),
        ]
        return found, []
    except PortError as error:
        return found, [f"int8 is not tried: {error}"]


def _quantised(
    source: SourceModel, onnx: Artifact, calibrate: Path | None, wanted: Wanted
) -> Artifact:
    """An int8 file from the cache, or made now."""
    given = sha256(find_pictures([str(calibrate)])) if calibrate else None
    key = {
        "onnx": sha256([onnx.path]),
        "nncf": nncf_version(),
        "preset": PRESET,
        "ranges": wanted.ranges,
        "pictures": given or CALIBRATION_PICTURES,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]

    def build(folder: Path) -> None:
        (spec,), _ = onnx_tensors(onnx.path)
        pictures = calibration_pictures(source, spec, calibrate)
        file = folder / _FILE
        feeds = pictures.feeds(spec)
        made = run_in_worker(make_candidate, DEFAULT_TIMEOUT_S, onnx.path, file, wanted, feeds)
        proto = read_onnx_proto(file)
        lowered = {
            "precision": "int8",
            "tools": dict(made.tools),
            "settings": dict(made.settings),
            "calibration": described(pictures),
            "gate": None,
        }
        told = {**onnx.provenance, "lowered": lowered}
        write_metadata(proto, preprocess=onnx.preprocess, labels=onnx.labels, provenance=told)
        write_atomically(file, proto.SerializeToString(deterministic=True))

    return read_onnx_model(cached_folder(f"conversions/{source.name}-int8-{digest}", build) / _FILE)
