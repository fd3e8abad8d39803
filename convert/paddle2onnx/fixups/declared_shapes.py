"""Hold the shapes in the ONNX graph against those that the Paddle program declares.

Whole classes of faults show themselves here, whatever the operator: windows that are counted
otherwise, axes in other places, a scalar that became a vector of one.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from paddleport.convert.paddle2onnx.fixups.declared_values import (
    DeclaredValue,
    Shape,
    declared_values,
)
from paddleport.errors import ConversionError
from paddleport.models.onnx.graph_walk import captured, subgraphs

if TYPE_CHECKING:
    import onnx

RANKS = "results had axes of one element too many or too few: they are squeezed or added"
OTHER_SHAPE = "gives another shape to the result of the operator"
Outside = dict[str, Any]
"""What a body reads by name from around it: ONNX's tensor of a constant, else its value info."""

_LARGE_BYTES = 4096
_AXES_ARE_AN_INPUT = 13  # opset, of Squeeze and Unsqueeze


def fix_shapes(
    document: dict[str, Any], proto: "onnx.ModelProto", *, without: Collection[str] = ()
) -> tuple[str, ...]:
    """Add or take the axes of one element that make the difference, refuse other shapes.

    Args:
        document: the PIR program that was converted.
        proto: what came out, changed in place.
        without: ``RANKS`` or ``OTHER_SHAPE``, to leave that out, for the tests.

    Returns:
        The sentence of the fixup, if it was needed.

    Raises:
        ConversionError: a value's shape is not what the program declares; the operator is named.
    """
    opset = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    fixer = _ShapeFixer(declared_values(document), proto, opset, without)
    fixer.fix(proto.graph, {})
    return (RANKS,) if fixer.repaired else ()


def inferred_shapes(proto: "onnx.ModelProto") -> dict[str, Shape]:
    """The shapes of the main graph's results as ONNX infers them; -1 is unknown."""
    return _shapes(_inferred(proto.graph, {}, proto))


class _ShapeFixer:
    """Goes through a graph and the bodies inside it."""

    def __init__(
        self,
        declared: Mapping[str, DeclaredValue],
        proto: "onnx.ModelProto",
        opset: int,
        without: Collection[str],
    ) -> None:
        self.repaired: set[str] = set()
        self._declared, self._proto, self._opset = declared, proto, opset
        self._without = without

    def fix(self, graph: "onnx.GraphProto", outside: Outside) -> None:
        """Fix the bodies inside a graph, then the graph itself.

        Args:
            graph: changed in place.
            outside: what it reads from the graphs around it.
        """
        bodies = [body for node in graph.node for body in subgraphs(node)]
        if bodies:
            inside = {**outside, **self._visible(graph, outside)}
            for body in bodies:
                self.fix(body, inside)
        while wrong := self._disagreements(graph, outside):
            reshaped: dict[str, tuple[str, list[int]]] = {}
            after = _after(graph, wrong.keys())
            for value in (value for value in wrong if value not in after):
                step = self._step(value, wrong[value])
                if step is not None:
                    reshaped[value] = step
            if not reshaped:
                break
            _reshape(graph, reshaped, self._opset)
            self.repaired.update(reshaped)

    def _step(self, value: str, got: Shape) -> tuple[str, list[int]] | None:
        """What makes a value's shape the declared one; nothing where that is left to the tests."""
        found = self._declared[value]
        shape = found.shape or ()
        if RANKS not in self._without and value not in self.repaired:
            step = _step_between(got, shape)
            if step is not None:
                return step
        if OTHER_SHAPE in self._without:
            return None
        raise ConversionError(
            f"Paddle2ONNX {OTHER_SHAPE} {found.operator}: {list(got)} instead of {list(shape)}. "
            "Write that part of the network differently and save it again"
        )

    def _disagreements(self, graph: "onnx.GraphProto", outside: Outside) -> dict[str, Shape]:
        found = _shapes(_inferred(graph, outside, self._proto))
        return {
            value: found[value]
            for value, item in self._declared.items()
            if item.shape is not None and value in found and not _agree(found[value], item.shape)
        }

    def _visible(self, graph: "onnx.GraphProto", outside: Outside) -> Outside:
        """What the bodies of a graph may read of it, with the shapes that the program declares."""
        from onnx import helper

        found: Outside = {item.name: item for item in graph.initializer}
        inferred = _inferred(graph, outside, self._proto)
        for item in (*graph.input, *inferred.value_info, *inferred.output):
            known = self._declared.get(item.name)
            if known is not None and known.shape is not None:
                sizes = [None if size < 0 else size for size in known.shape]
                kind = item.type.tensor_type.elem_type
                item = helper.make_tensor_value_info(item.name, kind, sizes)
            found[item.name] = item
        return found | _constants(graph)


def _inferred(
    graph: "onnx.GraphProto", outside: Outside, proto: "onnx.ModelProto"
) -> "onnx.GraphProto":
    """A graph with shapes as ONNX infers them, nothing being believed of the outputs."""
    import onnx

    light = onnx.ModelProto(ir_version=proto.ir_version, opset_import=proto.opset_import)
    light.graph.name = "light"
    light.graph.input.extend(graph.input)
    for name in sorted(captured(graph) & outside.keys()):
        _add_outside(light, name, outside[name])
    for output in graph.output:
        kind = onnx.helper.make_tensor_type_proto(output.type.tensor_type.elem_type, None)
        light.graph.output.append(onnx.helper.make_value_info(output.name, kind))
    for tensor in graph.initializer:
        _add_constant(light, tensor.name, tensor)
    constants = _constants(graph)
    for name, value in constants.items():
        _add_constant(light, name, value)
    light.graph.node.extend(node for node in graph.node if node.output[0] not in constants)
    return onnx.shape_inference.infer_shapes(light, data_prop=True).graph


def _shapes(inferred: "onnx.GraphProto") -> dict[str, Shape]:
    """The shapes that are known of a graph's results; -1 is unknown."""
    return {
        item.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else -1
            for dim in item.type.tensor_type.shape.dim
        )
        for item in (*inferred.value_info, *inferred.output)
        if item.type.tensor_type.HasField("shape")
    }


def _constants(graph: "onnx.GraphProto") -> "dict[str, onnx.TensorProto]":
    """The tensors that nodes hold, by the name of their result."""
    return {
        node.output[0]: item.t
        for node in graph.node
        if node.op_type == "Constant"
        for item in node.attribute
        if item.name == "value"
    }


def _add_outside(
    light: "onnx.ModelProto", name: str, item: "onnx.TensorProto | onnx.ValueInfoProto"
) -> None:
    import onnx

    if isinstance(item, onnx.TensorProto):
        _add_constant(light, name, item)
    else:
        light.graph.input.append(item)


def _add_constant(light: "onnx.ModelProto", value: str, tensor: "onnx.TensorProto") -> None:
    """A small tensor as it is, of a large one only type and shape."""
    import onnx

    if len(tensor.raw_data) > _LARGE_BYTES or tensor.external_data:
        spec = onnx.helper.make_tensor_value_info(value, tensor.data_type, list(tensor.dims))
        light.graph.input.append(spec)
    else:
        light.graph.initializer.append(tensor)
        light.graph.initializer[-1].name = value


def _agree(found: Shape, declared: Shape) -> bool:
    return len(found) == len(declared) and all(
        a < 0 or b < 0 or a == b for a, b in zip(found, declared, strict=True)
    )


def _after(graph: "onnx.GraphProto", values: Collection[str]) -> set[str]:
    """What is computed from some values: its shape may come right once theirs is."""
    after: set[str] = set()
    for node in graph.node:
        read = set(node.input).union(*(captured(body) for body in subgraphs(node)))
        if any(item in values or item in after for item in read):
            after.update(node.output)
    return after


def _step_between(found: Shape, declared: Shape) -> tuple[str, list[int]] | None:
    """The node and its numbers that give the declared rank without moving or losing anything."""
    if not declared and all(size in (1, -1) for size in found):
        return "Reshape", []
    surplus, missing = _ones_between(found, declared), _ones_between(declared, found)
    if surplus is not None:
        return "Squeeze", surplus
    return None if missing is None else ("Unsqueeze", missing)


def _ones_between(longer: Shape, shorter: Shape) -> list[int] | None:
    """Axes of one element that ``longer`` has and ``shorter`` lacks; ``None`` if more differs."""
    axes: list[int] = []
    left = list(shorter)
    for axis, size in enumerate(longer):
        missing = len(longer) - axis > len(left)
        if left and (not missing or size != 1) and _agree((size,), (left[0],)):
            left.pop(0)
        elif size in (1, -1):  # if it turns out longer than 1, the Squeeze fails loudly
            axes.append(axis)
        else:
            return None
    return axes if axes and not left else None


def _reshape(
    graph: "onnx.GraphProto", reshaped: Mapping[str, tuple[str, list[int]]], opset: int
) -> None:
    """Put the given node, with its axes or its shape, behind each value."""
    from onnx import NodeProto, TensorProto, helper

    nodes: list[NodeProto] = []
    for original in graph.node:
        node = NodeProto()
        node.CopyFrom(original)
        nodes.append(node)
        for index, value in enumerate(node.output):
            if value not in reshaped:
                continue
            kind, numbers = reshaped[value]
            node.output[index] = given = f"{value}/of_paddle2onnx"
            if kind != "Reshape" and opset < _AXES_ARE_AN_INPUT:
                nodes.append(helper.make_node(kind, [given], [value], axes=numbers))
                continue
            name = f"{value}/{kind}"
            tensor = helper.make_tensor(name, TensorProto.INT64, [len(numbers)], numbers)
            nodes.append(helper.make_node("Constant", [], [name], value=tensor))
            nodes.append(helper.make_node(kind, [given, name], [value]))
    del graph.node[:]
    graph.node.extend(nodes)
