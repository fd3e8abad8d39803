"""Engines of TensorRT, for this machine's GPU, and of TensorRT-RTX, for any."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar

from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners.gpu import need_gpu
from paddleport.runners.runner_options import Precision, ranges_for
from paddleport.runners.tensorrt.engine_build import EngineSettings, build_engine
from paddleport.runners.tensorrt.library import TENSORRT, TENSORRT_RTX, Library
from paddleport.runners.tensorrt.parse import check_precision
from paddleport.tensors import Feed


class TensorRtTarget(Target):
    """An engine for the GPU of this machine; building it takes that GPU."""

    name: ClassVar[str] = "tensorrt"
    format: ClassVar[str] = "tensorrt"
    suffix: ClassVar[str] = ".engine"
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "bf16", "int8")
    lowers: ClassVar[tuple[Precision, ...]] = ("fp16", "bf16", "int8")
    choices: ClassVar[tuple[str, ...]] = ("shapes", "compute_capabilities", "tf32")
    timeout_s: ClassVar[float] = 3600.0  # TensorRT times every kernel it knows
    library: ClassVar[Library] = TENSORRT
    distributions: ClassVar[tuple[str, ...]] = TENSORRT.distributions

    @classmethod
    def file_name(cls, model: str, precision: Precision) -> str:
        """With the library's name, since engines of the two are not the same."""
        return f"{model}.{cls.name}{cls.suffix}"

    @classmethod
    def check_here(cls, options: TargetOptions) -> None:
        """TensorRT itself builds on the GPU that it builds for."""
        if not cls.library.rtx:
            need_gpu(cls.name)

    def check(self, onnx: Artifact, options: TargetOptions) -> TargetOptions:
        """The precision that the file can have, and a range for every input."""
        inputs, _ = onnx_tensors(onnx.path)
        return replace(
            options,
            precision=check_precision(onnx.path, options.precision, self.name),
            shapes=ranges_for(inputs, options.shapes, self.name),
        )

    def make(
        self, onnx: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Parse, cast and build."""
        wanted = EngineSettings(
            precision=options.precision or "fp32",
            ranges=options.shapes,
            tf32=options.tf32,
            capabilities=options.compute_capabilities,
        )
        engine = build_engine(self.library, onnx.path, wanted)
        path.write_bytes(engine.content)
        library, _, library_version = engine.facts.library.partition(" ")
        profile = {name: asdict(shapes) for name, shapes in options.shapes.items()}
        return MadeFile(
            files=(path,),
            tools={library: library_version},
            settings={
                "precision": engine.facts.computes_in,
                "tf32": engine.facts.tf32,
                "profile": profile,
            },
            facts={"profile": profile, **asdict(engine.facts)},
            inputs=engine.facts.inputs,
            outputs=engine.facts.outputs,
        )


class TensorRtRtxTarget(TensorRtTarget):
    """An engine that finishes compiling where it is loaded; building it takes no GPU."""

    name: ClassVar[str] = "tensorrt-rtx"
    format: ClassVar[str] = "tensorrt-rtx"
    library: ClassVar[Library] = TENSORRT_RTX
    distributions: ClassVar[tuple[str, ...]] = TENSORRT_RTX.distributions
