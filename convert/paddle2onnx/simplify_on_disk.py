"""onnxslim with large weights on disk: it copies each some five times, and looks at few.

Where it looks at a weight that refers to a file, it is given the file mapped into memory; a
large weight that it made is written to a file as soon as it is exported. Its sums are the same.
"""

import contextlib
import hashlib
import mmap
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.convert.paddle2onnx.external_data import (
    ExternalBytes,
    external_bytes,
    load_external,
    set_external,
)
from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx

LEAST_BYTES = 1 << 20
_BLOCK_BYTES = 32 << 20


class _WeightFile:
    """A file that weights are appended to; equal ones share their bytes, and compare equal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[bytes, int] = {}

    def put(self, values: Array) -> ExternalBytes:
        digest = hashlib.sha256()
        with self._path.open("ab") as stream:
            start = stream.tell()
            for block in _blocks(values):
                digest.update(block)
                stream.write(block)
            offset = self._known.setdefault(digest.digest(), start)
            if offset != start:
                stream.truncate(start)
        return ExternalBytes(self._path, offset, values.nbytes)


def _blocks(values: Array) -> Iterator[bytes]:
    """The elements in C order, whatever the order in memory."""
    rows = max(1, _BLOCK_BYTES * len(values) // values.nbytes)
    for start in range(0, len(values), rows):
        yield values[start : start + rows].tobytes()


class _WeightMaps:
    """Weights mapped into memory to be read; only the last one looked at takes any."""

    def __init__(self) -> None:
        self._living: list[weakref.ref[mmap.mmap]] = []

    def array(self, tensor: "onnx.TensorProto", place: ExternalBytes) -> Array:
        """The elements that a tensor refers to."""
        from onnx import helper

        self._let_go()
        surplus = place.offset % mmap.ALLOCATIONGRANULARITY
        with place.path.open("rb") as stream:
            mapped = mmap.mmap(
                stream.fileno(),
                place.size_bytes + surplus,
                access=mmap.ACCESS_READ,
                offset=place.offset - surplus,
            )
        self._living.append(weakref.ref(mapped))
        dtype, shape = helper.tensor_dtype_to_np_dtype(tensor.data_type), tuple(tensor.dims)
        return np.frombuffer(mapped, dtype, offset=surplus).reshape(shape)

    def _let_go(self) -> None:
        """Pages are read again from the file if they are looked at again."""
        maps = [found for item in self._living if (found := item()) is not None]
        self._living = [weakref.ref(item) for item in maps]
        for item in maps if hasattr(mmap, "MADV_DONTNEED") else ():
            item.madvise(mmap.MADV_DONTNEED)


class _FunctionsOnDisk:
    """What takes the place of four functions of onnxslim and onnx."""

    def __init__(self, folder: Path) -> None:
        from onnx import numpy_helper
        from onnxslim.third_party.onnx_graphsurgeon.exporters import onnx_exporter
        from onnxslim.third_party.onnx_graphsurgeon.ir.tensor import LazyValues

        self._store, self._maps = _WeightFile(folder / "simplified.weights"), _WeightMaps()
        self._exporter = onnx_exporter
        self._load, self._to_array = LazyValues.load, numpy_helper.to_array
        self._to_tensor = onnx_exporter.OnnxExporter.export_tensor_proto
        self._to_fold = onnx_exporter.export_onnx
        on_disk = self

        def load(self: Any) -> Any:
            place = external_bytes(self.tensor)
            return on_disk._load(self) if place is None else on_disk._maps.array(self.tensor, place)

        self.replaced = (
            (LazyValues, "load", load),
            (numpy_helper, "to_array", self.to_array),
            (onnx_exporter.OnnxExporter, "export_tensor_proto", staticmethod(self.to_tensor)),
            (onnx_exporter, "export_onnx", self.to_fold),
        )

    def to_array(self, tensor: "onnx.TensorProto", base_dir: str = "") -> Any:
        place = external_bytes(tensor)
        if place is None:
            return self._to_array(tensor, base_dir)
        return self._maps.array(tensor, place)

    def to_tensor(self, constant: Any) -> Any:
        values = constant._values
        if not isinstance(values, np.ndarray):
            return self._to_tensor(constant)
        constant.data_location = None  # it was loaded, or made of what was
        is_plain = values.ndim > 0 and constant.export_dtype == values.dtype
        if not is_plain or values.nbytes < LEAST_BYTES:
            return self._to_tensor(constant)
        kind = self._exporter.dtype_to_onnx(values.dtype)
        tensor = self._exporter.onnx.TensorProto(
            name=constant.name, data_type=kind, dims=values.shape
        )
        place = self._store.put(values)
        set_external(tensor, place.path, place.offset, place.size_bytes)
        return tensor

    def to_fold(self, *args: Any, **kwargs: Any) -> Any:
        proto = self._to_fold(*args, **kwargs)
        load_external(proto)
        return proto


@contextlib.contextmanager
def weights_on_disk(folder: Path) -> Iterator[None]:
    """Within it, onnxslim takes a model with references and gives one.

    Constants that ONNX Runtime folds are loaded, since it takes a model in one piece.

    Args:
        folder: gets the file with the weights that onnxslim made, for as long as the model lives.
    """
    with contextlib.ExitStack() as undo:
        for owner, name, replaced in _FunctionsOnDisk(folder).replaced:
            undo.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, replaced)
        yield
