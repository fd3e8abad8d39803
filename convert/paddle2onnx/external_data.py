"""Tensors that refer to bytes in a file, as ONNX's external data, and the whole file at the end."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from paddleport.files import writing_atomically
from paddleport.models import protobuf

if TYPE_CHECKING:
    import onnx

_CHUNK = 1 << 20
_MOST = (1 << 31) - 1  # bytes of a file that protobuf writes and reads
_LEAST_BESIDE = 1 << 16  # bytes of a weight that goes into a file beside the model
_PAGE = 4096  # what a weight is aligned to there, so that it can be mapped into memory
_EXTERNAL = 1  # TensorProto.DataLocation
_DATA, _ENTRIES, _LOCATION = 9, 13, 14  # of TensorProto: raw_data, external_data, data_location
# Where tensors are: message, then field number to message.
_NESTED = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph"},
}


@dataclass(frozen=True)
class ExternalBytes:
    """Bytes in a file."""

    path: Path
    offset: int
    size_bytes: int

    def chunks(self) -> Iterator[bytes]:
        """The bytes, a little at a time.

        Raises:
            OSError: the file ends before they do.
        """
        left = self.size_bytes
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            while left:
                chunk = stream.read(min(_CHUNK, left))
                if not chunk:
                    raise OSError(f"{self.path} has become shorter")
                yield chunk
                left -= len(chunk)


def set_external(tensor: "onnx.TensorProto", path: Path, offset: int, size_bytes: int) -> None:
    """Take a tensor's elements out and refer to them; its type and shape stay."""
    tensor.ClearField("raw_data")
    del tensor.external_data[:]
    tensor.data_location = type(tensor).EXTERNAL
    for key, value in (("location", path), ("offset", offset), ("length", size_bytes)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)


def external_bytes(tensor: "onnx.TensorProto") -> ExternalBytes | None:
    """What a tensor refers to; ``None`` if it holds its elements."""
    if tensor.data_location != _EXTERNAL:
        return None
    return _of_entries({item.key: item.value for item in tensor.external_data})


def _of_entries(entries: dict[str, str]) -> ExternalBytes:
    return ExternalBytes(Path(entries["location"]), int(entries["offset"]), int(entries["length"]))


def graph_tensors(graph: "onnx.GraphProto") -> Iterator["onnx.TensorProto"]:
    """The initializers and constants of a graph and of those inside it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from graph_tensors(attribute.g)


def load_external(proto: "onnx.ModelProto") -> None:
    """Put the elements into every tensor that refers to them."""
    for tensor in graph_tensors(proto.graph):
        place = external_bytes(tensor)
        if place is not None:
            tensor.raw_data = b"".join(place.chunks())
            tensor.ClearField("data_location")
            del tensor.external_data[:]


def full_size(proto: "onnx.ModelProto") -> int:
    """About the bytes of its file, with everything that it refers to."""
    places = [external_bytes(tensor) for tensor in graph_tensors(proto.graph)]
    return int(proto.ByteSize()) + sum(place.size_bytes for place in places if place)


def unique_offsets(path: Path, places: Sequence[tuple[int, int]]) -> dict[int, int]:
    """For each place, offset and size, the offset of the first with equal bytes."""
    sizes = [size for _, size in places]
    first: dict[tuple[int, bytes], int] = {}
    found = {}
    for offset, size in places:
        found[offset] = offset
        if sizes.count(size) > 1:
            digest = hashlib.sha256()
            for chunk in ExternalBytes(path, offset, size).chunks():
                digest.update(chunk)
            found[offset] = first.setdefault((size, digest.digest()), offset)
    return found


def write_model(proto: "onnx.ModelProto", target: Path) -> None:
    """Write a model as one file, or with its weights in a second one where it is too large.

    Raises:
        OutputError: a file cannot be written.
    """
    if full_size(proto) > _MOST:
        write_beside(proto, target)
        return
    with writing_atomically(target) as stream:
        write_inlined(proto, stream)


def write_beside(proto: "onnx.ModelProto", target: Path) -> None:
    """Write a model of any size, its large weights in a second file, ``TARGET.data``.

    ONNX refers to that file by its name, from the folder of the first. Weights that nodes hold
    become initializers, the only ones that every runtime looks for outside.

    Args:
        proto: changed in place; its tensors refer to the written file then.
        target: the file.

    Raises:
        OutputError: one of the files cannot be written.
    """
    _constants_to_initializers(proto.graph)
    data = data_file(target)
    with writing_atomically(data) as stream:
        for tensor in proto.graph.initializer:
            place = external_bytes(tensor)
            if place is None and len(tensor.raw_data) < _LEAST_BESIDE:
                continue
            offset = stream.seek(-(-stream.tell() // _PAGE) * _PAGE)
            if place is None:
                stream.write(tensor.raw_data)
            else:
                stream.writelines(place.chunks())
            set_external(tensor, Path(data.name), offset, stream.tell() - offset)
    with writing_atomically(target) as stream:
        stream.write(proto.SerializeToString(deterministic=True))


def data_file(path: Path) -> Path:
    """The file with the weights of a model that is too large for one."""
    return path.with_name(f"{path.name}.data")


def _constants_to_initializers(graph: "onnx.GraphProto") -> None:
    """Turn constants of the main graph that refer to a file into initializers."""
    kept = []
    for node in graph.node:
        value = node.attribute[0].t if node.op_type == "Constant" and node.attribute else None
        if value is None or external_bytes(value) is None:
            kept.append(node)
            continue
        graph.initializer.append(value)
        graph.initializer[-1].name = node.output[0]
    copies = type(graph)(node=kept).node  # before the old ones are freed
    del graph.node[:]
    graph.node.extend(copies)


Piece = bytes | memoryview | ExternalBytes


def write_inlined(proto: "onnx.ModelProto", stream: IO[bytes]) -> None:
    """Write a model with the bytes in the place of every reference, never holding them.

    It is what serialising would give had the tensors been loaded.
    """
    content = memoryview(proto.SerializeToString(deterministic=True))
    if all(external_bytes(tensor) is None for tensor in graph_tensors(proto.graph)):
        stream.write(content)
        return
    for piece in list(_pieces(content, "model")):
        if isinstance(piece, ExternalBytes):
            stream.writelines(piece.chunks())
        else:
            stream.write(piece)


def _size(pieces: Sequence[Piece]) -> int:
    return sum(
        piece.size_bytes if isinstance(piece, ExternalBytes) else len(piece) for piece in pieces
    )


def _pieces(message: memoryview, kind: str) -> Iterator[Piece]:
    if kind == "tensor":
        yield from _tensor(message)
        return
    for number, value, whole in protobuf.raw_fields(message):
        nested = _NESTED[kind].get(number)
        if nested is None or isinstance(value, int):
            yield whole
            continue
        inner = list(_pieces(value, nested))
        yield protobuf.tag(number, _size(inner))
        yield from inner


def _tensor(message: memoryview) -> Iterator[Piece]:
    """The fields in their order, the bytes for what refers to them."""
    fields = list(protobuf.raw_fields(message))
    if not any(number == _LOCATION and value == _EXTERNAL for number, value, _ in fields):
        yield message
        return
    entries = [value for number, value, _ in fields if number == _ENTRIES]
    texts = {
        protobuf.text(item, 1): protobuf.text(item, 2)
        for item in entries
        if not isinstance(item, int)
    }
    place = _of_entries(texts)
    yield from (whole for number, _, whole in fields if number < _DATA)
    yield protobuf.tag(_DATA, place.size_bytes)
    yield place
    yield from (
        whole
        for number, _, whole in fields
        if number > _DATA and number not in (_ENTRIES, _LOCATION)
    )
