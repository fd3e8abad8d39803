"""An ONNX file in the precision that is wanted, as a strongly typed network."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.models.onnx.graph_walk import normalisation_nodes
from paddleport.models.onnx.mixed_precision.half_model import HalfModel, cast_to_half
from paddleport.models.onnx.onnx_file import read_onnx_proto, weights_precision
from paddleport.runners.base import Precision
from paddleport.runners.tensorrt.library import Loaded
from paddleport.runners.tensorrt.refusals import refusals, why_refused

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
    nodes, and that is told; so is the normalisation of pictures, where it is in the graph.

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
