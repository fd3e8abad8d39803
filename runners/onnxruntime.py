"""ONNX Runtime."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    ModelFileError,
    ModelNotFoundError,
    UsageError,
    unknown_name,
)
from paddleport.models.card import OnnxModel
from paddleport.models.onnx_file import weights_precision
from paddleport.runners.base import Precision, Runner
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.worker import NO_TELEMETRY

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}  # the rest is named alike
_FATAL = 4  # log level; what it logs below that is in the exception as well


@dataclass(frozen=True)
class OnnxRuntimeExtras:
    """``-o`` options of ONNX Runtime.

    Attributes:
        optimization: graph optimisations: ``disabled``, ``basic``, ``extended`` or ``all``.
    """

    optimization: str = "all"


class OnnxRuntimeRunner(Runner):
    """An ONNX file in ONNX Runtime, on exactly the provider that was asked for."""

    name: ClassVar[str] = "onnxruntime"
    consumes: ClassVar[Literal["onnx", "paddle"]] = "onnx"
    distributions: ClassVar[tuple[str, ...]] = ("onnxruntime", "onnxruntime-gpu")
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    extras_type: ClassVar[type[Any]] = OnnxRuntimeExtras
    install: ClassVar[str] = "pip install 'paddleport[cpu]'"

    def load(self, model: OnnxModel) -> None:
        """Start a session and read its provider back."""
        level = self.extras.optimization
        if level not in _LEVELS:
            raise UsageError(unknown_name("optimization", level, _LEVELS))
        if not model.path.is_file():
            raise ModelNotFoundError(f"{model.path} does not exist")
        self._computes_in = weights_precision(model.path)
        if self.options.precision not in (None, self._computes_in):
            raise BackendUnavailableError(
                f"{model.path.name} holds {self._computes_in} weights, so onnxruntime does not "
                f"compute in {self.options.precision}: leave --precision out"
            )
        with self.vendor(BackendUnavailableError, "does not start"):
            os.environ.update(NO_TELEMETRY)
            import onnxruntime as ort
        provider = _PROVIDERS[self.device]
        self._check_provider(provider, ort.get_available_providers())
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = self.options.threads
        settings.inter_op_num_threads = 1
        settings.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[level])
        settings.log_severity_level = _FATAL
        with self.vendor(ModelFileError, "does not take this model"):
            self._session = ort.InferenceSession(str(model.path), settings, providers=[provider])
        self._check_provider(provider, self._session.get_providers()[:1])
        self.inputs = tuple(_spec(item) for item in self._session.get_inputs())
        self.outputs = tuple(_spec(item) for item in self._session.get_outputs())
        self._names = [spec.name for spec in self.outputs]

    def _check_provider(self, provider: str, there: Sequence[str]) -> None:
        if provider not in there:
            raise BackendUnavailableError(
                f"onnxruntime on {self.device} needs {provider}, this build has "
                f"{', '.join(there)}: pip install onnxruntime-gpu instead of onnxruntime, "
                "or --device cpu"
            )

    @property
    def computes_in(self) -> Precision:
        """As the file's weights are: the CPU and CUDA providers change no precision alone."""
        return self._computes_in

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Run the session once; it gives arrays of their own."""
        with self.vendor(FeedError, "can't compute this feed"):
            results = self._session.run(self._names, dict(feed))
        return dict(zip(self._names, results, strict=True))

    def release(self) -> None:
        """Let the session go."""
        del self._session


def _spec(item: Any) -> TensorSpec:
    if not item.type.startswith("tensor("):
        raise ModelFileError(f"{item.name} is a {item.type}; only tensors are supported")
    dtype = _DTYPES.get(item.type, item.type[len("tensor(") : -1])
    shape = tuple(size if isinstance(size, int) and size >= 0 else None for size in item.shape)
    return TensorSpec(item.name, dtype, shape)
