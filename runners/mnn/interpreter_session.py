"""A file in MNN's interpreter, which says what it took, and hands out the values in between."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.runners.mnn.mnn_session import (
    HINTS,
    MODES,
    MnnError,
    MnnSession,
    NeedsModule,
    check_threads,
    dense,
    mnn_error,
    pattern,
    session_settings,
)
from paddleport.runners.printed_by_vendors import CapturedPrints
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Array

_BACKENDS, _RESIZE_STATUS, _THREADS = 2, 3, 4  # of Interpreter::SessionInfoCode
_CPU_BACKENDS = (0, 13)  # MNN_FORWARD_CPU, and its AVX2 and AVX-512 kernels
_WANTS_MODULE = "please use module api"  # where shapes follow from the contents of inputs


class InterpreterSession(MnnSession):
    """One session, resized where a feed has other shapes than the last."""

    def __init__(self, mnn: Any, path: Path, threads: int, kept: Sequence[str] = ()) -> None:
        """Open the file, make the session, and read its backend and threads back.

        Args:
            mnn: the module.
            path: of the file.
            threads: to be taken.
            kept: tensors between the layers that are outputs, too.

        Raises:
            MnnError: MNN does not take the file.
            NeedsModule: it does, but not here.
            BackendUnavailableError: it takes another backend than the CPU, or fewer threads.
        """
        self._mnn = mnn
        self._kinds = {
            "float32": mnn.Halide_Type_Float,
            "int32": mnn.Halide_Type_Int,
            "uint8": mnn.Halide_Type_Uint8,
            "int64": mnn.Halide_Type_Int64,
            "float64": mnn.Halide_Type_Double,
        }
        with CapturedPrints() as printed:
            try:
                self._interpreter = mnn.Interpreter(str(path))
                self._session = self._open(threads, kept)
                self._taken = dict(self._interpreter.getSessionInputAll(self._session))
                self._given = dict(self._interpreter.getSessionOutputAll(self._session))
            except Exception as error:  # it says "check console log": the reason is printed
                found = mnn_error(printed, one_line(error))
                if _WANTS_MODULE in str(found):
                    raise NeedsModule from error
                raise found from error
        backend = int(self._interpreter.getSessionInfo(self._session, _BACKENDS))
        if backend not in _CPU_BACKENDS:
            raise BackendUnavailableError(f"mnn was asked for CPU and took its backend {backend}")
        check_threads(threads, self._number(_THREADS))
        self.inputs = {name: self._dtype(item) for name, item in self._taken.items()}
        self.outputs = {name: self._dtype(item) for name, item in self._given.items()}
        self._fitted: object = None
        self._views: dict[str, Array | None] = {}

    def _open(self, threads: int, kept: Sequence[str]) -> Any:
        for hint, value in HINTS:
            self._interpreter.setSessionHint(hint, value)
        for mode in MODES:
            self._interpreter.setSessionMode(mode)
        settings = {**session_settings(threads), "saveTensors": tuple(kept)}
        return self._interpreter.createSession(settings)

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Fit the session to the feed, copy it in, run, copy what it gives."""
        with CapturedPrints() as printed:
            self._prepare(feed, printed)
            self._finish(self._interpreter.runSession(self._session), printed)
            return {name: self._read(item, self._views[name]) for name, item in self._given.items()}

    def _prepare(self, feed: Mapping[str, Array], printed: CapturedPrints) -> None:
        shapes = {name: tuple(map(int, feed[name].shape)) for name in self._taken}
        try:
            if shapes != self._fitted:
                self._fit(shapes, printed)
            for name, tensor in self._taken.items():
                view = self._views[name]
                if view is not None:
                    np.copyto(view, feed[name])
                else:
                    tensor.copyFrom(self._host(tensor, feed[name]))
        except MnnError:
            raise
        except Exception as error:  # MNN raises what it likes, and prints why
            raise mnn_error(printed, one_line(error)) from error

    def _finish(self, code: int, printed: CapturedPrints) -> None:
        if code:
            self._fitted = None
            raise mnn_error(printed, f"its error code is {code}")

    def _fit(self, shapes: Mapping[str, tuple[int, ...]], printed: CapturedPrints) -> None:
        """Resize, and find out which tensors lie in memory as arrays do.

        An input that was converted without keepInputFormat lies in blocks of four channels and
        says that it does not.
        """
        self._fitted = None
        for name, shape in shapes.items():
            self._interpreter.resizeTensor(self._taken[name], shape)
        self._interpreter.resizeSession(self._session)
        if status := self._number(_RESIZE_STATUS):
            raise mnn_error(printed, f"the session can't be resized, status {status}")
        self._views = {
            name: self._view(tensor) for name, tensor in {**self._taken, **self._given}.items()
        }
        self._fitted = dict(shapes)

    def _view(self, tensor: Any) -> Array | None:
        """A tensor's own memory as an array, if what MNN copies there is read there in order."""
        shape, dtype = tuple(map(int, tensor.getShape())), self._dtype(tensor)
        written = pattern(shape, dtype)
        if not written.size:
            return None
        tensor.copyFrom(self._host(tensor, written))
        view: Array = tensor.getNumpyData()
        same = view.shape == shape and view.dtype == dtype and np.array_equal(view, written)
        return view if same else None

    def _host(self, tensor: Any, values: Array) -> Any:
        """A tensor of MNN's that holds a copy of ``values``."""
        kind = self._mnn.Tensor_DimensionType_Caffe
        return self._mnn.Tensor(values.shape, tensor.getDataType(), dense(values), kind)

    def _read(self, tensor: Any, view: Array | None) -> Array:
        if view is not None:
            return view.copy()
        shape = tuple(map(int, tensor.getShape()))
        empty = np.zeros(shape, self._dtype(tensor))
        if not empty.size:
            return empty
        host = self._host(tensor, empty)
        tensor.copyToHostTensor(host)
        return np.array(host.getNumpyData()).reshape(shape)

    def _dtype(self, tensor: Any) -> str:
        kind = tensor.getDataType()
        return next((name for name, known in self._kinds.items() if kind == known), "unknown")

    def _number(self, code: int) -> int:
        """A whole number of the session, which MNN's Python hands out as if it were a float."""
        told = self._interpreter.getSessionInfo(self._session, code)
        return int(np.float32(told).view(np.int32))
