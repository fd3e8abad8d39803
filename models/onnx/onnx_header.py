"""What an ONNX file says of itself, read without the onnx package and past its weights.

Importing onnx and parsing a whole file is most of what a start costs. Whatever is not plain
here is left to it: ``read_header`` then gives ``None``.

Source of the field numbers: onnx.proto, https://github.com/onnx/onnx.
"""

import mmap
import stat
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from paddleport.models.protobuf import Value, fields, messages, text
from paddleport.tensors import TensorSpec

_OPSET, _METADATA, _GRAPH = 8, 14, 7  # of ModelProto
_NODE, _INITIALIZER, _SPARSE, _INPUT, _OUTPUT = 1, 5, 15, 11, 12  # of GraphProto
_SETTLED_NS = 2_000_000_000  # FAT's times, the coarsest, are of 2 s
_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}  # TensorProto.DataType, those with one name in numpy


@dataclass(frozen=True, kw_only=True)
class OnnxHeader:
    """The small parts of an ONNX file.

    Attributes:
        metadata: its metadata entries.
        opset: of ONNX's own operators; 0 if it asks for none.
        inputs, outputs: as ``onnx_tensors`` gives them.
        operators: the types of the main graph's nodes.
        weight_types: the element types of its weights, by ONNX's numbers.
        external: the files beside it that hold weights, by their names.
    """

    metadata: dict[str, str]
    opset: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: frozenset[str]
    weight_types: frozenset[int]
    external: frozenset[str]


def read_header(path: Path) -> OnnxHeader | None:
    """The header of a file, or ``None`` where only the onnx package can say.

    One start asks for it six times; it is read again if the file has changed, or is so new that
    a second change could bear the same time.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):  # a named pipe would be waited for
        return None
    if time.time_ns() - max(found.st_ctime_ns, found.st_mtime_ns) < _SETTLED_NS:
        return _read(path)
    return _remembered(
        path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    )


@lru_cache(maxsize=4)
def _remembered(path: Path, identity: tuple[int, ...]) -> OnnxHeader | None:
    return _read(path)


def _read(path: Path) -> OnnxHeader | None:
    try:
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as content,
        ):
            return _header(content)
    except (OSError, ValueError, BufferError):
        return None


def _header(content: memoryview) -> OnnxHeader | None:
    model, graph = _grouped(content), {}
    if len(model.get(_GRAPH, ())) != 1:
        return None
    graph = _grouped(_message(model[_GRAPH][0]))
    if _SPARSE in graph or _OUTPUT not in graph:
        return None
    names, types, external = set(), set(), set()
    for weight in graph.get(_INITIALIZER, ()):
        small = dict(fields(_message(weight)))  # 2 is the type, 8 the name, 13 external data
        names.add(bytes(_message(small.get(8, memoryview(b"")))).decode())
        types.add(_number(small.get(2, 0)))
        if 13 in small:
            entries = messages(_message(weight), 13)  # 1 is the key, 2 the value
            external |= {text(entry, 2) for entry in entries if text(entry, 1) == "location"}
    inputs = [_spec(_message(item)) for item in graph.get(_INPUT, ())]
    outputs = [_spec(_message(item)) for item in graph[_OUTPUT]]
    if None in inputs or None in outputs:
        return None
    opsets = [dict(fields(_message(item))) for item in model.get(_OPSET, ())]
    own = [
        item
        for item in opsets
        if bytes(_message(item.get(1, memoryview(b"")))) in (b"", b"ai.onnx")
    ]
    return OnnxHeader(
        metadata={
            text(_message(item), 1): text(_message(item), 2) for item in model.get(_METADATA, ())
        },
        opset=_number(own[0].get(2, 0)) if own else 0,
        inputs=tuple(item for item in inputs if item is not None and item.name not in names),
        outputs=tuple(item for item in outputs if item is not None and item.name not in names),
        operators=frozenset(text(_message(node), 4) for node in graph.get(_NODE, ())),
        weight_types=frozenset(types),
        external=frozenset(external),
    )


def _spec(value: memoryview) -> TensorSpec | None:
    """A ValueInfoProto that is a tensor of a plain type."""
    held = dict(fields(value))
    kinds = dict(fields(_message(held.get(2, memoryview(b"")))))
    tensor = dict(fields(_message(kinds.get(1, memoryview(b"")))))
    dtype = _DTYPES.get(_number(tensor.get(1, 0)))
    if dtype is None or set(kinds) != {1}:
        return None
    shape = []
    for number, dimension in fields(_message(tensor.get(2, memoryview(b"")))):
        size = dict(fields(_message(dimension))).get(1) if number == 1 else None
        shape.append(size if isinstance(size, int) and size < 1 << 63 else None)
    return TensorSpec(text(value, 1), dtype, tuple(shape))


def _grouped(message: memoryview) -> dict[int, list[Value]]:
    found: dict[int, list[Value]] = {}
    for number, value in fields(message):
        found.setdefault(number, []).append(value)
    return found


def _message(value: Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise ValueError("a message where a number belongs")
    return value
