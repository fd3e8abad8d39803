"""ONNX: what Paddle2ONNX writes, and what every other target is made of."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.models.artifact import Artifact
from paddleport.runners import open_runner
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed


class OnnxTarget(Target):
    """The pipeline's own file: its first steps make it, and its precision step lowers it."""

    name: ClassVar[str] = "onnx"
    format: ClassVar[str] = "onnx"
    suffix: ClassVar[str] = ".onnx"
    fixed_suffix: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "bf16", "int8")
    parts: ClassVar[tuple[str, ...]] = ("paddleport.convert.precision.lowering",)

    @classmethod
    def check_here(cls, options: TargetOptions) -> None:
        """NNCF for int8."""
        if options.precision == "int8":
            from paddleport.convert.precision.lowering import nncf_version

            nncf_version()

    def make(
        self, onnx: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Copy the file: it is in the precision that was asked for by now."""
        shutil.copyfile(onnx.path, path)
        return MadeFile(files=(path,), tools={})

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """The graph in float64, on no vendor's runtime."""
        with open_runner("reference", artifact) as runner:
            return [runner.run(feed) for feed in feeds]
