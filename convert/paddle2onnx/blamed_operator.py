"""Paddle's operator behind an ONNX node: what Paddle2ONNX was writing when it wrote the node."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from paddleport.convert.paddle2onnx.declared_inputs import DeclaredShape, declare
from paddleport.convert.paddle2onnx.export import RawExport, fixed_graph
from paddleport.convert.paddle2onnx.fixups.declared_shapes import inferred_shapes
from paddleport.convert.paddle2onnx.fixups.declared_values import DeclaredValue, declared_values
from paddleport.models.onnx.graph_walk import all_nodes

if TYPE_CHECKING:
    import onnx

# As ONNX's shape inference and ONNX Runtime name the node that they refuse, the innermost last.
_NODE = re.compile(
    r"node name: ([\w./]+)|Name:\s?'([^']+)'|Node \(([\w./]+)\)|[Nn]ame: ([\w./]+) OpType"
)
_TYPE = re.compile(r"op_type:(\w+)|running (\w+) node|Op \((\w+)\)|OpType: (\w+)")


def operator_behind(raw: RawExport, message: str) -> str:
    """The operator of the program that an error of ONNX's tools is about; empty if unknown.

    Paddle2ONNX writes operator after operator, and the last node of each gives a value that has
    the operator's name. So a node is of the operator whose value comes next.

    Args:
        raw: what Paddle2ONNX wrote.
        message: the error, which names a node, or at least what kind it is.
    """
    proto, _ = fixed_graph(raw)
    declared = declared_values(json.loads(raw.program.read_bytes()))
    origins = list(_origins(proto.graph, declared))
    for pattern, is_kind in ((_NODE, False), (_TYPE, True)):
        for found in reversed(pattern.findall(message)):
            named = next(filter(None, found))
            operators = {
                operator
                for node, operator in origins
                if operator and (node.op_type if is_kind else node.name) == named
            }
            if len(operators) == 1:
                return operators.pop()
    return ""


def fixing_operator(raw: RawExport, shapes: Mapping[str, DeclaredShape]) -> str:
    """The first operator whose result has a fixed size where the program leaves it free.

    Args:
        raw: what Paddle2ONNX wrote.
        shapes: the inputs' shapes in the program, which the file may have fixed.
    """
    proto, _ = fixed_graph(raw)
    declare(proto, shapes)
    declared = declared_values(json.loads(raw.program.read_bytes()))
    found = inferred_shapes(proto)
    for name, value in declared.items():
        pairs = zip(found.get(name, ()), value.shape or (), strict=False)
        if any(size >= 0 > free for size, free in pairs):
            return value.operator
    return ""


def _origins(
    graph: "onnx.GraphProto", declared: Mapping[str, DeclaredValue]
) -> Iterator[tuple["onnx.NodeProto", str]]:
    """Every node with the operator that it was written for, bodies' nodes too."""
    waiting: list[onnx.NodeProto] = []
    for node in all_nodes(graph):
        waiting.append(node)
        made = next((declared[name] for name in node.output if name in declared), None)
        if made is not None:
            yield from ((item, made.operator) for item in waiting)
            waiting.clear()
    yield from ((item, "") for item in waiting)
