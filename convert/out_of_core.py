"""onnxslim with large weights on disk: it copies each some five times, and looks at few.

Where it looks at a weight that refers to a file, it is given the file mapped into memory; a
large weight that it made is written to a file as soon as it is exported. Its sums are the same.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.convert.references import Reference, load_references, reference, set_reference
from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx

LEAST_BYTES = 1 << 20
_BLOCK_BYTES = 32 << 20


class _Store:
    """A file that weights are appended to; equal ones share their bytes, and compare equal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[bytes, int] = {}

    def put(self, values: Array) -> Reference:
        digest = hashlib.sha256()
        with self._path.open("ab") as stream:
            start = stream.tell()
            for block in _blocks(values):
                digest.update(block)
                stream.write(block)
            offset = self._known.setdefault(digest.digest(), start)
            if offset != start:
                stream.truncate(start)
        return Reference(self._path, offset, values.nbytes)


def _blocks(values: Array) -> Iterator[bytes]:
    """The elements in C order, whatever the order in memory."""
    rows = max(1, _BLOCK_BYTES * len(values) // values.nbytes)
    for start in range(0, len(values), rows):
        yield values[start : start + rows].tobytes()


def _mapped(tensor: "onnx.TensorProto", place: Reference) -> Array:
    """The elements that a tensor refers to; what is written to them stays in memory."""
    from onnx import helper

    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    mapped = np.memmap(place.path, dtype, "c", place.offset, tuple(tensor.dims))
    return mapped.view(np.ndarray)


class _OnDisk:
    """What takes the place of four functions of onnxslim and onnx."""

    def __init__(self, folder: Path) -> None:
        from onnx import numpy_helper
        from onnxslim.third_party.onnx_graphsurgeon.exporters import onnx_exporter
        from onnxslim.third_party.onnx_graphsurgeon.ir.tensor import LazyValues

        self._store, self._exporter = _Store(folder / "simplified.weights"), onnx_exporter
        self._load, self._to_array = LazyValues.load, numpy_helper.to_array
        self._to_tensor = onnx_exporter.OnnxExporter.export_tensor_proto
        self._to_fold = onnx_exporter.export_onnx
        on_disk = self

        def load(self: Any) -> Any:
            place = reference(self.tensor)
            return on_disk._load(self) if place is None else _mapped(self.tensor, place)

        self.replaced = (
            (LazyValues, "load", load),
            (numpy_helper, "to_array", self.to_array),
            (onnx_exporter.OnnxExporter, "export_tensor_proto", staticmethod(self.to_tensor)),
            (onnx_exporter, "export_onnx", self.to_fold),
        )

    def to_array(self, tensor: "onnx.TensorProto", base_dir: str = "") -> Any:
        place = reference(tensor)
        return self._to_array(tensor, base_dir) if place is None else _mapped(tensor, place)

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
        set_reference(tensor, place.path, place.offset, place.size_bytes)
        return tensor

    def to_fold(self, *args: Any, **kwargs: Any) -> Any:
        proto = self._to_fold(*args, **kwargs)
        load_references(proto)
        return proto


@contextlib.contextmanager
def weights_on_disk(folder: Path) -> Iterator[None]:
    """Within it, onnxslim takes a model with references and gives one.

    Constants that ONNX Runtime folds are loaded, since it takes a model in one piece.

    Args:
        folder: gets the file with the weights that onnxslim made, for as long as the model lives.
    """
    with contextlib.ExitStack() as undo:
        for owner, name, replaced in _OnDisk(folder).replaced:
            undo.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, replaced)
        yield
