"""A folder of C++ that builds by itself: a program and a library around the model's file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from paddleport.convert.cpp.bundle_writer import copy_sources, write_constants, write_model
from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import BackendUnavailableError, UsageError, unknown_name
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import BUNDLE, ENGINES, FORMAT, Engine, read_bundle
from paddleport.models.onnx.onnx_file import onnx_tensors, weights_precision
from paddleport.runners.cpp.engine_libraries import engine_library, engines_here
from paddleport.runners.cpp.toolchain import find_toolchain
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed, ShapeRange

if TYPE_CHECKING:
    from onnx import ModelProto

DEFAULT: Engine = "openvino"


class CppTarget(Target):
    """``bundle.json``, the engine's model file, and sources that CMake builds."""

    name: ClassVar[str] = "cpp"
    format: ClassVar[str] = FORMAT
    suffix: ClassVar[str] = "-cpp"
    main_file: ClassVar[str] = BUNDLE
    choices: ClassVar[tuple[str, ...]] = ("engine",)
    distributions: ClassVar[tuple[str, ...]] = ("openvino",)
    parts: ClassVar[tuple[str, ...]] = ("paddleport.convert.cpp",)

    @classmethod
    def check_options(cls, options: TargetOptions) -> None:
        """As every target's; an engine that nothing is written for is refused."""
        if options.engine and options.engine not in ENGINES:
            raise UsageError(unknown_name("engine", options.engine, ENGINES))
        super().check_options(options)

    @classmethod
    def check_here(cls, options: TargetOptions) -> None:
        """OpenVINO, where its IR is to be written; a compiler is needed to check it alone."""
        if (options.engine or DEFAULT) == "openvino":
            from paddleport.convert.targets.openvino_ir import OpenVinoTarget

            OpenVinoTarget.check_here(TargetOptions())

    @classmethod
    def options_here(cls, shapes: Mapping[str, ShapeRange]) -> TargetOptions:
        """With the first engine that is here."""
        usable = [engine for engine, missing in engines_here().items() if not missing]
        return TargetOptions(engine=next(iter(usable), DEFAULT))

    @classmethod
    def runs_here(cls, options: TargetOptions) -> str:
        """What is missing to build it."""
        try:
            find_toolchain().check()
            engine_library(cast("Engine", options.engine or DEFAULT))
        except BackendUnavailableError as error:
            return f"its C++ {error}" if str(error).startswith("needs ") else str(error)
        return ""

    def check(self, model: Artifact, options: TargetOptions) -> TargetOptions:
        """The engine; a model in another precision than fp32, or for Pillow, is refused."""
        own = weights_precision(model.path)
        if own != "fp32":
            raise UsageError(f"{model.path.name} is in {own}, and a C++ bundle is made in fp32")
        rules = model.preprocess
        if rules is not None and rules.resize_backend != "cv2":
            raise UsageError(
                f"{_name(model)} is fed with pictures that Pillow resizes, and the C++ of a "
                "bundle resizes with OpenCV, whose pixels are others: --to onnx or --to openvino"
            )
        return replace(options, engine=options.engine or DEFAULT)

    def make(
        self, model: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Write the model for the engine, the constants as data, and copy the sources."""
        engine = cast("Engine", options.engine or DEFAULT)
        copy_sources(path)
        written = write_model(model, path, engine)
        made = write_constants(model, path, engine, written)
        tools = self.tool_versions(options) if engine == "openvino" else {}
        inputs, outputs = onnx_tensors(model.path)
        facts: dict[str, Any] = {"library": f"C++ with {engine}", "engine": engine}
        return MadeFile(
            files=made,
            tools=tools,
            settings={"engine": engine},
            facts=facts,
            inputs=inputs,
            outputs=outputs,
        )

    def graph(self, artifact: Artifact, shapes: Mapping[str, tuple[int, ...]]) -> "ModelProto":
        """As the target of the engine's own file reads it."""
        target, file = _inside(artifact)
        return target.graph(file, shapes)

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """Likewise."""
        target, file = _inside(artifact)
        return target.evaluate(file, feeds)

    @classmethod
    def file_name(cls, model: str, precision: Precision) -> str:
        """A folder's."""
        return f"{model}{cls.suffix}"


def _inside(artifact: Artifact) -> tuple[Target, Artifact]:
    """The engine's own model file, and what makes files of its format."""
    from paddleport.convert.targets.onnx_graph import OnnxTarget
    from paddleport.convert.targets.openvino_ir import OpenVinoTarget

    file = read_bundle(artifact.path).engine_file
    target = OnnxTarget() if file.format == "onnx" else OpenVinoTarget()
    return target, file


def _name(model: Artifact) -> str:
    return str(model.provenance.get("source", {}).get("name", model.path.stem))
