"""MNN's file, written by MNN's own converter out of an ONNX file."""

import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from paddleport.convert.mnn.mnn_converter import INSTALL, SETTINGS, convert_by_mnn
from paddleport.convert.mnn.mnn_fixups import write_for_mnn
from paddleport.convert.mnn.mnn_sizes import try_sizes
from paddleport.convert.precision.mnn_int8 import MnnQuantization, quantize_mnn
from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import BackendUnavailableError, ConversionError, UsageError, WorkerCrashed
from paddleport.models.artifact import Artifact
from paddleport.models.mnn.mnn_file import read_mnn
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners.mnn.mnn_runner import ONE_BY_ONE
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Feed
from paddleport.worker import run_in_worker

if TYPE_CHECKING:
    from onnx import ModelProto


_QUANTIZER_TIMEOUT_S = 1700.0  # within the target's own


class MnnTarget(Target):
    """An .mnn in fp32, with its weights stored in fp16, or quantised to int8 by MNN."""

    name: ClassVar[str] = "mnn"
    format: ClassVar[str] = "mnn"
    suffix: ClassVar[str] = ".mnn"
    fixed_suffix: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "int8")
    lowers: ClassVar[tuple[Precision, ...]] = ("fp16", "int8")
    distributions: ClassVar[tuple[str, ...]] = ("MNN",)
    parts: ClassVar[tuple[str, ...]] = (
        "paddleport.convert.mnn",
        "paddleport.convert.precision.mnn_int8",
    )

    @classmethod
    def check_options(cls, options: TargetOptions) -> None:
        """As every target's; fp16 is of all weights or none."""
        if options.keep_fp32 and options.precision == "fp16":
            raise UsageError("MNN stores all weights in fp16 or none: leave --keep-fp32 out")
        super().check_options(options)

    @classmethod
    def check_here(cls, options: TargetOptions) -> None:
        """MNN's wheel."""
        _version()

    def make(
        self, onnx: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Rewrite what MNN misreads, convert, and try what it made on several sizes."""
        flags = ("fp16",) if options.precision == "fp16" else ()
        with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
            source, fixups = write_for_mnn(onnx.path, Path(folder, "for-mnn.onnx"))
            chosen: dict[str, Any] = dict(SETTINGS)
            kept: Mapping[str, str] = {}
            if options.precision == "int8":
                plain = Path(folder, "fp32.mnn")
                convert_by_mnn(source, plain, chosen)
                done = _quantized(plain, path, onnx.path, calibration, options)
                chosen |= done.settings
                kept = done.kept_fp32
            else:
                convert_by_mnn(source, path, chosen, flags)
        inputs, outputs = onnx_tensors(onnx.path)
        made = Artifact(format=self.format, files=(path,), inputs=inputs, outputs=outputs)
        _check_tensors(made)
        sizes = try_sizes(made, onnx.path, onnx.preprocess.size if onnx.preprocess else None)
        settings = {**chosen, "fp16": bool(flags), "fixups": list(fixups)}
        facts = {}
        if not sizes.batch:
            settings |= ONE_BY_ONE
            facts["batches"] = "one example at a time: MNN does not take more of this model"
        if not sizes.others:
            facts["sizes"] = "fixed: MNN does not take others of this model"
        return MadeFile(
            files=(path,),
            tools={"MNN": _version()},
            settings=settings,
            kept_fp32=kept,
            facts=facts,
            inputs=sizes.inputs,
            outputs=sizes.outputs,
        )

    def graph(self, artifact: Artifact, shapes: Mapping[str, tuple[int, ...]]) -> "ModelProto":
        """By MNN's own dump of the file."""
        from paddleport.models.mnn.as_onnx import as_onnx

        return as_onnx(artifact)


def _quantized(
    plain: Path, path: Path, onnx: Path, calibration: Sequence[Feed], options: TargetOptions
) -> MnnQuantization:
    """MNN's quantiser in a process of its own: it ends some models' with a crash."""
    try:
        return run_in_worker(
            quantize_mnn, _QUANTIZER_TIMEOUT_S, plain, path, onnx, list(calibration), options
        )
    except WorkerCrashed as error:
        raise ConversionError(
            f"MNN's quantiser does not survive this model: it ended with {error.reason}; leave "
            "--precision int8 out"
        ) from error


def _check_tensors(made: Artifact) -> None:
    """Hold what the converter wrote against what the ONNX file takes and gives.

    An input that nothing is computed of is left out; the runner takes it and drops it.
    """
    graph = read_mnn(made.path)
    found = {spec.name for spec in graph.inputs}
    if not found:
        raise ConversionError("MNN runs no model that is computed of no input")
    strange = found - {spec.name for spec in made.inputs}
    lost = [spec.name for spec in made.outputs if spec.name not in graph.outputs]
    if strange or lost:
        raise ConversionError(
            f"MNN's converter has lost or renamed tensors of this model: {', '.join(lost)}"
            f"{', '.join(sorted(strange))}"
        )


def _version() -> str:
    try:
        return version("MNN")
    except PackageNotFoundError:
        raise BackendUnavailableError(INSTALL) from None
