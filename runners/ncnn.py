"""ncnn, with every option set that lowers precision or reorders sums, and read back."""

import importlib
import tempfile
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    ModelFileError,
    ModelNotFoundError,
)
from paddleport.models.artifact import Artifact
from paddleport.models.ncnn.ncnn_file import read_ncnn
from paddleport.models.ncnn.ncnn_graph import NcnnGraph
from paddleport.models.ncnn.ncnn_names import blob_name
from paddleport.models.ncnn.param_text import read_param
from paddleport.runners.base import Runner, owned
from paddleport.runners.c_stderr import caught_stderr
from paddleport.runners.layer_values import FileLayer, LayerValues
from paddleport.runners.ncnn_tensors import NcnnTensors, read_tensors
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed, check_feed

_HALF = ("use_fp16_packed", "use_fp16_storage")
_BRAIN = ("use_bf16_packed", "use_bf16_storage")
_BYTES = ("use_int8_inference", "use_int8_packed", "use_int8_storage", "use_int8_arithmetic")
_LOWERING = (*_HALF, "use_fp16_arithmetic", *_BRAIN, *_BYTES)
_NEVER = ("use_vulkan_compute", "use_tensor_storage", "use_subgroup_ops")
_WINOGRAD = tuple(f"use_winograd{size}_convolution" for size in ("", "23", "43", "63"))
_CONSTANT = "MemoryData"
_SPIN_MS = 20  # that OpenMP's threads wait for more, ncnn's own default
_SCALES = {  # where a layer's int8_scale_term stands
    "Convolution": 8,
    "ConvolutionDepthWise": 8,
    "Convolution1D": 8,
    "Deconvolution": 8,
    "InnerProduct": 8,
    "Gemm": 18,
    "MultiHeadAttention": 18,
    "Embed": 18,
    "LSTM": 8,
    "GRU": 8,
    "RNN": 8,
}
_MULTIPLYING = (*_SCALES, "DeconvolutionDepthWise", "MatMul", "SDPA")
_SUPPORTS: dict[Precision, str] = {"fp16": "support_fp16_storage", "bf16": "support_bf16_storage"}


@dataclass(frozen=True)
class NcnnExtras:
    """``-o`` options of ncnn.

    Attributes:
        winograd: convolve with fewer products, in tiles of up to 6 x 6, which round some ten times
            as much.
    """

    winograd: bool = False


class NcnnRunner(Runner, LayerValues):
    """A pair of ncnn files in the precision asked for, on the CPU, one example after the other.

    Left alone, ncnn stores weights in fp16, and values too where the CPU can.
    """

    name: ClassVar[str] = "ncnn"
    formats: ClassVar[tuple[str, ...]] = ("ncnn",)
    distributions: ClassVar[tuple[str, ...]] = ("ncnn",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "bf16", "fp16", "int8")
    extras_type: ClassVar[type[Any]] = NcnnExtras
    install: ClassVar[str] = "pip install 'paddleport[ncnn]'"
    files_leave_shapes_out: ClassVar[bool] = True

    def load(self, model: Artifact) -> None:
        """Set the options, load both files, and read back what ncnn took."""
        if not model.path.is_file():
            raise ModelNotFoundError(f"{model.path} does not exist")
        self._graph = NcnnGraph(read_param(model.path))
        quantized = _is_quantized(self._graph)
        self._check_asked(model, quantized)
        if quantized:
            self.precision = "int8"
        with self.vendor(BackendUnavailableError, "does not start"):
            self._ncnn = importlib.import_module("ncnn")
        if unknown := unknown_layers(self._ncnn, self._graph):
            raise ModelFileError(
                f"{model.path.name} has layers that ncnn has not: {', '.join(unknown)}"
            )
        self._net = self._ncnn.Net()
        self._set_options()
        with self.vendor(ModelFileError, "does not take this model"), caught_stderr() as said:
            self._load_files(model)
            if not self._net.layers():
                raise ModelFileError(_refusal(model.path, said()))
        self._check_options()
        if not model.inputs and model.weights_file:  # who knows whether they are of one model
            with suppress(BackendUnavailableError):  # a layer whose weights we can't tell
                read_ncnn(model.path, model.weights_file)
        self._tensors: NcnnTensors = read_tensors(model, self._graph, self.options.shapes)
        self.inputs, self.outputs = self._tensors.inputs, self._tensors.outputs
        self._given = [(spec, blob_name(spec.name)) for spec in self.inputs]
        self._taken = [(spec, blob_name(spec.name)) for spec in self.outputs]
        self.notes = (*self.notes, *self._tensors.notes)

    def _check_asked(self, model: Artifact, quantized: bool) -> None:
        """An int8 file computes in int8, and no other does."""
        asked = self.options.precision
        if quantized and asked not in (None, "int8"):
            raise BackendUnavailableError(
                f"{model.path.name} is quantised, so ncnn computes it in int8, not in {asked}: "
                "leave --precision out"
            )
        if asked == "int8" and not quantized:
            raise BackendUnavailableError(
                f"{model.path.name} is not quantised, so ncnn does not compute it in int8: make "
                "one that is with convert --to ncnn --precision int8"
            )

    def _set_options(self) -> None:
        """Every option that lowers precision or reorders, before anything is loaded."""
        self._asked = _options(self.precision, self.extras, self.options.threads, self._ncnn)
        for name, value in self._asked.items():
            setattr(self._net.opt, name, value)

    def _load_files(self, model: Artifact) -> None:
        """Both files; a network without weights has one, and ncnn wants a second all the same."""
        if self._net.load_param(str(model.path)):
            self._net.clear()
            return
        weights = model.weights_file
        with tempfile.NamedTemporaryFile(suffix=".bin") as empty:
            if not self._net.load_model(str(weights or empty.name)):
                return
        self._net.clear()
        if weights is None:
            beside = model.path.with_suffix(".bin").name
            raise ModelFileError(f"{model.path} needs {beside} beside it, which is not there")

    def _check_options(self) -> None:
        """Hold what ncnn has left of the options against what it was given."""
        for name, value in self._asked.items():
            found = getattr(self._net.opt, name)
            if found != value:
                raise BackendUnavailableError(
                    f"ncnn was asked for {name}={value} and took {found}: try --precision fp32"
                )
        flag = _SUPPORTS.get(self.precision)
        layers = [layer for layer in self._net.layers() if layer.type in _MULTIPLYING]
        if flag and not any(getattr(layer, flag) for layer in layers):
            raise BackendUnavailableError(
                f"ncnn computes no layer of this model in {self.precision} on this CPU: try "
                "--precision fp32"
            )

    @property
    def computes_in(self) -> Precision:
        """By the options that ncnn has kept; ``int8`` where a layer of the file is quantised."""
        options = self._net.opt
        if options.use_int8_inference and _is_quantized(self._graph):
            return "int8"
        if options.use_bf16_storage:
            return "bf16"
        return "fp16" if options.use_fp16_storage else "fp32"

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Run the examples one after the other, each in an extractor of its own."""
        tensors = self._tensors
        runs: list[list[Array]] = []
        with self.vendor(FeedError, "can't compute this feed"):
            for example in range(tensors.examples(feed)):
                extractor = self._fed(feed, example)
                runs.append(found := [])
                for _, blob in self._taken:
                    status, result = extractor.extract(blob)
                    if status or result.empty():
                        raise FeedError(self._first_failure(feed, example))
                    found.append(owned(result))
        return {
            spec.name: tensors.taken(spec, [found[place] for found in runs])
            for place, (spec, _) in enumerate(self._taken)
        }

    def layers(self) -> tuple[FileLayer, ...]:
        """Every layer that computes; what only holds constants is left out."""
        constants = {
            name
            for layer in self._graph.layers
            if layer.operator == _CONSTANT
            for name in layer.outputs
        }
        return tuple(
            FileLayer(
                name=layer.name,
                operator=layer.operator,
                inputs=tuple(name for name in layer.inputs if name not in constants),
                outputs=layer.outputs,
            )
            for layer in self._graph.layers
            if layer.operator not in (_CONSTANT, "Input")
        )

    def layer_values(self, feed: Feed) -> Generator[tuple[str, Array], None, None]:
        """Every blob, with the batch first; the runs of several examples are put together."""
        self.check_open()
        check_feed(self.inputs, feed)
        blobs = [name for layer in self.layers() for name in layer.outputs]
        with self.vendor(FeedError, "can't compute this feed"):
            count = self._tensors.examples(feed)
            extractors = [self._fed(feed, example, light=False) for example in range(count)]
            for name in blobs:
                results = [extractor.extract(name) for extractor in extractors]
                if any(status or found.empty() for status, found in results):
                    raise FeedError(self._first_failure(feed, 0))
                yield name, np.stack([owned(found) for _, found in results])

    def _fed(self, feed: Feed, example: int, *, light: bool = True) -> Any:
        extractor = self._net.create_extractor()
        if not light:
            extractor.set_light_mode(False)
        for spec, blob in self._given:
            tensor = self._tensors.given(spec, feed, example)
            if extractor.input(blob, self._ncnn.Mat(tensor).clone()):
                raise FeedError(f"ncnn does not take input {spec.name}")
        return extractor

    def _first_failure(self, feed: Feed, example: int) -> str:
        """Which layer gives nothing, and what ncnn says of it."""
        extractor = self._fed(feed, example, light=False)
        with caught_stderr() as said:
            for layer in self.layers():
                for blob in layer.outputs:
                    status, result = extractor.extract(blob)
                    if status or result.empty():
                        told = f" ({'; '.join(said())})" if said() else ""
                        return f"ncnn can't compute {layer.operator} {layer.name}{told}"
        return "ncnn gives no output, though every layer gives something"

    def release(self) -> None:
        """Free the network and its threads' memory."""
        self._net.clear()
        del self._net, self._ncnn


def _options(
    precision: Precision, extras: NcnnExtras, threads: int, ncnn: Any
) -> dict[str, bool | int]:
    """Every option of ``ncnn.Option`` that has a say in what is computed, and its value."""
    options: dict[str, bool | int] = dict.fromkeys((*_LOWERING, *_NEVER), False)
    if precision == "fp16":
        options |= dict.fromkeys(_HALF, True)
        options["use_fp16_arithmetic"] = bool(ncnn.cpu_support_arm_asimdhp())
    if precision == "bf16":
        options |= dict.fromkeys(_BRAIN, True)
    if precision == "int8":
        options |= dict.fromkeys(_BYTES, True)
    return {
        **options,
        **dict.fromkeys(_WINOGRAD, extras.winograd),
        "use_packing_layout": True,
        "use_sgemm_convolution": True,
        "lightmode": True,
        "num_threads": threads,
        "openmp_blocktime": _SPIN_MS,
    }


def _is_quantized(graph: NcnnGraph) -> bool:
    """Whether any layer's weights are bytes: then its int8_scale_term says how they are scaled."""
    return any(
        layer.operator in _SCALES and layer.integer(_SCALES[layer.operator])
        for layer in graph.layers
    )


def unknown_layers(ncnn: Any, graph: NcnnGraph) -> tuple[str, ...]:
    """Types of layers that this ncnn has not, pnnx's names of operators that it did not convert."""
    names = dict.fromkeys(layer.operator for layer in graph.layers)
    return tuple(name for name in names if ncnn.layer_to_index(name) < 0)


def _refusal(path: Path, said: list[str]) -> str:
    return f"ncnn does not take {path.name}: {'; '.join(said) or 'it does not say why'}"
