"""OpenVINO."""

import importlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    ModelFileError,
    ModelNotFoundError,
)
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import weights_precision
from paddleport.runners.base import Runner
from paddleport.runners.compiled_cache import FROM_CACHE, entry_for
from paddleport.runners.runner_options import (
    CheckedOptions,
    Precision,
    RunnerOptions,
    check_ranges,
    check_streams,
)
from paddleport.telemetry import openvino_telemetry_hidden
from paddleport.tensors import Array, Feed, TensorSpec

_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_PRECISIONS: dict[str, Precision] = {hint: precision for precision, hint in _HINTS.items()}
_HINTS["int8"] = "f32"  # what is quantised in the file is in int8 under any hint
_QUANTIZED = "FakeQuantize"  # how it reads an ONNX file's Q/DQ, and what its own IR holds
_BYTES = ("i8", "u8")
_MULTIPLYING = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")

_RESULT_SUFFIX = "/sink_port_0"  # what OpenVINO's ONNX reader adds to an output's name


@dataclass(frozen=True)
class OpenVinoExtras:
    """``-o`` options of OpenVINO.

    Attributes:
        streams: inferences at the same time, among which the threads are divided.
        cache: keep the compiled model for the next start, which is then several times faster.
    """

    streams: int = 1
    cache: bool = False


class OpenVinoRunner(Runner):
    """An ONNX file in OpenVINO's CPU plug-in, in the precision asked for.

    Left alone, the plug-in computes in bf16 where the CPU can.
    """

    name: ClassVar[str] = "openvino"
    formats: ClassVar[tuple[str, ...]] = ("onnx", "openvino")
    distributions: ClassVar[tuple[str, ...]] = ("openvino",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "bf16", "int8")
    extras_type: ClassVar[type[Any]] = OpenVinoExtras
    gains_from_shapes: ClassVar[bool] = True
    install: ClassVar[str] = "pip install 'paddleport[cpu]'"
    _kept: Any = None

    @classmethod
    def check_options(cls, options: RunnerOptions) -> CheckedOptions:
        """As every runner's, and no more streams than threads."""
        checked = super().check_options(options)
        check_streams(checked.extras.streams, options.threads)
        return checked

    def load(self, model: Artifact) -> None:
        """Read, compile, and read device, precision and threads back."""
        if not model.path.is_file():
            raise ModelNotFoundError(f"{model.path} does not exist")
        with self.vendor(BackendUnavailableError, "does not start"):
            openvino = _imported()
            core = openvino.Core()
            known = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if self.precision.upper() not in known:
            raise BackendUnavailableError(
                f"openvino does not compute in {self.precision} on this CPU, only "
                f"{', '.join(known)}: try --precision fp32"
            )
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
            "INFERENCE_NUM_THREADS": self.options.threads,
            "NUM_STREAMS": self.extras.streams,
            "PERFORMANCE_HINT": "THROUGHPUT" if self.extras.streams > 1 else "LATENCY",
        }
        with self.vendor(ModelFileError, "does not take this model"):
            self._openvino = openvino
            self._compiled = self._compile(core, model, settings)
            quantized = _is_quantized(core, model)
        self._in_bytes = quantized and _computes_in_bytes(self._compiled)
        self._check_compiled(quantized=quantized)
        self._request = self._compiled.create_infer_request()
        self._idle: list[Any] = []
        self._started: set[_Started] = set()
        self.streams = self.extras.streams
        self.in_flight = self.streams + 1  # the next one waits inside the plug-in
        self.inputs = tuple(_spec(port) for port in self._compiled.inputs)
        self.outputs = tuple(_spec(port) for port in self._compiled.outputs)

    def _compile(self, core: Any, model: Artifact, settings: dict[str, object]) -> Any:
        """Compile, or take what was compiled before; not by OpenVINO's cache, which checks less."""
        if not self.extras.cache or model.format != "onnx":  # an IR has a second file
            return core.compile_model(self._read(core, model), "CPU", settings)
        shapes = {name: str(wanted) for name, wanted in self.options.shapes.items()}
        entry = entry_for(
            "openvino", self._openvino.__version__, model.path, {**settings, "shapes": shapes}
        )
        kept = entry.read()
        if kept is not None:
            with suppress(RuntimeError):  # of another build that calls itself by this version
                compiled = self._imported(core, kept, settings)
                self.notes = (*self.notes, FROM_CACHE)
                return compiled
        compiled = core.compile_model(self._read(core, model), "CPU", settings)
        entry.write(compiled.export_model().getvalue())
        return compiled

    def _read(self, core: Any, model: Artifact) -> Any:
        """The network, with the sizes fixed that all shapes to be fed have in common."""
        network = core.read_model(str(model.path))
        ports = {_spec(port): port for port in network.inputs}
        check_ranges(tuple(ports), self.options.shapes)
        fixed = {
            port: self._openvino.PartialShape(
                [
                    self._openvino.Dimension(low, high)
                    for low, high in zip(wanted.min, wanted.max, strict=True)
                ]
            )
            for spec, port in ports.items()
            if (wanted := self.options.shapes.get(spec.name)) is not None
        }
        if fixed:
            network.reshape(fixed)
        return network

    def _imported(self, core: Any, kept: Any, settings: dict[str, object]) -> Any:
        """From memory that OpenVINO shares, or a copy where this version takes only that."""
        self._kept = kept  # the weights; they must live as long as the compiled model
        try:
            shared = self._openvino.Tensor(kept, shared_memory=True)
            return core.import_model(shared, "CPU", settings)
        except TypeError:
            return core.import_model(kept.tobytes(), "CPU", settings)

    def _check_compiled(self, *, quantized: bool) -> None:
        """Hold what the plug-in took against what it was given."""
        devices = list(self._compiled.get_property("EXECUTION_DEVICES"))
        threads = self._compiled.get_property("INFERENCE_NUM_THREADS")
        if devices != ["CPU"]:
            raise BackendUnavailableError(f"openvino was asked for CPU and took {devices}")
        asked = self.options.precision
        if self.computes_in != self.precision and (asked or not self._in_bytes):
            made = "make one in int8 with convert --to openvino --precision int8"
            wants_other = self.precision == "int8" and not quantized
            raise BackendUnavailableError(
                f"openvino was asked for {self.precision} and computes this file in "
                f"{self.computes_in}: {made if wants_other else 'leave --precision out'}"
            )
        streams = self._compiled.get_property("NUM_STREAMS")
        if streams != self.extras.streams:
            raise BackendUnavailableError(
                f"openvino was asked for {self.extras.streams} streams and took {streams}: "
                f"try -o streams={streams}"
            )
        if threads != self.options.threads:
            raise BackendUnavailableError(
                f"openvino was asked for {self.options.threads} threads and took {threads}: "
                f"try --threads {threads}"
            )

    @property
    def computes_in(self) -> Precision:
        """``int8`` if any of its kernels are, else its own word on its precision hint."""
        if self._in_bytes:
            return "int8"
        hint = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        return _PRECISIONS[hint]

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Run one infer request on the feed's own memory, and copy what it gives.

        Its Python call with a dictionary takes 0.15 ms longer than the same step by step.
        """
        with self.vendor(FeedError, "can't compute this feed"):
            tensors = self._give(self._request, feed)
            self._request.infer()
            del tensors  # not before: it may hold copies, and a request keeps nothing alive
        return self._taken(self._request)

    def start(self, feed: Feed) -> "_Started":
        """Have an idle request, or one more, begin on the feed's own memory.

        Not an ``AsyncInferQueue``: of a request that fails it does not call back, and reports later
        that one has failed, not which.
        """
        with self.vendor(FeedError, "can't compute this feed"):
            request = self._idle.pop() if self._idle else self._compiled.create_infer_request()
            tensors = self._give(request, feed)
            request.start_async()
        started = _Started(self, request, tensors)
        self._started.add(started)
        return started

    def finish(self, started: "_Started") -> dict[str, Array]:
        """Wait for a request, and copy what it gives; the request is idle again."""
        try:
            with self.vendor(FeedError, "can't compute this feed"):
                started.request.wait()
        finally:
            self._started.discard(started)
        outputs = self._taken(started.request)
        self._idle.append(started.request)
        return outputs

    def abandon(self, started: "_Started") -> None:
        """End a request that nobody waits for; until then it reads its feed."""
        if started in self._started:
            with suppress(RuntimeError):  # that it was cancelled
                started.request.cancel()
                started.request.wait()
            self._started.discard(started)

    def _give(self, request: Any, feed: Feed) -> list[Array]:
        """Set a request's inputs to arrays that must live as long as it runs."""
        tensors = [np.require(feed[spec.name], requirements=("C", "W")) for spec in self.inputs]
        for place, tensor in enumerate(tensors):
            request.set_input_tensor(place, self._openvino.Tensor(tensor, shared_memory=True))
        return tensors

    def _taken(self, request: Any) -> dict[str, Array]:
        return {
            spec.name: np.array(request.get_output_tensor(place).data)
            for place, spec in enumerate(self.outputs)
        }

    def release(self) -> None:
        """End what is running, and let the requests and the compiled model go."""
        for started in tuple(self._started):
            self.abandon(started)
        del self._idle, self._request, self._compiled, self._openvino
        self._kept = None


class _Started:
    """A request that is running, with the tensors that it reads."""

    def __init__(self, runner: OpenVinoRunner, request: Any, tensors: list[Array]) -> None:
        self._runner, self.request, self._tensors = runner, request, tensors

    def result(self) -> dict[str, Array]:
        return self._runner.finish(self)

    def cancel(self) -> None:
        self._runner.abandon(self)


def _imported() -> Any:
    with openvino_telemetry_hidden():
        return importlib.import_module("openvino")


def _is_quantized(core: Any, model: Artifact) -> bool:
    if model.format == "onnx":
        return weights_precision(model.path) == "int8"
    network = core.read_model(str(model.path))
    return any(node.get_type_name() == _QUANTIZED for node in network.get_ops())


def _computes_in_bytes(compiled: Any) -> bool:
    """Whether any layer that multiplies runs in int8, by what the plug-in made of the graph."""
    for node in compiled.get_runtime_model().get_ops():
        told = node.get_rt_info()
        kind = str(told["layerType"].astype(str)) if "layerType" in told else ""
        if kind in _MULTIPLYING and str(told["runtimePrecision"].astype(str)) in _BYTES:
            return True
    return False


def _spec(port: Any) -> TensorSpec:
    shape = port.partial_shape
    sizes = () if shape.rank.is_dynamic else tuple(shape)
    # a port that an Identity was folded into has several names; its node has the file's
    name = port.get_node().get_friendly_name().removesuffix(_RESULT_SUFFIX)
    return TensorSpec(
        name if name in port.names else port.any_name,
        port.element_type.to_dtype().name,
        tuple(None if size.is_dynamic else size.get_length() for size in sizes),
    )
