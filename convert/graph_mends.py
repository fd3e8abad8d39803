"""What Paddle2ONNX writes wrongly into the graph and a small rewrite mends, as one table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class GraphMend:
    """One rewrite.

    Attributes:
        name: short, for tests.
        sentence: what was wrong, for whoever reads the provenance.
        apply: changes the graph in place and says how many places it changed.
    """

    name: str
    sentence: str
    apply: Callable[["onnx.ModelProto"], int]


def mend_graph(proto: "onnx.ModelProto") -> tuple[str, ...]:
    """Apply every mend that finds something, and give their sentences."""
    return tuple(mend.sentence for mend in GRAPH_MENDS if mend.apply(proto))


def _scalars_in_concat(proto: "onnx.ModelProto") -> int:
    """Give scalars that are concatenated the one dimension that Concat asks for.

    Paddle's old slice with decrease_axis becomes a 0-D tensor in PIR; a list of such sizes, the
    shape of a reshape, becomes a Concat, whose inputs ONNX wants to be 1-D.
    """
    import onnx
    from onnx import helper

    inferred = onnx.shape_inference.infer_shapes(proto)
    scalars = {
        value.name
        for value in (*inferred.graph.value_info, *inferred.graph.input)
        if value.type.tensor_type.HasField("shape") and not value.type.tensor_type.shape.dim
    }
    scalars |= {item.name for item in proto.graph.initializer if not item.dims}
    nodes, changed, reshaped = [], 0, set()
    for node in proto.graph.node:
        if node.op_type == "Concat":
            for index, name in enumerate(node.input):
                if name not in scalars:
                    continue
                if name not in reshaped:
                    target, shape = f"{name}/as_1d", f"{name}/shape_1d"
                    length = helper.make_tensor(shape, onnx.TensorProto.INT64, [1], [1])
                    nodes.append(helper.make_node("Constant", [], [shape], value=length))
                    nodes.append(helper.make_node("Reshape", [name, shape], [target]))
                    reshaped.add(name)
                node.input[index] = f"{name}/as_1d"
                changed += 1
        nodes.append(node)
    if changed:
        kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del proto.graph.node[:]
        proto.graph.node.extend(kept)
    return changed


GRAPH_MENDS = (
    GraphMend(
        "scalars-in-concat",
        "scalar sizes were concatenated without the dimension that ONNX asks for",
        _scalars_in_concat,
    ),
)
