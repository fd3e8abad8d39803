"""MNN."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    ModelFileError,
    ModelNotFoundError,
)
from paddleport.models.artifact import Artifact
from paddleport.runners.base import Runner
from paddleport.runners.printed_by_vendors import CapturedPrints
from paddleport.runners.runner_options import Precision
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Array, Feed, TensorSpec

# Interpreter::HintMode, SessionMode and SessionInfoCode of MNN, which Python has no names for.
_STRICT_CHECK, _WINOGRAD_MEMORY, _DYNAMIC_QUANT = 1, 3, 5
_WITH_CALLBACKS, _INPUTS_INSIDE, _FIXED_BACKEND = 0, 2, 8
_BACKENDS, _RESIZE_STATUS, _THREADS = 2, 3, 4
_CPU_BACKENDS = (0, 13)  # MNN_FORWARD_CPU, and its AVX2 and AVX-512 kernels

_SETTINGS: Mapping[str, str] = {
    "backend": "CPU",
    "precision": "high",
    "memory": "high",
    "power": "normal",
}


class MnnRunner(Runner):
    """An .mnn file in MNN's interpreter on the CPU, in fp32.

    Left alone, MNN's precision and memory are "normal": half floats where the CPU has them, and
    8-bit arithmetic on files with 8-bit weights.
    """

    name: ClassVar[str] = "mnn"
    formats: ClassVar[tuple[str, ...]] = ("mnn",)
    distributions: ClassVar[tuple[str, ...]] = ("MNN",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32",)
    install: ClassVar[str] = "pip install 'paddleport[mnn]'"

    def load(self, model: Artifact) -> None:
        """Open the file, make one session, and read its backend and threads back."""
        if not model.path.is_file():
            raise ModelNotFoundError(f"{model.path} does not exist")
        with CapturedPrints() as printed:
            with self.vendor(BackendUnavailableError, "does not start"):
                import MNN
            self._mnn = MNN
            printed.text()
            try:
                self._interpreter = MNN.Interpreter(str(model.path))
                self._session = self._open_session()
                self._taken = self._interpreter.getSessionInputAll(self._session)
                self._given = self._interpreter.getSessionOutputAll(self._session)
            except Exception as error:  # it says "check console log": the reason is printed
                reason = printed_reason(printed, one_line(error))
                raise ModelFileError(f"mnn does not take {model.path}: {reason}") from error
        self._check_session()
        self.inputs = model.inputs or tuple(self._spec(*item) for item in self._taken.items())
        self.outputs = model.outputs or tuple(self._spec(*item) for item in self._given.items())
        self._check_tensors(model)
        self._fitted: object = None
        self._views: dict[str, Array | None] = {}

    def _open_session(self) -> Any:
        """Every setting that could lower the precision is set; none is left to MNN."""
        for hint, value in ((_STRICT_CHECK, 1), (_WINOGRAD_MEMORY, 1), (_DYNAMIC_QUANT, 0)):
            self._interpreter.setSessionHint(hint, value)
        for mode in (_WITH_CALLBACKS, _INPUTS_INSIDE, _FIXED_BACKEND):
            self._interpreter.setSessionMode(mode)
        return self._interpreter.createSession({**_SETTINGS, "numThread": self.options.threads})

    def _check_session(self) -> None:
        """Hold what MNN took against what it was given."""
        backend = int(self._interpreter.getSessionInfo(self._session, _BACKENDS))
        if backend not in _CPU_BACKENDS:
            raise BackendUnavailableError(f"mnn was asked for CPU and took its backend {backend}")
        threads = self._info(_THREADS)
        if threads != self.options.threads:
            raise BackendUnavailableError(
                f"mnn was asked for {self.options.threads} threads and took {threads}: "
                f"try --threads {threads}"
            )

    def _info(self, code: int) -> int:
        """A whole number of the session, which MNN's Python hands out as if it were a float."""
        told = self._interpreter.getSessionInfo(self._session, code)
        return int(np.float32(told).view(np.int32))

    def _check_tensors(self, model: Artifact) -> None:
        """Hold the file's own tensors against what was recorded of it beside it."""
        for specs, tensors in ((self.inputs, self._taken), (self.outputs, self._given)):
            lost = [spec.name for spec in specs if spec.name not in tensors]
            if lost:
                raise ModelFileError(
                    f"{model.path} has no tensor {', '.join(lost)}, only {', '.join(tensors)}"
                )
            for spec in specs:
                held = self._dtype(tensors[spec.name])
                if not _holds(held, spec.dtype):
                    raise ModelFileError(
                        f"mnn holds {spec.name} as {held}, and it is {spec.dtype}: values would "
                        "be rounded"
                    )

    def _spec(self, name: str, tensor: Any) -> TensorSpec:
        return TensorSpec(name, self._dtype(tensor), tuple(map(int, tensor.getShape())))

    def _dtype(self, tensor: Any) -> str:
        kind = tensor.getDataType()
        names = {"Float": "float32", "Int": "int32", "Uint8": "uint8", "Int64": "int64"}
        for suffix, name in names.items():
            if kind == getattr(self._mnn, f"Halide_Type_{suffix}"):
                return name
        return "float64"

    @property
    def computes_in(self) -> Precision:
        """Always fp32: MNN says of a session what it was given, and that is checked in ``load``."""
        return "fp32"

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Fit the session to the feed's shapes, copy in, run, copy out."""
        shapes = [feed[spec.name].shape for spec in self.inputs]
        with CapturedPrints() as printed:
            try:
                if shapes != self._fitted:
                    self._fit(feed)
                for spec in self.inputs:
                    self._give(spec, feed[spec.name])
                code = self._interpreter.runSession(self._session)
            except FeedError:
                raise
            except Exception as error:
                reason = printed_reason(printed, one_line(error))
                raise FeedError(f"mnn can't compute this feed: {reason}") from error
            if code:
                reason = printed_reason(printed, f"its error code is {code}")
                raise FeedError(f"mnn can't compute this feed: {reason}")
            return {spec.name: self._take(spec) for spec in self.outputs}

    def _fit(self, feed: Feed) -> None:
        """Resize for a feed, and find out which tensors lie in memory as they are in numpy.

        An input that was converted without ``keepInputFormat`` lies in blocks of four channels
        and says that it does not; a pattern written by MNN's own copy is then read otherwise.
        """
        self._fitted = None
        for spec in self.inputs:
            shape = tuple(map(int, feed[spec.name].shape))
            self._interpreter.resizeTensor(self._taken[spec.name], shape)
        self._interpreter.resizeSession(self._session)
        if status := self._info(_RESIZE_STATUS):
            raise ValueError(f"the session can't be resized (status {status})")
        tensors = {**self._taken, **self._given}
        self._views = {spec.name: self._view(tensors[spec.name]) for spec in self.inputs}
        self._views |= {spec.name: self._view(tensors[spec.name]) for spec in self.outputs}
        self._fitted = [feed[spec.name].shape for spec in self.inputs]

    def _view(self, tensor: Any) -> Array | None:
        """A tensor's own memory as an array, if that is laid out as an array is."""
        shape, dtype = tuple(map(int, tensor.getShape())), self._dtype(tensor)
        pattern = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
        if not pattern.size:
            return None
        tensor.copyFrom(self._host(tensor, pattern))
        view: Array = tensor.getNumpyData()
        same = view.shape == shape and view.dtype == dtype and np.array_equal(view, pattern)
        return view if same else None

    def _host(self, tensor: Any, values: Array) -> Any:
        """A tensor of MNN's that holds a copy of ``values``."""
        dense = np.ascontiguousarray(values)
        kind = self._mnn.Tensor_DimensionType_Caffe
        return self._mnn.Tensor(dense.shape, tensor.getDataType(), dense, kind)

    def _give(self, spec: TensorSpec, values: Array) -> None:
        view, tensor = self._views[spec.name], self._taken[spec.name]
        held = self._dtype(tensor) if view is None else view.dtype
        if values.dtype != held:
            values = _narrowed(spec.name, values, np.dtype(held))
        if view is not None:
            np.copyto(view, values)
        else:
            tensor.copyFrom(self._host(tensor, values))

    def _take(self, spec: TensorSpec) -> Array:
        view, tensor = self._views[spec.name], self._given[spec.name]
        if view is None:
            shape = tuple(map(int, tensor.getShape()))
            host = self._host(tensor, np.empty(shape, self._dtype(tensor)))
            tensor.copyToHostTensor(host)
            view = host.getNumpyData().reshape(shape)
        return np.array(view, dtype=spec.dtype)

    def release(self) -> None:
        """Let the session, the tensors and the file go."""
        self._views.clear()
        del self._taken, self._given, self._session, self._interpreter


def printed_reason(printed: CapturedPrints, otherwise: str) -> str:
    """The last lines that MNN has printed, as its reason; it raises none, or says to look there."""
    lines = [line.strip() for line in printed.text().splitlines()]
    telling = [line for line in lines if line and not line.startswith(("MNN use ", "The device "))]
    return "; ".join(dict.fromkeys(telling[-3:])) or otherwise


def _holds(held: str, wanted: str) -> bool:
    """Whether values of one type come through a tensor of MNN's unchanged, or are refused."""
    if held == wanted:
        return True
    whole = np.dtype(wanted).kind in "iub" and np.dtype(held).kind in "iu"
    return whole or (held == "float32" and wanted == "float16")


def _narrowed(name: str, values: Array, dtype: "np.dtype[Any]") -> Array:
    """Values in the type that MNN holds them in.

    Raises:
        FeedError: one of them that is none of that type.
    """
    found = values.astype(dtype)
    if not np.array_equal(found, values):
        wrong = values[found != values].flat[0]
        raise FeedError(f"mnn holds {name} as {dtype.name}, and {wrong} is none")
    return found
