"""One file of a target out of a model: made in a process of its own, not checked yet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paddleport.convert.precision.lowering import PrecisionChange, lower_onnx
from paddleport.convert.provenance import (
    PRECISION,
    source_record,
    step,
    tool_versions,
    with_step,
)
from paddleport.convert.targets import MadeFile, Target, TargetOptions
from paddleport.errors import ConversionError, PortError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import external_files, onnx_tensors
from paddleport.models.recognize import sidecar
from paddleport.models.resolve import SourceModel
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Feed
from paddleport.worker import run_in_worker

_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class Making:
    """What is made, and out of what.

    Attributes:
        target: the class.
        model: the proven ONNX file, float32 or what it was converted to by somebody else; or, for
            a target that is made of it, the Paddle program as ``paddle_model`` gives it.
        options: settled by the target's ``check``.
        calibration: feeds that int8 takes its ranges from.
    """

    target: type[Target]
    model: Artifact
    options: TargetOptions
    calibration: Sequence[Feed] = ()

    @property
    def sha256(self) -> str:
        """Of all the model's files."""
        if self.model.format == "onnx":
            return sha256([self.model.path, *external_files(self.model.path)])
        return sha256(self.model.files)

    def run(self, path: Path, timeout_s: float) -> tuple[Artifact, MadeFile]:
        """Write the file as ``path``, the precision step first where the target takes no part.

        Raises:
            PortError: as ``lower_onnx`` and the target's ``make`` do.
        """
        made, lowered = run_in_worker(_make, timeout_s, self, path)
        provenance, digest = dict(self.model.provenance), self.sha256
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
        inputs, outputs = self.model.inputs, self.model.outputs
        if self.model.format == "onnx":
            inputs, outputs = onnx_tensors(self.model.path)
        file = Artifact(
            format=self.target.format,
            files=made.files,
            inputs=made.inputs or inputs,
            outputs=made.outputs or outputs,
            preprocess=self.model.preprocess,
            labels=self.model.labels,
            provenance=provenance,
            input_format=self.model.input_format,
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


def paddle_model(target: type[Target], source: SourceModel) -> Artifact:
    """The program that a target is made of, with all that is known of it.

    Raises:
        PortError: as the target's ``program_for`` does.
    """
    program = target.program_for(source)
    tools = tool_versions()
    return replace(
        program,
        inputs=source.program.inputs,
        outputs=source.program.outputs,
        preprocess=source.preprocess,
        labels=source.labels,
        provenance={
            "source": source_record(source),
            "made_of": "paddle",
            "tools": {name: tools[name] for name in ("paddleport", "paddlepaddle")},
        },
    )


def _make(making: Making, path: Path) -> tuple[MadeFile, PrecisionChange | None]:
    """In a process of its own: converters and quantisers crash, and take what memory they like."""
    target, options, model = making.target, making.options, making.model
    if options.precision in (None, "fp32", *target.lowers):
        return _made_by(target, model, path, options, making.calibration), None
    lowered_file = path.with_name(f"{path.stem}.lowered.onnx")
    lowered = lower_onnx(model.path, lowered_file, options, making.calibration)
    try:
        lowered_onnx = onnx_artifact(lowered_file)
        return _made_by(target, lowered_onnx, path, options, ()), lowered
    finally:
        lowered_file.unlink(missing_ok=True)


def _made_by(
    target: type[Target],
    model: Artifact,
    path: Path,
    options: TargetOptions,
    calibration: Sequence[Feed],
) -> MadeFile:
    """What a target makes; whatever else it raises, and a file that is not there, is one line."""
    try:
        made = target().make(model, path, options, calibration)
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
    main = path / target.main_file if target.main_file else path
    if not isinstance(made, MadeFile) or not made.files or made.files[0] != main:
        raise ConversionError(f"{target.name} gives no MadeFile with {main.name} first")
    names = [file.name for file in made.files]
    for file in made.files:
        place = path in file.parents if target.main_file else file.parent == path.parent
        if not place or not file.is_file() or not file.stat().st_size:
            raise ConversionError(f"{target.name} has written no {file.name}, or an empty one")
        if target.main_file:
            continue
        if not file.name.startswith(path.stem) or names.count(file.name) > 1:
            raise ConversionError(
                f"{target.name} has written {file.name}: what belongs to {path.name} is named "
                f"{path.stem} with another ending"
            )
    if not target.main_file and sidecar(path) in made.files:
        raise ConversionError(f"{sidecar(path).name} is the name of paddleport's own file")
    try:
        json.dumps([dict(made.facts), dict(made.settings), dict(made.tools)])
    except (TypeError, ValueError) as error:
        raise ConversionError(f"{target.name} reports what is no plain value: {error}") from None
    return made
