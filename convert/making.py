"""One file of a target out of a proven ONNX file: made in a process of its own, not checked yet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paddleport.convert.precision.lowering import PrecisionChange, lower_onnx
from paddleport.convert.provenance import PRECISION, step, with_step
from paddleport.convert.targets import MadeFile, Target, TargetOptions
from paddleport.errors import ConversionError, PortError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import external_files, onnx_tensors
from paddleport.models.recognize import sidecar
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Feed
from paddleport.worker import run_in_worker

_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class Making:
    """What is made, and out of what.

    Attributes:
        target: the class.
        onnx: the proven file, float32 or what it was converted to by somebody else.
        options: settled by the target's ``check``.
        calibration: feeds that int8 takes its ranges from.
    """

    target: type[Target]
    onnx: Artifact
    options: TargetOptions
    calibration: Sequence[Feed] = ()

    def run(self, path: Path, timeout_s: float) -> tuple[Artifact, MadeFile]:
        """Write the file as ``path``, the precision step first where the target takes no part.

        Raises:
            PortError: as ``lower_onnx`` and the target's ``make`` do.
        """
        made, lowered = run_in_worker(_make, timeout_s, self, path)
        provenance = dict(self.onnx.provenance)
        digest = sha256([self.onnx.path, *external_files(self.onnx.path)])
        if lowered is not None:
            provenance = with_step(
                provenance,
                step(
                    PRECISION,
                    tools=lowered.tools,
                    options=self._precision_options(lowered.settings),
                    input_sha256=digest,
                ),
            )
        if self.target.format != "onnx":
            own = self._precision_options(made.settings) if lowered is None else made.settings
            added = step(self.target.name, tools=made.tools, options=own, input_sha256=digest)
            provenance = with_step(provenance, added)
        inputs, outputs = onnx_tensors(self.onnx.path)
        file = Artifact(
            format=self.target.format,
            files=made.files,
            inputs=made.inputs or inputs,
            outputs=made.outputs or outputs,
            preprocess=self.onnx.preprocess,
            labels=self.onnx.labels,
            provenance=provenance,
            input_format=self.onnx.input_format,
        )
        if lowered is not None:
            made = replace(
                made,
                tools={**lowered.tools, **made.tools},
                settings={**lowered.settings, **made.settings},
                kept_fp32={**lowered.kept_fp32, **made.kept_fp32},
            )
        return file, made

    def _precision_options(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        precision = self.options.precision or "fp32"
        return {"precision": precision, "keep_fp32": list(self.options.keep_fp32), **settings}


def _make(making: Making, path: Path) -> tuple[MadeFile, PrecisionChange | None]:
    """In a process of its own: converters and quantisers crash, and take what memory they like."""
    target, options, onnx = making.target, making.options, making.onnx
    if options.precision in (None, "fp32", *target.lowers):
        return _made_by(target, onnx, path, options, making.calibration), None
    lowered_file = path.with_name(f"{path.stem}.lowered.onnx")
    lowered = lower_onnx(onnx.path, lowered_file, options, making.calibration)
    try:
        lowered_onnx = onnx_artifact(lowered_file)
        return _made_by(target, lowered_onnx, path, options, ()), lowered
    finally:
        lowered_file.unlink(missing_ok=True)


def _made_by(
    target: type[Target],
    onnx: Artifact,
    path: Path,
    options: TargetOptions,
    calibration: Sequence[Feed],
) -> MadeFile:
    """What a target makes; whatever else it raises, and a file that is not there, is one line."""
    try:
        made = target().make(onnx, path, options, calibration)
    except PortError:
        raise
    except Exception as error:  # converters raise what they like; the cause is kept
        raise ConversionError(
            f"{target.name} does not make this model: {type(error).__name__}: {one_line(error)}"
        ) from error
    return checked_files(target, made, path)


def checked_files(target: type[Target], made: MadeFile, path: Path) -> MadeFile:
    """What a target says that it has written, held against what is there.

    Raises:
        ConversionError: a file is not there, is empty, or is named so that it could not stand
            beside others; or what is reported of it is no plain value.
    """
    if not isinstance(made, MadeFile) or not made.files or made.files[0] != path:
        raise ConversionError(f"{target.name} gives no MadeFile with {path.name} first")
    names = [file.name for file in made.files]
    for file in made.files:
        if file.parent != path.parent or not file.is_file() or not file.stat().st_size:
            raise ConversionError(f"{target.name} has written no {file.name}, or an empty one")
        if not file.name.startswith(path.stem) or names.count(file.name) > 1:
            raise ConversionError(
                f"{target.name} has written {file.name}: what belongs to {path.name} is named "
                f"{path.stem} with another ending"
            )
    if sidecar(path) in made.files:
        raise ConversionError(f"{sidecar(path).name} is the name of paddleport's own file")
    try:
        json.dumps([dict(made.facts), dict(made.settings), dict(made.tools)])
    except (TypeError, ValueError) as error:
        raise ConversionError(f"{target.name} reports what is no plain value: {error}") from None
    return made
