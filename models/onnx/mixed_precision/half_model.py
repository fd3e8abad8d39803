"""A float32 ONNX graph with its arithmetic in float16 or bfloat16, its inputs and outputs not."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paddleport.errors import UsageError, unknown_name
from paddleport.models.onnx.graph_walk import defined, subgraphs
from paddleport.models.onnx.mixed_precision.half_numbers import HalfPrecision
from paddleport.models.onnx.mixed_precision.half_plan import Planner, needed_in_float
from paddleport.models.onnx.mixed_precision.half_writer import GraphWriter, WriterState
from paddleport.models.onnx.mixed_precision.value_kinds import Schemas, typed, without

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, kw_only=True)
class HalfModel:
    """A model in half precision.

    Attributes:
        proto: the model; takes and gives float32.
        precision: what it computes in.
        clamped: names of stored values, some of which were finite and beyond the format's
            range; they are the largest finite value now.
        kept: nodes that still compute in float32, by name or by their first result where they
            have none, and why. Nodes inside the body of such a node are not named.
    """

    proto: "onnx.ModelProto"
    precision: HalfPrecision
    clamped: tuple[str, ...]
    kept: Mapping[str, str]


def cast_to_half(
    proto: "onnx.ModelProto", precision: HalfPrecision, *, keep: Collection[str] = ()
) -> HalfModel:
    """Copy a float32 model into half precision, as strongly typed runtimes want it.

    Weights are stored in the half format, each once. Float inputs are cast behind the border
    and float outputs before it. What ONNX's schema admits as float32 only (the scales of
    Resize, QuantizeLinear before opset 19), operators of other domains, values computed from
    shapes and what handles sequences stay float32 between Casts. Bodies of If, Loop and Scan
    are rewritten like the graph around them. Tensors of other types stay, float64 included.

    Args:
        proto: left as it is; parts of it are shared by nothing in the result.
        precision: float16 or bfloat16. ONNX's checker refuses bfloat16 for many operators
            before opset 22; TensorRT's parser does not.
        keep: names of nodes, in bodies too, that stay float32.

    Raises:
        UsageError: no node has a name that is in ``keep``.
    """
    nodes = {node.name for graph in _graphs(proto.graph) for node in graph.node if node.name}
    for name in keep:
        if name not in nodes:
            raise UsageError(unknown_name("node", name, nodes))
    schemas = Schemas(proto)
    planner = Planner(schemas, precision, keep)
    plan = planner.plan(typed(proto, schemas))
    values = {name for graph in _graphs(proto.graph) for name in defined(graph)}
    in_float = {*needed_in_float(plan), *(item.name for item in proto.graph.output)}
    state = WriterState(precision=precision, used=nodes | values, in_float=frozenset(in_float))
    result: onnx.ModelProto = without(proto, {"graph"})
    result.graph.CopyFrom(GraphWriter(plan, state).write())
    return HalfModel(
        proto=result, precision=precision, clamped=tuple(state.clamped), kept=planner.kept
    )


def _graphs(graph: "onnx.GraphProto") -> Iterator["onnx.GraphProto"]:
    yield graph
    for node in graph.node:
        for body in subgraphs(node):
            yield from _graphs(body)
