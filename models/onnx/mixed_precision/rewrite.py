"""Writes a planned graph anew, with a Cast wherever a value is needed in its other form."""

from typing import TYPE_CHECKING

from paddleport.models.onnx.mixed_precision.names import captured, rename
from paddleport.models.onnx.mixed_precision.plan import FLOAT, Form, PlannedGraph, Step
from paddleport.models.onnx.mixed_precision.sheet import Sheet
from paddleport.models.onnx.mixed_precision.types import without
from paddleport.models.onnx.onnx_file import subgraphs

if TYPE_CHECKING:
    import onnx


class GraphWriter:
    """One graph on its way; a body asks its ``outer`` writer for what it captures."""

    def __init__(
        self, plan: PlannedGraph, sheet: Sheet, outer: "GraphWriter | None" = None
    ) -> None:
        self._plan = plan
        self._sheet = sheet
        self._outer = outer
        self._names: dict[str, dict[Form, str]] = {}
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
        border = Form.HALF if self._outer else Form.FLOAT
        for item in graph.output:
            result = written.output.add()
            result.CopyFrom(item)
            if self._plan.is_float(item.name):
                result.name = self.name(item.name, border)
                result.type.tensor_type.elem_type = self._sheet.onnx_type(border)
        for item in graph.input:
            written.input.extend(self._listed(item))
        written.node.extend(self._nodes)
        written.initializer.extend(self._initializers)
        return written

    def name(self, value: str, form: Form) -> str:
        """What a float32 value of the model is called in the form asked for."""
        owner = self._owner(value)
        names = owner._names[value]
        if form is Form.ANY:
            stored = value in owner._stored  # and exact in float32: a Cast may need it so
            return self.name(value, Form.FLOAT) if stored else next(iter(names.values()))
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
        own = Form.HALF if self._outer else Form.FLOAT
        for item in graph.input:
            if item.name not in self._stored and self._plan.is_float(item.name):
                self._names[item.name] = {own: item.name}
        for sparse in graph.sparse_initializer:
            self._names[sparse.values.name] = {Form.FLOAT: sparse.values.name}

    def _make(self, value: str, form: Form) -> None:
        """Add a value's other form: stored once more, or cast."""
        if value in self._stored:
            self._names[value][form] = self._store(value, form)
            return
        suffix = "half" if form is Form.HALF else "fp32"
        name = self._sheet.fresh(f"{value}_{suffix}")
        (source,) = self._names[value].values()
        self._cast(source, name, form)
        self._names[value][form] = name

    def _store(self, value: str, form: Form) -> str:
        stored = self._stored[value]
        tensor = stored if not hasattr(stored, "op_type") else None
        name = value if form is Form.FLOAT else self._sheet.fresh(f"{value}_half")
        if tensor is not None:
            half = form is Form.HALF
            self._initializers.append(self._sheet.half(tensor, name, value) if half else tensor)
            return name
        node = type(stored)()
        node.CopyFrom(stored)
        if form is Form.HALF:
            node.name = self._sheet.fresh(f"{node.name or value}_half")
            node.output[0] = name
            self._sheet.state_half(node, value)
        self._nodes.append(node)
        return name

    def _cast(self, source: str, name: str, form: Form) -> None:
        import onnx

        to = self._sheet.onnx_type(form)
        label = self._sheet.fresh(f"Cast_{name}")
        self._nodes.append(onnx.helper.make_node("Cast", [source], [name], name=label, to=to))

    def _step(self, step: Step) -> None:
        if step.node.op_type == "Constant" and step.outputs[0] is Form.ANY:
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
                body.CopyFrom(GraphWriter(plan, self._sheet, self).write())
        else:
            for body in subgraphs(node):
                values = sorted(filter(self._plan.is_float, captured(body)))
                rename(body, {value: self.name(value, Form.FLOAT) for value in values})
        self._outputs(step, node)

    def _outputs(self, step: Step, node: "onnx.NodeProto") -> None:
        self._nodes.append(node)
        for at, (value, form) in enumerate(zip(step.node.output, step.outputs, strict=True)):
            if form is None:
                continue
            if form is Form.ANY:
                form = Form.FLOAT if value in self._sheet.in_float else Form.HALF
                if form is Form.HALF:
                    self._sheet.state_half(node, value)
            if form is Form.HALF and value in self._float_outputs:
                node.output[at] = self._sheet.fresh(f"{value}_half")
                self._cast(node.output[at], value, Form.FLOAT)
                self._names[value] = {Form.HALF: node.output[at], Form.FLOAT: value}
            else:
                self._names[value] = {form: value}

    def _listed(self, item: "onnx.ValueInfoProto") -> list["onnx.ValueInfoProto"]:
        """A graph's input; a stored value that is listed among them as often as it is stored."""
        names = self._names.get(item.name, {Form.FLOAT: item.name})
        listed = []
        for form, name in names.items():
            if item.name not in self._stored and name != item.name:
                continue
            value = type(item)()
            value.CopyFrom(item)
            value.name = name
            if self._plan.is_float(item.name):
                value.type.tensor_type.elem_type = self._sheet.onnx_type(form)
            listed.append(value)
        return listed
