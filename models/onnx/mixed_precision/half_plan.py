"""Which nodes of a float32 graph compute in half precision, and in what form they take values."""

from collections.abc import Collection, Iterator, MutableMapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from paddleport.models.onnx.graph_walk import captured, label, subgraphs
from paddleport.models.onnx.mixed_precision.half_numbers import HalfPrecision
from paddleport.models.onnx.mixed_precision.value_kinds import (
    Schemas,
    TypedGraph,
    ValueKind,
    ValueOrigins,
    formal,
)

if TYPE_CHECKING:
    import onnx

FLOAT = 1  # TensorProto.FLOAT
# attributes that state an output's type; where they may be left out the schema has a default
TYPE_ATTRIBUTES = ("to", "dtype", "output_datatype")

# What ONNX admits and TensorRT-RTX 1.7.1 does not: each was put to its parser and builder alone,
# of some eighty common operators.
_REFUSED_FP16 = frozenset({"MeanVarianceNormalization"})
_REFUSED_BF16 = _REFUSED_FP16.union(
    """
    ConvTranspose GlobalLpPool GRU HardSwish LpNormalization LpPool Mish RandomNormal
    RandomNormalLike RandomUniform RandomUniformLike Shrink
    """.split()  # noqa: SIM905  # a column otherwise
)
_REFUSED = {"fp16": _REFUSED_FP16, "bf16": _REFUSED_BF16}


class PortForm(Enum):
    """How a port takes or gives a value that was float32 in the model."""

    HALF = "half"
    FLOAT = "float32"
    ANY = "either: an input in what form it is there, an output as its readers need it"


@dataclass(frozen=True, kw_only=True)
class NodePlan:
    """One node; ``None`` stands for a port that is no float32 tensor.

    Attributes:
        node: of the model itself.
        inputs: the form of each input.
        outputs: the form of each output.
        bodies: its subgraphs, if they are rewritten; else they stay as they are.
    """

    node: "onnx.NodeProto"
    inputs: tuple[PortForm | None, ...]
    outputs: tuple[PortForm | None, ...]
    bodies: tuple["PlannedGraph", ...] = ()


@dataclass(frozen=True)
class PlannedGraph:
    """A graph with what is done to each of its nodes, in order."""

    graph: "onnx.GraphProto"
    kinds: MutableMapping[str, ValueKind]
    steps: tuple[NodePlan, ...]

    def is_float(self, name: str) -> bool:
        """Whether a value that this graph can see is a float32 tensor."""
        return self.kinds.get(name) is ValueKind.FLOAT


class Planner:
    """Decides by ONNX's schemas; ``kept`` names the nodes left in float32, and says why."""

    def __init__(self, schemas: Schemas, precision: HalfPrecision, keep: Collection[str]) -> None:
        self._schemas = schemas
        self._precision = precision
        self._keep = keep
        self.kept: dict[str, str] = {}

    def plan(self, typed: TypedGraph, known: ValueOrigins | None = None) -> PlannedGraph:
        """A step for each node of the graph and of the bodies that can be rewritten."""
        known = (known or ValueOrigins()).inside(typed.graph)
        steps = []
        for node, bodies in zip(typed.graph.node, typed.bodies, strict=True):
            schema = self._schemas.of(node)
            known.learn(node, schema)
            reason = self._reason(node, schema, typed.kinds, known) or _body_reason(bodies)
            if reason or schema is None:
                step = _kept(node, typed.kinds)
            elif bodies:
                inner = tuple(self.plan(body, known) for body in bodies)
                step = _whole(node, typed.kinds, inner)
            else:
                step = _by_schema(node, schema, typed.kinds)
                if _all_float(step):
                    reason = f"{node.op_type} takes no float16 in this opset"
            if reason and any(
                typed.kinds.get(name) is not ValueKind.OTHER for name in _names(node)
            ):
                self.kept[label(node)] = reason
            steps.append(step)
        return PlannedGraph(typed.graph, typed.kinds, tuple(steps))

    def _reason(
        self,
        node: "onnx.NodeProto",
        schema: "onnx.defs.OpSchema | None",
        kinds: MutableMapping[str, ValueKind],
        known: ValueOrigins,
    ) -> str:
        """Why the whole node stays in float32, or nothing."""
        if node.name and node.name in self._keep:
            return "asked for"
        if schema is None:
            return f"{node.domain or 'ONNX'}'s {node.op_type} has no schema"
        if any(kinds.get(name) is ValueKind.SEQUENCE for name in _names(node)):
            return "works on sequences or optionals"
        unknown = [name for name in _names(node) if name not in kinds]
        if unknown:
            return f"the type of '{unknown[0]}' is unknown"
        if node.op_type in _REFUSED[self._precision]:
            return f"TensorRT takes no {self._precision} for {node.op_type}"
        if any(item.name == "sparse_value" for item in node.attribute):
            return "sparse"
        if known.from_sizes(node):
            return "computes from shapes"  # 1025 in fp16, and 257 in bf16, is already another size
        if self._precision == "fp16" and known.has_tiny_scale(node):
            return "its scale is below float16's normal range"
        return ""


def states_float(node: "onnx.NodeProto", schema: Any) -> bool:
    """Whether the node itself, and not an input, makes its output float32."""
    if node.op_type in ("Constant", "ConstantOfShape"):
        return True
    stated = {item.name: item.i for item in node.attribute}
    return any(
        name in schema.attributes
        and stated.get(name, schema.attributes[name].default_value.i) == FLOAT
        for name in TYPE_ATTRIBUTES
    )


def needed_in_float(plan: PlannedGraph) -> Iterator[str]:
    """Every name that some node takes as float32 only, whatever graph it is in."""
    for step in plan.steps:
        for name, form in zip(step.node.input, step.inputs, strict=True):
            if form is PortForm.FLOAT:
                yield name
        for body in step.bodies:
            yield from needed_in_float(body)
        if not step.bodies:
            for graph in subgraphs(step.node):
                yield from captured(graph)


def _names(node: "onnx.NodeProto") -> list[str]:
    return [name for name in (*node.input, *node.output) if name]


def _body_reason(bodies: tuple[TypedGraph, ...]) -> str:
    for body in bodies:
        for item in (*body.graph.input, *body.graph.output):
            if body.kinds.get(item.name) not in (ValueKind.FLOAT, ValueKind.OTHER):
                return f"the type of '{item.name}' in its body is unknown or no tensor"
    return ""


def _kept(node: "onnx.NodeProto", kinds: MutableMapping[str, ValueKind]) -> NodePlan:
    inputs, outputs = _forms(node, kinds, PortForm.FLOAT)
    return NodePlan(node=node, inputs=inputs, outputs=outputs)


def _whole(
    node: "onnx.NodeProto", kinds: MutableMapping[str, ValueKind], bodies: tuple[PlannedGraph, ...]
) -> NodePlan:
    inputs, outputs = _forms(node, kinds, PortForm.HALF)
    return NodePlan(node=node, inputs=inputs, outputs=outputs, bodies=bodies)


def _forms(
    node: "onnx.NodeProto", kinds: MutableMapping[str, ValueKind], form: PortForm
) -> tuple[tuple[PortForm | None, ...], tuple[PortForm | None, ...]]:
    inputs, outputs = (
        tuple(form if kinds.get(name) is ValueKind.FLOAT else None for name in names)
        for names in (node.input, node.output)
    )
    return inputs, outputs


def _by_schema(
    node: "onnx.NodeProto", schema: "onnx.defs.OpSchema", kinds: MutableMapping[str, ValueKind]
) -> NodePlan:
    def form(parameters: Any, at: int, name: str, either: bool) -> PortForm | None:
        if kinds.get(name) is not ValueKind.FLOAT:
            return None
        # For bfloat16 too float16 is asked for: ONNX admits bfloat16 late (Conv in opset 22),
        # TensorRT's parser takes it in any opset wherever it takes float16.
        if "tensor(float16)" not in formal(parameters, at).types:
            return PortForm.FLOAT
        return PortForm.ANY if either else PortForm.HALF

    from_any = {"Cast": 0, "CastLike": 0, "Shape": 0, "Size": 0}.get(node.op_type)
    inputs = (form(schema.inputs, at, name, at == from_any) for at, name in enumerate(node.input))
    own = states_float(node, schema)
    outputs = (form(schema.outputs, at, name, own) for at, name in enumerate(node.output))
    return NodePlan(node=node, inputs=tuple(inputs), outputs=tuple(outputs))


def _all_float(step: NodePlan) -> bool:
    forms = {form for form in (*step.inputs, *step.outputs) if form is not None}
    return forms == {PortForm.FLOAT}
