"""MNN's file, written by MNN's own converter out of an ONNX file."""

import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar

from paddleport.convert.mnn.mnn_converter import INSTALL, SETTINGS, convert_by_mnn
from paddleport.convert.mnn.mnn_fixups import write_for_mnn
from paddleport.convert.mnn.mnn_sizes import try_sizes
from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import BackendUnavailableError, ConversionError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.mnn.mnn_file import read_mnn
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners.mnn.mnn_runner import ONE_BY_ONE
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed


class MnnTarget(Target):
    """An .mnn in fp32, or with its weights stored in fp16."""

    name: ClassVar[str] = "mnn"
    format: ClassVar[str] = "mnn"
    suffix: ClassVar[str] = ".mnn"
    fixed_suffix: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16")
    lowers: ClassVar[tuple[Precision, ...]] = ("fp16",)
    distributions: ClassVar[tuple[str, ...]] = ("MNN",)

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
            convert_by_mnn(source, path, *flags)
        inputs, outputs = onnx_tensors(onnx.path)
        made = Artifact(format=self.format, files=(path,), inputs=inputs, outputs=outputs)
        _check_tensors(made)
        sizes = try_sizes(made, onnx.path, onnx.preprocess.size if onnx.preprocess else None)
        settings = {**SETTINGS, "fp16": bool(flags), "fixups": list(fixups)}
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
            facts=facts,
            inputs=sizes.inputs,
            outputs=sizes.outputs,
        )

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """The file's graph back as ONNX, in the float64 reference."""
        from paddleport.models.mnn.as_onnx import as_onnx
        from paddleport.runners.reference import ReferenceRunner

        with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
            file = Path(folder, "read-back.onnx")
            file.write_bytes(as_onnx(artifact).SerializeToString())
            with ReferenceRunner(onnx_artifact(file)) as runner:
                return [runner.run(feed) for feed in feeds]


def _check_tensors(made: Artifact) -> None:
    """Hold what the converter wrote against what the ONNX file takes and gives.

    An input that nothing is computed of is left out; the runner takes it and drops it.
    """
    graph = read_mnn(made.path)
    found = {spec.name for spec in graph.inputs}
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
