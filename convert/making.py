"""One file of a target out of a proven ONNX file: made in a process of its own, not checked yet."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paddleport.convert.conversion import WRITTEN, Conversion, sidecar_of
from paddleport.convert.precision.lowering import PrecisionChange, lower_onnx
from paddleport.convert.provenance import PRECISION, step, with_step
from paddleport.convert.targets import MadeFile, Target, TargetOptions
from paddleport.errors import ConversionError, PortError
from paddleport.files import sha256, write_atomically, writing_atomically
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import onnx_tensors, read_onnx_proto, write_metadata
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
        digest = sha256([self.onnx.path])
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


def path_by_verdict(path: Path, verdict: str, keep: bool) -> Path | None:
    """Where a file goes by its verdict; ``None`` where it goes nowhere."""
    if verdict in WRITTEN:
        return path
    return path.with_suffix(f".{verdict}{path.suffix}") if keep else None


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
    for file in made.files:
        if not file.is_file():
            raise ConversionError(f"{target.name} has written no {file.name}")
    return made


def name_file(done: Conversion, path: Path) -> Conversion:
    """Give a conversion's file its name, with all that it has to say of itself."""
    file = named_artifact(done.artifact, path)
    named = replace(done, written=file)
    if file.format != "onnx":
        write_sidecar(file, named.to_dict())
    return replace(named, size_bytes=sum(item.stat().st_size for item in file.files))


def named_artifact(made: Artifact, path: Path) -> Artifact:
    """Move what was made to ``path``; an ONNX file gets its metadata, others get a JSON file."""
    if made.format == "onnx":
        proto = read_onnx_proto(made.path)
        write_metadata(
            proto,
            preprocess=made.preprocess,
            labels=made.labels,
            provenance=made.provenance,
            input_format=made.input_format,
        )
        write_atomically(path, proto.SerializeToString(deterministic=True))
        return replace(made, files=(path,))
    names = [path, *(path.with_suffix(file.suffix) for file in made.files[1:])]
    for file, name in reversed(list(zip(made.files, names, strict=True))):  # the main file last
        write_file(file, name)
    named = replace(made, files=tuple(names))
    write_sidecar(named, sidecar_of(named))
    return named


def write_sidecar(artifact: Artifact, values: Mapping[str, Any]) -> None:
    """Write the JSON file beside an artifact."""
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    write_atomically(sidecar(artifact.path), text.encode())


def write_file(file: Path, path: Path) -> None:
    """Copy a finished file to its name, whole or not at all."""
    with file.open("rb") as source, writing_atomically(path) as stream:
        shutil.copyfileobj(source, stream, _CHUNK)
