"""Hold the shapes in the ONNX graph against those that the Paddle program declares.

Whole classes of faults show themselves here, whatever the operator: windows that are counted
otherwise, axes in other places, a scalar that became a vector of one.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from paddleport.errors import ConversionError

if TYPE_CHECKING:
    import onnx

RANKS = "results had axes of one element too many or too few: they are squeezed or added"
OTHER_SHAPE = "gives another shape to the result of the operator"
_LARGE_BYTES = 4096
_AXES_ARE_AN_INPUT = 13  # opset, of Squeeze and Unsqueeze
_DIALECTS = {"0": "builtin", "1": "pd_op", "2": "cf"}
Shape = tuple[int, ...]
"""-1 is a dimension that is free or unknown."""


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
    declared = _declared(document)
    repaired: set[str] = set()
    while wrong := _disagreements(proto, declared):
        reshaped: dict[str, tuple[str, list[int]]] = {}
        after = _after(proto, wrong.keys())
        for value in (value for value in wrong if value not in after):
            got, (operator, shape) = wrong[value], declared[value]
            step = None if RANKS in without or value in repaired else _step_between(got, shape)
            if step is not None:
                reshaped[value] = step
            elif OTHER_SHAPE not in without:
                raise ConversionError(
                    f"Paddle2ONNX {OTHER_SHAPE} {operator}: {list(got)} instead of {list(shape)}. "
                    "Write that part of the network differently and save it again"
                )
        if not reshaped:
            break
        _reshape(proto, reshaped)
        repaired.update(reshaped)
    return (RANKS,) if repaired else ()


def _declared(document: dict[str, Any]) -> dict[str, tuple[str, Shape]]:
    """Paddle2ONNX's name of each tensor of the main block, its operator and its shape.

    Paddle2ONNX calls result I of the K-th NAME ``p2o.pd_op.NAME.K.I``, and an output as its fetch.
    """
    counts: Counter[str] = Counter()
    made: dict[int, tuple[str, Shape]] = {}
    declared: dict[str, tuple[str, Shape]] = {}
    for op in document["program"]["regions"][0]["blocks"][0]["ops"]:
        dialect, _, operator = op["#"].rpartition(".")
        if operator == "p":
            continue
        if operator == "fetch":
            names = [item["AT"]["D"] for item in op["A"] if item["N"] == "name"]
            declared[names[0]] = made.get(op["I"][0]["%"], ("fetch", _shape(op["O"][0]) or ()))
            continue
        for index, result in enumerate(op["O"]):
            shape = _shape(result)
            if shape is not None:
                made[result["%"]] = operator, shape
                key = f"p2o.{_DIALECTS.get(dialect, dialect)}.{operator}.{counts[op['#']]}.{index}"
                declared[key] = operator, shape
        counts[op["#"]] += 1
    return declared


def _shape(result: dict[str, Any]) -> Shape | None:
    kind = result.get("TT")
    if not kind or kind["#"].rpartition(".")[2] != "t_dtensor":
        return None
    return tuple(kind["D"][1])


def _inferred(proto: "onnx.ModelProto") -> dict[str, Shape]:
    """Shapes as ONNX infers them, nothing being believed of the outputs; -1 is unknown."""
    import onnx

    light = onnx.ModelProto(ir_version=proto.ir_version, opset_import=proto.opset_import)
    light.graph.name = "light"
    light.graph.input.extend(proto.graph.input)
    for output in proto.graph.output:
        kind = onnx.helper.make_tensor_type_proto(output.type.tensor_type.elem_type, None)
        light.graph.output.append(onnx.helper.make_value_info(output.name, kind))
    for tensor in proto.graph.initializer:
        _add_constant(light, tensor.name, tensor)
    for node in proto.graph.node:
        value = next((item.t for item in node.attribute if item.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            _add_constant(light, node.output[0], value)
        else:
            light.graph.node.append(node)
    inferred = onnx.shape_inference.infer_shapes(light, data_prop=True)
    return {
        item.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else -1
            for dim in item.type.tensor_type.shape.dim
        )
        for item in (*inferred.graph.value_info, *inferred.graph.output)
        if item.type.tensor_type.HasField("shape")
    }


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


def _disagreements(
    proto: "onnx.ModelProto", declared: Mapping[str, tuple[str, Shape]]
) -> dict[str, Shape]:
    found = _inferred(proto)
    return {
        value: found[value]
        for value, (_, shape) in declared.items()
        if value in found and not _agree(found[value], shape)
    }


def _after(proto: "onnx.ModelProto", values: Collection[str]) -> set[str]:
    """What is computed from some values: its shape may come right once theirs is."""
    after: set[str] = set()
    for node in proto.graph.node:
        if any(item in values or item in after for item in node.input):
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


def _reshape(proto: "onnx.ModelProto", reshaped: Mapping[str, tuple[str, list[int]]]) -> None:
    """Put the given node, with its axes or its shape, behind each value."""
    from onnx import NodeProto, TensorProto, helper

    opset = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    nodes: list[NodeProto] = []
    for original in proto.graph.node:
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
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
