"""ONNX Runtime."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    ModelFileError,
    ModelNotFoundError,
    UsageError,
    unknown_name,
)
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import weights_precision
from paddleport.runners.base import Runner
from paddleport.runners.compiled_cache import FROM_CACHE
from paddleport.runners.gpu import Gpu
from paddleport.runners.in_order import Pending
from paddleport.runners.onnxruntime import providers as known_providers
from paddleport.runners.onnxruntime import tensorrt_provider as tensorrt
from paddleport.runners.onnxruntime.providers import PROVIDERS, Provider
from paddleport.runners.onnxruntime.sessions import Binding, Placed, can_bind, start_cached
from paddleport.runners.runner_options import (
    CheckedOptions,
    Precision,
    RunnerOptions,
    check_streams,
)
from paddleport.telemetry import NO_ONNXRUNTIME_TELEMETRY
from paddleport.tensors import Array, Feed, TensorSpec

_LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}  # the rest is named alike
_FATAL = 4  # log level; what it logs below that is in the exception as well, or read back


@dataclass(frozen=True, kw_only=True)
class OnnxRuntimeExtras:
    """``-o`` options of ONNX Runtime.

    Attributes:
        optimization: graph optimisations: ``disabled``, ``basic``, ``extended`` or ``all``.
        provider: ``cpu``, ``cuda``, ``tensorrt`` or ``openvino``; empty is as the device.
        device_id: which GPU; of cuda and tensorrt.
        fp16: let TensorRT compute an fp32 file in fp16; of tensorrt.
        tf32: let fp32 products be rounded to TF32 on the GPU; of cuda and tensorrt.
        engine_cache: keep the engines that were built for the next time; of tensorrt.
        workspace_mb: the most GPU memory that one layer may work in, in MiB; of tensorrt.
        streams: inferences at the same time, among which the threads are divided; of cpu.
        cache: keep the optimised graph for the next start, which is then faster; of cpu.
    """

    optimization: str = "all"
    provider: str = ""
    device_id: int = 0
    fp16: bool = False
    tf32: bool = False
    engine_cache: bool = True
    workspace_mb: int = 0
    streams: int = 1
    cache: bool = False


class OnnxRuntimeRunner(Runner):
    """An ONNX file in ONNX Runtime, on exactly the provider that was asked for."""

    name: ClassVar[str] = "onnxruntime"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)
    distributions: ClassVar[tuple[str, ...]] = known_providers.PACKAGES
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "bf16", "int8")
    extras_type: ClassVar[type[Any]] = OnnxRuntimeExtras
    install: ClassVar[str] = "pip install 'paddleport[cpu]'"
    _from_cache: bool = False

    @classmethod
    def check_options(cls, options: RunnerOptions) -> CheckedOptions:
        """As every runner's, and no option that the provider does not take."""
        checked = super().check_options(options)
        extras = checked.extras
        known_providers.check_taken(PROVIDERS[extras.provider or checked.device], options.extras)
        if extras.optimization not in _LEVELS:
            raise UsageError(unknown_name("optimization", extras.optimization, _LEVELS))
        if extras.workspace_mb < 0:
            raise UsageError(f"-o workspace_mb={extras.workspace_mb} is not possible: 1 or more")
        if extras.fp16 and options.precision not in (None, "fp16"):
            raise UsageError(f"-o fp16 and --precision {options.precision} contradict each other")
        check_streams(extras.streams, options.threads)
        return checked

    @classmethod
    def device_for(cls, asked: str | None, extras: Any) -> str:
        """The provider's, if one is named."""
        return known_providers.device_of(extras.provider, asked)

    def load(self, model: Artifact) -> None:
        """Start a session, and read its provider, its options and its nodes back."""
        provider, extras = PROVIDERS[self.extras.provider or self.device], self.extras
        if not model.path.is_file():
            raise ModelNotFoundError(f"{model.path} does not exist")
        self._computes_in = self._precision(model, provider)
        with self.vendor(BackendUnavailableError, "does not start"):
            os.environ.update(NO_ONNXRUNTIME_TELEMETRY)
            import onnxruntime as ort
        otherwise = "leave -o provider out" if extras.provider else "--device cpu"
        gpu = known_providers.check_available(
            provider, ort.get_available_providers(), extras.device_id, otherwise
        )
        if gpu is not None:
            known_providers.settle_tf32(wanted=extras.tf32)
            known_providers.load_gpu_libraries(ort, provider)
        self._session = self._start(ort, model, provider, gpu)
        self.inputs = tuple(_spec(item) for item in self._session.get_inputs())
        self.outputs = tuple(_spec(item) for item in self._session.get_outputs())
        self._names = [spec.name for spec in self.outputs]
        bind = self._binds() and can_bind(self._session)
        self._binding = Binding(ort, self._session, self.device, extras.device_id) if bind else None
        self.keeps_on_device = bind
        self.notes = self._noted(provider)
        self.streams = self.extras.streams
        self._pool: ThreadPoolExecutor | None = None
        if self.streams > 1 and self._binding is None:  # a binding takes one run at a time
            self.in_flight = self.streams + 1  # the next one waits where a thread finds it
            self._pool = ThreadPoolExecutor(self.streams, thread_name_prefix="onnxruntime")

    def _precision(self, model: Artifact, provider: Provider) -> Precision:
        held = weights_precision(model.path)
        half = self.extras.fp16 or self.options.precision == "fp16"
        found = known_providers.precision_of(
            provider, held, fp16=half and provider.name == "tensorrt"
        )
        asked = "fp16" if self.extras.fp16 else self.options.precision
        if asked not in (None, found):
            takes = asked != "fp32" and known_providers.precision_of(provider, asked, fp16=False)
            made = f"make one that does with convert --precision {asked}"
            raise BackendUnavailableError(
                f"{model.path.name} holds {held} weights, so onnxruntime does not compute in "
                f"{asked} with provider {provider.name}, only in {found}: "
                f"{made if takes == asked else 'leave --precision out'}"
            )
        return found

    def _start(self, ort: Any, model: Artifact, provider: Provider, gpu: Gpu | None) -> Any:
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = self.options.threads // self.extras.streams
        if self.extras.streams > 1:  # a thread that spins takes a CPU from another stream
            settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.inter_op_num_threads = 1
        level = _LEVELS[self.extras.optimization]
        settings.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
        settings.log_severity_level = _FATAL
        ort.set_default_logger_severity(_FATAL)  # what starting a provider logs to
        if provider.name != "cpu":
            settings.add_session_config_entry(known_providers.WHERE_NODES_RUN, "1")
        providers, lock = self._providers(ort, model, provider, gpu)

        def started(path: Path) -> Any:
            return ort.InferenceSession(str(path), settings, providers=providers, enable_fallback=0)

        with lock, self.vendor(ModelFileError, "does not take this model"):
            if self.extras.cache:
                session, self._from_cache = start_cached(ort, model.path, settings, started)
            else:
                session = started(model.path)
        session.disable_fallback()  # of a run that fails, to a session on another provider
        known_providers.check_session(session, provider, providers[0][1])
        return session

    def _providers(
        self, ort: Any, model: Artifact, provider: Provider, gpu: Gpu | None
    ) -> tuple[list[tuple[str, dict[str, str]]], Any]:
        """Providers with their options, the one asked for first; and what to hold meanwhile."""
        extras = self.extras
        if gpu is None:
            openvino = provider.name == "openvino"
            options = known_providers.openvino_options(self.options.threads) if openvino else {}
            return [(provider.vendor_name, options)], nullcontext()
        cuda = known_providers.cuda_options(extras.device_id, tf32=extras.tf32)
        if provider.name == "cuda":
            return [(provider.vendor_name, cuda)], nullcontext()
        tensorrt.check_environment(os.environ)
        key = tensorrt.engine_key(ort, model.path, gpu, self._computes_in, tf32=extras.tf32)
        engines = key.folder if extras.engine_cache else None
        options = tensorrt.tensorrt_options(
            extras.device_id, self._computes_in, workspace_mb=extras.workspace_mb, engines=engines
        )
        rest = (PROVIDERS["cuda"].vendor_name, cuda)  # takes the nodes that TensorRT does not
        return [(provider.vendor_name, options), rest], tensorrt.engines_locked(engines)

    def _noted(self, provider: Provider) -> tuple[str, ...]:
        if provider.name == "cpu":
            return (FROM_CACHE,) if self._from_cache else ()
        half = provider.name == "tensorrt" and self._computes_in == "fp16"
        notes = (
            f"provider {provider.name}",
            known_providers.nodes_elsewhere(self._session, provider),
            "TF32 products" if self.extras.tf32 else "",
            "each layer in fp16 or fp32, as TensorRT finds faster" if half else "",
        )
        return tuple(note for note in notes if note)

    def _binds(self) -> bool:
        return self.device == "cuda"

    @property
    def computes_in(self) -> Precision:
        """That of the file's weights, unless the provider was given another one and took it."""
        return self._computes_in

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Run the session once; it gives arrays of their own."""
        with self.vendor(FeedError, "can't compute this feed"):
            if self._binding is not None:
                return self._binding.infer(feed)
            results = self._session.run(self._names, dict(feed))
        return dict(zip(self._names, results, strict=True))

    def start(self, feed: Feed) -> Pending[dict[str, Array]]:
        """Have a thread call the session, which takes several calls at a time."""
        if self._pool is None:
            return super().start(feed)
        return self._pool.submit(self.infer, feed)

    def place(self, feed: Feed) -> object:
        """Copy a feed to the GPU."""
        with self.vendor(FeedError, "can't place this feed"):
            return self._on_device().place(feed)

    def infer_placed(self, placed: object) -> None:
        """Run on the GPU alone."""
        if not isinstance(placed, Placed):
            raise UsageError(f"infer_placed takes what place gave, not {type(placed).__name__}")
        with self.vendor(FeedError, "can't compute this feed"):
            self._on_device().infer_placed(placed)

    def _on_device(self) -> Binding:
        if self._binding is None:
            raise UsageError("this onnxruntime runner keeps nothing on its device")
        return self._binding

    def release(self) -> None:
        """End what is running, and let the session go."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        del self._session, self._binding


def _spec(item: Any) -> TensorSpec:
    if not item.type.startswith("tensor("):
        raise ModelFileError(f"{item.name} is a {item.type}; only tensors are supported")
    dtype = _DTYPES.get(item.type, item.type[len("tensor(") : -1])
    shape = tuple(size if isinstance(size, int) and size >= 0 else None for size in item.shape)
    return TensorSpec(item.name, dtype, shape)
