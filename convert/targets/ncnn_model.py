"""ncnn's pair of files, which pnnx makes out of an ONNX file."""

import importlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar

import numpy as np

from paddleport.convert.ncnn.blob_renaming import named_like_model
from paddleport.convert.ncnn.float64_evaluation import evaluate_ncnn
from paddleport.convert.ncnn.int8_quantizer import quantize_ncnn
from paddleport.convert.ncnn.onnx_counterparts import kept_places
from paddleport.convert.ncnn.pnnx_binary import VERSION, PnnxFiles, pnnx_binary, run_pnnx
from paddleport.convert.ncnn.pnnx_input import PnnxInput, write_pnnx_input
from paddleport.convert.precision.lowering import named
from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import BackendUnavailableError, ConversionError, PortError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.ncnn.ncnn_graph import NcnnGraph
from paddleport.models.ncnn.ncnn_names import BATCHED
from paddleport.models.ncnn.param_text import param_text, read_param
from paddleport.models.onnx.onnx_file import onnx_tensors, read_onnx_proto, weights_precision
from paddleport.runners.ncnn import NcnnRunner, unknown_layers
from paddleport.runners.runner_options import Precision, check_ranges
from paddleport.tensors import Array, Feed, ShapeRange, TensorSpec

_PNNX_TIMEOUT_S = 900.0


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
        shapes = self.check(onnx, options).shapes
        looped = _looped(inputs, outputs)
        if looped:
            shapes = {name: _one_example(wanted) for name, wanted in shapes.items()}
        weights = path.with_suffix(".bin")
        with tempfile.TemporaryDirectory(prefix="paddleport-pnnx-") as name:
            source = Path(name) / "m.onnx"
            given = write_pnnx_input(onnx.path, source, inputs, shapes)
            half = options.precision == "fp16"
            made = run_pnnx(
                source, given.shapes, given.larger, half=half, timeout_s=_PNNX_TIMEOUT_S
            )
            layers = read_param(made.param)
            _check_operators(made, NcnnGraph(layers))
            names = tuple(spec.name for spec in inputs)
            graph = named_like_model(NcnnGraph(layers), names, given.outputs, given.copies)
            path.write_text(param_text(graph), "utf-8")
            if made.weights.stat().st_size:
                weights.write_bytes(made.weights.read_bytes())
        batched = _batched(names, given, made)
        settings = {
            "inputshape": given.shapes,
            "inputshape2": given.larger,
            "fp16": half,
            "optlevel": 2,
            "fixups": list(given.fixups),
            BATCHED: batched,
        }
        file = Artifact(
            format=self.format,
            files=(path, weights) if weights.is_file() else (path,),
            inputs=_fixed(inputs, shapes, looped=looped),
            outputs=outputs,
            provenance={"steps": [{"step": self.name, "options": settings}]},
        )
        found = _tried(file, shapes)
        free = bool(given.larger)
        file = replace(
            file,
            outputs=tuple(
                _as_found(spec, found[spec.name], free=free, looped=looped) for spec in outputs
            ),
        )
        fixed = {
            spec.name: list(made_for.shape)
            for spec, made_for in zip(inputs, file.inputs, strict=True)
            if spec.shape != made_for.shape
        }
        kept: Mapping[str, str] = {}
        if options.precision == "int8":
            proto = named(read_onnx_proto(onnx.path))
            keep = kept_places(options.keep_fp32, proto, NcnnGraph(read_param(path)))
            quantized = quantize_ncnn(file, path, calibration, keep)
            settings, kept = settings | quantized.settings, quantized.kept_fp32
            _tried(file, shapes)
        return MadeFile(
            files=file.files,
            tools={"pnnx": VERSION, "ncnn": _version()},
            settings=settings,
            kept_fp32=kept,
            facts={"fixed": fixed, "one by one": looped},
            inputs=file.inputs,
            outputs=file.outputs,
        )

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """In float64, from what the files say."""
        return evaluate_ncnn(artifact, feeds)


def _version() -> str:
    try:
        return version("ncnn")
    except PackageNotFoundError:
        raise BackendUnavailableError(NcnnRunner.how_to_install()) from None


def _looped(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> bool:
    """Whether every tensor begins with a free batch, so that examples can be given one by one."""
    return all(spec.shape[:1] == (None,) for spec in (*inputs, *outputs))


def _one_example(wanted: ShapeRange) -> ShapeRange:
    low, best, high = ((1, *shape[1:]) for shape in (wanted.min, wanted.opt, wanted.max))
    return ShapeRange(low, best, high)


def _batched(names: Sequence[str], given: PnnxInput, made: PnnxFiles) -> list[str]:
    """The model's names of the tensors that ncnn takes or gives without a batch axis."""
    numbered = {f"in{place}": name for place, name in enumerate(names)}
    numbered |= {f"out{place}": name for place, name in enumerate(given.outputs)}
    found = [name for number, name in numbered.items() if number in made.batched]
    return found + [copy for copy, origin in given.copies.items() if origin in found]


def _check_operators(made: PnnxFiles, graph: NcnnGraph) -> None:
    """Refuse what pnnx wrote though it has not converted it, or not with all of its settings."""
    unknown = [*made.refused, *unknown_layers(importlib.import_module("ncnn"), graph)]
    if unknown:
        raise ConversionError(
            f"ncnn has no {', '.join(dict.fromkeys(unknown))}, which this model needs: pnnx "
            f"{VERSION} does not convert it"
        )


def _fixed(
    specs: Sequence[TensorSpec], shapes: Mapping[str, ShapeRange], *, looped: bool
) -> tuple[TensorSpec, ...]:
    """Inputs with the sizes that the file was made for; free are the batch, and given ranges."""
    found = []
    for spec in specs:
        wanted = shapes[spec.name]
        sizes = [
            low if low == high else None for low, high in zip(wanted.min, wanted.max, strict=True)
        ]
        if looped:
            sizes[0] = None
        found.append(replace(spec, shape=tuple(sizes)))
    return tuple(found)


def _tried(file: Artifact, shapes: Mapping[str, ShapeRange]) -> dict[str, Array]:
    """What the file gives for zeros: pnnx ends well though ncnn can't load or run what it wrote.

    Raises:
        ConversionError: it can't.
    """
    feed = {spec.name: np.zeros(shapes[spec.name].opt, spec.dtype) for spec in file.inputs}
    try:
        with NcnnRunner(file) as runner:
            return runner.run(feed)
    except PortError as error:
        reason = str(error).replace(str(file.path), "it")
        raise ConversionError(f"pnnx writes what ncnn does not run: {reason}") from None


def _as_found(spec: TensorSpec, found: Array, *, free: bool, looped: bool) -> TensorSpec:
    """An output with the sizes that it has for the sizes that the file was made for."""
    if found.ndim != len(spec.shape):
        raise ConversionError(
            f"pnnx gives {spec.name} as {list(found.shape)}, and the model gives {spec}"
        )
    sizes = [
        None if size is None and free else real
        for size, real in zip(spec.shape, found.shape, strict=True)
    ]
    if looped:
        sizes[0] = None
    return replace(spec, shape=tuple(sizes))
