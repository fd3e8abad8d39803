"""Writes a planned graph anew, with a Cast wherever a value is needed in its other form."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from paddleport.models.onnx.graph_walk import captured, rename, subgraphs
from paddleport.models.onnx.mixed_precision.half_numbers import (
    FORMATS,
    HalfPrecision,
    exceeds,
    half_tensor,
)
from paddleport.models.onnx.mixed_precision.half_plan import (
    FLOAT,
    TYPE_ATTRIBUTES,
    NodePlan,
    PlannedGraph,
    PortForm,
)
from paddleport.models.onnx.mixed_precision.value_kinds import without

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, kw_only=True)
class WriterState:
    """What the writers of a model's graphs share.

    Attributes:
        precision: what is written.
        used: the names of all values and nodes; grows.
        in_float: values that some node takes as float32 only.
        clamped: stored values of which some lay beyond the format's range; grows.
    """

    precision: HalfPrecision
    used: set[str]
    in_float: frozenset[str]
    clamped: dict[str, None] = field(default_factory=dict)

    def fresh(self, name: str) -> str:
        """A name that nothing has yet: the one given, or with a number behind it."""
        free, count = name, 1
        while free in self.used:
            free, count = f"{name}_{count}", count + 1
        self.used.add(free)
        return free

    def half(self, tensor: "onnx.TensorProto", name: str, original: str) -> "onnx.TensorProto":
        """A float32 tensor in the half format; notes that it was clamped."""
        from onnx import numpy_helper

        if exceeds(numpy_helper.to_array(tensor), self.precision):
            self.clamped[original] = None
        return half_tensor(tensor, name, self.precision)

    def onnx_type(self, form: PortForm) -> int:
        """ONNX's number of the type of a value in this form."""
        return FORMATS[self.precision].onnx_type if form is PortForm.HALF else FLOAT

    def state_half(self, node: "onnx.NodeProto", original: str) -> None:
        """Let a node that states its output's type state half."""
        import onnx

        if node.op_type in ("Constant", "ConstantOfShape"):
            tensor = _stated_value(node)
            half_value = self.half(tensor, tensor.name, original)
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("value", half_value))
            return
        schema = onnx.defs.get_schema(node.op_type)
        (name,) = [name for name in TYPE_ATTRIBUTES if name in schema.attributes]
        others = [item for item in node.attribute if item.name != name]
        del node.attribute[:]
        half = self.onnx_type(PortForm.HALF)
        node.attribute.extend([*others, onnx.helper.make_attribute(name, half)])


def _stated_value(node: "onnx.NodeProto") -> "onnx.TensorProto":
    """The value of a Constant or of a ConstantOfShape, whose default is 0."""
    from onnx import numpy_helper

    stored: onnx.TensorProto
    for item in node.attribute:
        if item.HasField("t"):
            stored = item.t
            return stored
        if item.name == "value_floats":
            return numpy_helper.from_array(np.array(item.floats, np.float32))
        if item.name == "value_float":
            return numpy_helper.from_array(np.array(item.f, np.float32))
    return numpy_helper.from_array(np.zeros(1, np.float32))


class GraphWriter:
    """One graph on its way; a body asks its ``outer`` writer for what it captures."""

    def __init__(
        self, plan: PlannedGraph, state: WriterState, outer: "GraphWriter | None" = None
    ) -> None:
        self._plan = plan
        self._state = state
        self._outer = outer
        self._names: dict[str, dict[PortForm, str]] = {}
        self._stored: dict[str, onnx.TensorProto | onnx.NodeProto] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._float_outputs = set() if outer else {item.name for item in plan.graph.output}

    def write(self) -> "onnx.GraphProto":
        """The graph in half precision: a body at its borders too, a model's own not there."""
        graph = self._plan.graph
        fields = {"node", "initializer", "input", "output", "value_info"}
        written: onnx.GraphProto = without(graph, fields)
        self._start()
        for step in self._plan.steps:
            self._step(step)
        border = PortForm.HALF if self._outer else PortForm.FLOAT
        for item in graph.output:
            result = written.output.add()
            result.CopyFrom(item)
            if self._plan.is_float(item.name):
                result.name = self.name(item.name, border)
                result.type.tensor_type.elem_type = self._state.onnx_type(border)
        for item in graph.input:
            written.input.extend(self._listed(item))
        written.node.extend(self._nodes)
        written.initializer.extend(self._initializers)
        return written

    def name(self, value: str, form: PortForm) -> str:
        """What a float32 value of the model is called in the form asked for."""
        owner = self._owner(value)
        names = owner._names[value]
        if form is PortForm.ANY:
            stored = value in owner._stored  # and exact in float32: a Cast may need it so
            return self.name(value, PortForm.FLOAT) if stored else next(iter(names.values()))
        if form not in names:
            owner._make(value, form)
        return names[form]

    def _owner(self, value: str) -> "GraphWriter":
        if value in self._names or self._outer is None:
            return self
        return self._outer._owner(value)

    def _start(self) -> None:
        graph = self._plan.graph
        for tensor in graph.initializer:
            if tensor.data_type == FLOAT:
                self._stored[tensor.name] = tensor
                self._names[tensor.name] = {}
            else:
                self._initializers.append(tensor)
        own = PortForm.HALF if self._outer else PortForm.FLOAT
        for item in graph.input:
            if item.name not in self._stored and self._plan.is_float(item.name):
                self._names[item.name] = {own: item.name}
        for sparse in graph.sparse_initializer:
            self._names[sparse.values.name] = {PortForm.FLOAT: sparse.values.name}

    def _make(self, value: str, form: PortForm) -> None:
        """Add a value's other form: stored once more, or cast."""
        if value in self._stored:
            self._names[value][form] = self._store(value, form)
            return
        suffix = "half" if form is PortForm.HALF else "fp32"
        name = self._state.fresh(f"{value}_{suffix}")
        (source,) = self._names[value].values()
        self._cast(source, name, form)
        self._names[value][form] = name

    def _store(self, value: str, form: PortForm) -> str:
        stored = self._stored[value]
        tensor = stored if not hasattr(stored, "op_type") else None
        name = value if form is PortForm.FLOAT else self._state.fresh(f"{value}_half")
        if tensor is not None:
            half = form is PortForm.HALF
            self._initializers.append(self._state.half(tensor, name, value) if half else tensor)
            return name
        node = type(stored)()
        node.CopyFrom(stored)
        if form is PortForm.HALF:
            node.name = self._state.fresh(f"{node.name or value}_half")
            node.output[0] = name
            self._state.state_half(node, value)
        self._nodes.append(node)
        return name

    def _cast(self, source: str, name: str, form: PortForm) -> None:
        import onnx

        to = self._state.onnx_type(form)
        label = self._state.fresh(f"Cast_{name}")
        self._nodes.append(onnx.helper.make_node("Cast", [source], [name], name=label, to=to))

    def _step(self, step: NodePlan) -> None:
        if step.node.op_type == "Constant" and step.outputs[0] is PortForm.ANY:
            self._stored[step.node.output[0]] = step.node
            self._names[step.node.output[0]] = {}
            return
        node = type(step.node)()
        node.CopyFrom(step.node)
        for at, (value, form) in enumerate(zip(step.node.input, step.inputs, strict=True)):
            if form is not None:
                node.input[at] = self.name(value, form)
        if step.bodies:
            for body, plan in zip(list(subgraphs(node)), step.bodies, strict=True):
                body.CopyFrom(GraphWriter(plan, self._state, self).write())
        else:
            for body in subgraphs(node):
                values = sorted(filter(self._plan.is_float, captured(body)))
                rename(body, {value: self.name(value, PortForm.FLOAT) for value in values})
        self._outputs(step, node)

    def _outputs(self, step: NodePlan, node: "onnx.NodeProto") -> None:
        self._nodes.append(node)
        for at, (value, form) in enumerate(zip(step.node.output, step.outputs, strict=True)):
            if form is None:
                continue
            if form is PortForm.ANY:
                form = PortForm.FLOAT if value in self._state.in_float else PortForm.HALF
                if form is PortForm.HALF:
                    self._state.state_half(node, value)
            if form is PortForm.HALF and value in self._float_outputs:
                node.output[at] = self._state.fresh(f"{value}_half")
                self._cast(node.output[at], value, PortForm.FLOAT)
                self._names[value] = {PortForm.HALF: node.output[at], PortForm.FLOAT: value}
            else:
                self._names[value] = {form: value}

    def _listed(self, item: "onnx.ValueInfoProto") -> list["onnx.ValueInfoProto"]:
        """A graph's input; a stored value that is listed among them as often as it is stored."""
        names = self._names.get(item.name, {PortForm.FLOAT: item.name})
        listed = []
        for form, name in names.items():
            if item.name not in self._stored and name != item.name:
                continue
            value = type(item)()
            value.CopyFrom(item)
            value.name = name
            if self._plan.is_float(item.name):
                value.type.tensor_type.elem_type = self._state.onnx_type(form)
            listed.append(value)
        return listed
