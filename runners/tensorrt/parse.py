"""An ONNX file as a strongly typed network in the precision wanted, or why it is refused."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.models.onnx.graph_walk import normalisation_nodes
from paddleport.models.onnx.mixed_precision.half_model import HalfModel, cast_to_half
from paddleport.models.onnx.onnx_file import read_onnx_proto, weights_precision
from paddleport.runners.runner_options import Precision
from paddleport.runners.tensorrt.library import Loaded

if TYPE_CHECKING:
    import onnx


Network = tuple[Any, Any, Any]  # builder, network, parser: each must outlive the next


def check_precision(onnx: Path, precision: Precision | None, backend: str) -> Precision:
    """The precision that an engine of this file can have, asked for or its own.

    Raises:
        BackendUnavailableError: the file is in another one, and can't be cast to it.
    """
    own = weights_precision(onnx)
    if precision in (None, own):
        return own
    if precision is None or own != "fp32":
        raise BackendUnavailableError(
            f"{onnx.name} is in {own}, so {backend} does not compute it in {precision}: leave "
            "--precision out"
        )
    if precision == "int8":
        raise BackendUnavailableError(
            f"{onnx.name} holds no QuantizeLinear and DequantizeLinear nodes, so {backend} does "
            "not compute it in int8: give it a quantised ONNX file"
        )
    return precision


def parse(loaded: Loaded, onnx: Path, precision: Precision) -> tuple[Network, tuple[str, ...]]:
    """Parse a file, cast where it must be, and say what stays in float32.

    An operator that the parser takes in float32 only (HardSwish in bf16) is kept so, all its
    nodes, and that is reported; so is the normalisation of pictures, where it is in the graph.

    Raises:
        ModelFileError: the parser refuses the graph; says which node, and why.
    """
    if precision not in ("fp16", "bf16") or precision == weights_precision(onnx):
        return _parsed(loaded, onnx, onnx), ()
    proto = read_onnx_proto(onnx)
    keep = set(normalisation_nodes(proto))  # else pixels are rounded step by step
    while True:
        half = cast_to_half(proto, precision, keep=keep)
        content = half.proto.SerializeToString()
        try:
            return _parsed(loaded, onnx, content), _notes(proto, half, keep)
        except ModelFileError:
            more = _of_refused_operators(loaded, proto, content) - keep
            if not more:
                raise
            keep |= more


def _parsed(loaded: Loaded, onnx: Path, graph: Path | bytes) -> Network:
    loaders, typed = loaded.loaders, loaded.strongly_typed
    load = (
        loaders.NetworkFromOnnxBytes(graph, strongly_typed=typed)
        if isinstance(graph, bytes)
        else loaders.NetworkFromOnnxPath(str(graph), strongly_typed=typed)
    )
    try:
        builder, network, parser = load()
    except Exception as error:  # Polygraphy says only that it could not parse
        raise ModelFileError(
            f"{loaded.library.backend} does not take {onnx.name}: "
            f"{why_refused(loaded, graph) or error}"
        ) from error
    return builder, network, parser


def _of_refused_operators(loaded: Loaded, proto: "onnx.ModelProto", content: bytes) -> set[str]:
    """The names of all nodes of the operators of which the parser refuses one."""
    operators = {item.operator for item in refusals(loaded, content)}
    return {node.name for node in proto.graph.node if node.op_type in operators and node.name}


def _notes(proto: "onnx.ModelProto", half: HalfModel, keep: Collection[str]) -> tuple[str, ...]:
    kept = {*keep, *half.kept}  # Shape and the like compute with no float either way
    counted = Counter(node.op_type for node in proto.graph.node if node.name in kept)
    notes = []
    if counted:
        listed = ", ".join(f"{count} {operator}" for operator, count in sorted(counted.items()))
        notes.append(f"kept in fp32: {listed}")
    if half.clamped:
        notes.append(f"clamped to the range of {half.precision}: {', '.join(half.clamped)}")
    return tuple(notes)


_MOST = 3  # refused nodes in one line
_SAYS_NOTHING = ("", "false")  # the parser's description, where a check of it has none


@dataclass(frozen=True)
class ParserRefusal:
    """One node that the parser does not take.

    Attributes:
        node: its name; empty where it has none, or the graph as a whole is refused.
        operator: its operator.
        reason: the parser's words.
    """

    node: str
    operator: str
    reason: str

    def __str__(self) -> str:
        if not self.operator:
            return self.reason
        return f"node '{self.node}' ({self.operator}): {self.reason}"


def refusals(loaded: Loaded, onnx: Path | bytes) -> tuple[ParserRefusal, ...]:
    """Parse once more with the library's own parser, which keeps its errors."""
    builder, network = loaded.loaders.CreateNetwork(strongly_typed=loaded.strongly_typed)()
    parser = loaded.trt.OnnxParser(network, loaded.loaders.get_trt_logger())
    if isinstance(onnx, bytes):
        parser.parse(onnx)
    else:
        parser.parse_from_file(str(onnx))
    found = tuple(_refusal(parser.get_error(index)) for index in range(parser.num_errors))
    del parser, network, builder  # in this order: each needs the next
    return found


def why_refused(loaded: Loaded, onnx: Path | bytes) -> str:
    """The first refusals in one line; empty where the parser has none."""
    found = list(dict.fromkeys(str(item) for item in refusals(loaded, onnx)))
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(found[:_MOST]) + more


def _refusal(error: Any) -> ParserRefusal:
    said = " ".join(error.desc().split())
    code = error.code().name
    words = f"{code.lower().replace('_', ' ')}, by its parser"
    reason = words if said.lower() in _SAYS_NOTHING else f"{said} ({code})"
    return ParserRefusal(error.node_name(), error.node_operator(), reason)
