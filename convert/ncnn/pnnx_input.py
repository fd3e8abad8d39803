"""The ONNX graph as pnnx takes it: shapes for its inputs, and no output that is another's copy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.convert.ncnn.graph_fixups import fix_for_pnnx
from paddleport.errors import BackendUnavailableError
from paddleport.models.onnx.onnx_file import read_onnx_proto
from paddleport.tensors import ShapeRange, TensorSpec

if TYPE_CHECKING:
    import onnx

_TYPES = {"float32": "f32", "int64": "i64", "int32": "i32"}
_MOST_BYTES = 2**31 - 1  # of one protobuf message


@dataclass(frozen=True, kw_only=True)
class PnnxInput:
    """What pnnx is given.

    Attributes:
        shapes: of the inputs, as its option takes them.
        larger: others, where free sizes were asked for; else empty.
        copies: outputs that were left out, and the input or output that each is the same as.
        fixups: what of the graph was written anew, in words.
        outputs: the names of those that are left, in order.
    """

    shapes: str
    larger: str
    copies: Mapping[str, str]
    fixups: tuple[str, ...]
    outputs: tuple[str, ...]


def write_pnnx_input(
    onnx: Path, path: Path, inputs: Sequence[TensorSpec], shapes: Mapping[str, ShapeRange]
) -> PnnxInput:
    """Write ``onnx`` as ``path``, whole, without outputs that pnnx crashes on.

    Raises:
        BackendUnavailableError: an input of a type that ncnn has not, or more than 2 GB.
    """
    proto = read_onnx_proto(onnx)
    copies = _without_copies(proto)
    best = {spec.name: shapes[spec.name].opt for spec in inputs}
    fixups = fix_for_pnnx(proto, best)
    if proto.ByteSize() > _MOST_BYTES:
        raise BackendUnavailableError("pnnx takes an ONNX model in one file, so of 2 GB at most")
    path.write_bytes(proto.SerializeToString())
    for spec in inputs:
        if spec.dtype not in _TYPES:
            raise BackendUnavailableError(
                f"input {spec.name} is {spec.dtype}, and ncnn takes only {', '.join(_TYPES)}"
            )
    given = [_pnnx_shape(spec, best[spec.name]) for spec in inputs]
    other = [_pnnx_shape(spec, _other_size(shapes[spec.name])) for spec in inputs]
    return PnnxInput(
        shapes=",".join(given),
        larger=",".join(other) if given != other else "",
        copies=copies,
        fixups=fixups,
        outputs=tuple(item.name for item in proto.graph.output),
    )


def _other_size(wanted: ShapeRange) -> tuple[int, ...]:
    return wanted.max if wanted.max != wanted.opt else wanted.min


def _pnnx_shape(spec: TensorSpec, shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]{_TYPES[spec.dtype]}"


def _without_copies(proto: "onnx.ModelProto") -> dict[str, str]:
    """Take out every output that an Identity copies from an input or from another output.

    pnnx drops the Identity and then has one tensor under two names, on which it crashes.
    """
    copied = {
        node.output[0]: node.input[0] for node in proto.graph.node if node.op_type == "Identity"
    }
    known: dict[str, str] = {item.name: item.name for item in proto.graph.input}
    copies: dict[str, str] = {}
    for item in list(proto.graph.output):
        origin = item.name
        while origin in copied:
            origin = copied[origin]
        if origin in known:
            copies[item.name] = known[origin]
            proto.graph.output.remove(item)
        known.setdefault(origin, item.name)
    return copies
