"""ncnn's pair of files, which pnnx makes out of an ONNX file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from paddleport.convert.ncnn.float64_evaluation import evaluate_ncnn
from paddleport.convert.ncnn.int8_quantizer import quantize_ncnn
from paddleport.convert.ncnn.onnx_counterparts import kept_places
from paddleport.convert.ncnn.pnnx_binary import VERSION, pnnx_binary
from paddleport.convert.ncnn.pnnx_conversion import convert_by_pnnx
from paddleport.convert.ncnn.trial_run import as_found, check_free_sizes, fixed_inputs, tried
from paddleport.convert.precision.lowering import named
from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import BackendUnavailableError, ConversionError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.ncnn.graph_to_onnx import as_onnx
from paddleport.models.ncnn.ncnn_file import read_ncnn
from paddleport.models.onnx.onnx_file import onnx_tensors, read_onnx_proto, weights_precision
from paddleport.runners.ncnn import NcnnRunner
from paddleport.runners.runner_options import Precision, check_ranges
from paddleport.tensors import Array, Feed, ShapeRange, TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto


class NcnnTarget(Target):
    """A .param with its .bin, by pnnx, run once before it is believed; fp16 as it stores weights.

    ncnn knows no batch: what a file takes is one example, and the runner gives it one after the
    other. Sizes that the ONNX file leaves free are fixed, unless a range is asked for.
    """

    name: ClassVar[str] = "ncnn"
    format: ClassVar[str] = "ncnn"
    suffix: ClassVar[str] = ".ncnn.param"
    fixed_suffix: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "int8")
    lowers: ClassVar[tuple[Precision, ...]] = ("fp16", "int8")
    choices: ClassVar[tuple[str, ...]] = ("shapes",)
    distributions: ClassVar[tuple[str, ...]] = ("ncnn",)
    parts: ClassVar[tuple[str, ...]] = (
        "paddleport.convert.ncnn",
        "paddleport.convert.precision.lowering",
        "paddleport.models.ncnn",
    )

    @classmethod
    def check_options(cls, options: TargetOptions) -> None:
        """As every target's; bf16 is no precision of a file here, and fp16 keeps no layers."""
        if options.precision == "bf16":
            raise UsageError(
                "ncnn's weights are not stored in bf16: write the file in fp32 and run it with "
                "--precision bf16"
            )
        if options.keep_fp32 and options.precision != "int8":
            raise UsageError("--keep-fp32 is of int8 and of ONNX files: ncnn's fp16 is of all")
        super().check_options(options)

    @classmethod
    def check_here(cls, options: TargetOptions) -> None:
        """Pnnx, fetched if need be, and ncnn to try the file with."""
        _version()
        pnnx_binary()

    def check(self, onnx: Artifact, options: TargetOptions) -> TargetOptions:
        """The ONNX file is in fp32, and every free size is given, or the preprocessing's."""
        own = weights_precision(onnx.path)
        if own != "fp32":
            raise UsageError(
                f"{onnx.path.name} is in {own}, and pnnx is given fp32: convert the fp32 file with "
                "--precision"
            )
        inputs, _ = onnx_tensors(onnx.path)
        check_ranges(inputs, options.shapes)
        shapes = {spec.name: self._range(spec, onnx, options) for spec in inputs}
        return replace(options, shapes=shapes)

    def _range(self, spec: TensorSpec, onnx: Artifact, options: TargetOptions) -> ShapeRange:
        if spec.name in options.shapes:
            return options.shapes[spec.name]
        size = onnx.preprocess.size if onnx.preprocess else None
        shape = [1 if item is None and not place else item for place, item in enumerate(spec.shape)]
        if size is not None and len(shape) == 4 and shape[2:] == [None, None]:
            shape[2:] = size
        fixed = tuple(item for item in shape if item is not None)
        if len(fixed) < len(shape):
            example = ",".join(str(item or 224) for item in shape)
            raise UsageError(
                f"ncnn's files are made for sizes, and {spec} leaves some free: give them, such as "
                f"--shape {spec.name}={example}"
            )
        return ShapeRange.only(fixed)

    def make(
        self, onnx: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Run pnnx in a folder of its own, give the tensors their names back, and try the file."""
        _version()
        inputs, outputs = onnx_tensors(onnx.path)
        _check_types(outputs)
        shapes = self.check(onnx, options).shapes
        looped = all(spec.shape[:1] == (None,) for spec in (*inputs, *outputs))
        if looped:
            shapes = {name: _one_example(wanted) for name, wanted in shapes.items()}
        half = options.precision == "fp16"
        made = convert_by_pnnx(onnx.path, path, inputs, shapes, half=half)
        settings, kept = dict(made.settings), dict[str, str]()
        file = Artifact(
            format=self.format,
            files=made.files,
            inputs=fixed_inputs(inputs, shapes, looped=looped),
            outputs=outputs,
            provenance={"steps": [{"step": self.name, "options": settings}]},
        )
        found = tried(file, shapes)
        sized = (
            as_found(spec, found[spec.name], free=made.free, looped=looped) for spec in outputs
        )
        file = replace(file, outputs=tuple(sized))
        if made.free:
            check_free_sizes(file, onnx, shapes)
        if options.precision == "int8":
            proto = named(read_onnx_proto(onnx.path))
            keep = kept_places(options.keep_fp32, proto, read_ncnn(path, file.weights_file))
            quantized = quantize_ncnn(file, path, calibration, keep)
            settings |= quantized.settings
            kept |= quantized.kept_fp32
            tried(file, shapes)
        return MadeFile(
            files=file.files,
            tools={"pnnx": VERSION, "ncnn": _version()},
            settings=settings,
            kept_fp32=kept,
            facts={"fixed": _narrowed(inputs, file.inputs), "one by one": looped},
            inputs=file.inputs,
            outputs=file.outputs,
        )

    def graph(self, artifact: Artifact, shapes: Mapping[str, tuple[int, ...]]) -> "ModelProto":
        """By the layers of the .param file and the weights of the .bin file."""
        return as_onnx(artifact, shapes)

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """In float64, from what the files say."""
        return evaluate_ncnn(artifact, feeds)


def _version() -> str:
    try:
        return version("ncnn")
    except PackageNotFoundError:
        raise BackendUnavailableError(NcnnRunner.how_to_install()) from None


def _one_example(wanted: ShapeRange) -> ShapeRange:
    low, best, high = ((1, *shape[1:]) for shape in (wanted.min, wanted.opt, wanted.max))
    return ShapeRange(low, best, high)


def _check_types(outputs: Sequence[TensorSpec]) -> None:
    """Refuse outputs of whole numbers: what ncnn gives is float32."""
    for spec in outputs:
        if spec.dtype != "float32":
            raise ConversionError(
                f"output {spec.name} is {spec.dtype}, and ncnn gives float32 only: end the model "
                "before it, such as before its ArgMax"
            )


def _narrowed(
    inputs: Sequence[TensorSpec], made_for: Sequence[TensorSpec]
) -> dict[str, list[int | None]]:
    """Inputs whose free sizes the file has fixed, and to what."""
    return {
        spec.name: list(other.shape)
        for spec, other in zip(inputs, made_for, strict=True)
        if spec.shape != other.shape
    }
