"""Which values of an ONNX graph are float32, subgraphs included, and what its operators admit."""

from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from paddleport.models.onnx.onnx_file import subgraphs

if TYPE_CHECKING:
    import onnx

_LARGE = 1024  # elements: a tensor of more than this holds no shape that inference would read


class Kind(Enum):
    """What a value is; one of which nothing is known has no kind."""

    FLOAT = "a float32 tensor"
    OTHER = "a tensor of another type"
    SEQUENCE = "a sequence, an optional or a map"


@dataclass(frozen=True)
class TypedGraph:
    """A graph with the kinds of its values, those of the graphs around it included.

    Attributes:
        graph: of the model itself.
        kinds: by name; what is missing is unknown.
        bodies: for each node, its subgraphs.
    """

    graph: "onnx.GraphProto"
    kinds: MutableMapping[str, Kind]
    bodies: tuple[tuple["TypedGraph", ...], ...]


class Schemas:
    """ONNX's own description of the operators, in the versions that a model imports."""

    def __init__(self, proto: "onnx.ModelProto") -> None:
        versions = {item.domain: item.version for item in proto.opset_import}
        self._opset = int(versions.get("", versions.get("ai.onnx", 1)))
        self._functions = {(item.domain, item.name) for item in proto.functions}

    def of(self, node: "onnx.NodeProto") -> "onnx.defs.OpSchema | None":
        """``None`` for an operator of another domain, a model's function, or an unknown one."""
        import onnx

        if node.domain not in ("", "ai.onnx") or (node.domain, node.op_type) in self._functions:
            return None
        try:
            schema = onnx.defs.get_schema(node.op_type, self._opset, "")
        except onnx.defs.SchemaError:
            return None
        return None if schema.deprecated else schema


def formal(parameters: Any, index: int) -> Any:
    """The schema's parameter at a position; the last one stands for all that follow it."""
    return parameters[min(index, len(parameters) - 1)] if parameters else None


def typed(proto: "onnx.ModelProto", schemas: Schemas) -> TypedGraph:
    """Find the kind of every value: as stated, by ONNX's inference, then by the schemas."""
    import onnx

    skeleton = without(proto, {"graph", "metadata_props"})
    skeleton.graph.CopyFrom(_light(proto.graph))
    # where it fails there are the schemas alone
    with suppress(onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        skeleton = onnx.shape_inference.infer_shapes(skeleton)
    return _typed_graph(proto.graph, skeleton.graph, schemas, ChainMap())


def without(message: Any, fields: set[str]) -> Any:
    """A copy of a protobuf message that never held the fields named."""
    copy = type(message)()
    for field, value in message.ListFields():
        if field.name in fields:
            continue
        if hasattr(value, "MergeFrom"):  # a message, or a list of anything
            getattr(copy, field.name).MergeFrom(value)
        else:
            setattr(copy, field.name, value)
    return copy


def _light(graph: "onnx.GraphProto") -> "onnx.GraphProto":
    """The graph with its large weights as inputs: no copy of them, no limit of 2 GB."""
    import onnx

    light: onnx.GraphProto = without(graph, {"initializer", "metadata_props"})
    listed = {item.name for item in graph.input}
    for tensor in graph.initializer:
        if _elements(tensor) <= _LARGE:
            light.initializer.add().CopyFrom(tensor)
        elif tensor.name not in listed:
            shaped = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            light.input.append(shaped)
    return light


def _elements(tensor: "onnx.TensorProto") -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _typed_graph(
    graph: "onnx.GraphProto",
    inferred: "onnx.GraphProto",
    schemas: Schemas,
    outer: "ChainMap[str, Kind]",
) -> TypedGraph:
    own = dict(_stated(inferred)) | dict(_stated(graph))
    kinds = outer.new_child(own)
    for node in (*graph.node, *reversed(graph.node), *graph.node):
        _bind(node, kinds, schemas)
    bodies = []
    for node, twin in zip(graph.node, inferred.node, strict=True):
        pairs = zip(subgraphs(node), subgraphs(twin), strict=True)
        bodies.append(tuple(_typed_graph(body, known, schemas, kinds) for body, known in pairs))
        for body in bodies[-1] if node.op_type == "Loop" else ():
            for item in (*body.graph.input[:2], *body.graph.output[:1]):
                body.kinds[item.name] = Kind.OTHER  # the count and the conditions
    return TypedGraph(graph, kinds, tuple(bodies))


def _stated(graph: "onnx.GraphProto") -> Iterator[tuple[str, Kind]]:
    import onnx

    for item in (*graph.value_info, *graph.input, *graph.output):
        case = item.type.WhichOneof("value")
        if case == "tensor_type" and item.type.tensor_type.elem_type:
            yield item.name, _kind(item.type.tensor_type.elem_type)
        elif case not in (None, "tensor_type"):
            yield item.name, Kind.SEQUENCE
    for tensor in graph.initializer:
        yield tensor.name, _kind(tensor.data_type)
    for sparse in graph.sparse_initializer:
        yield sparse.values.name, _kind(sparse.values.data_type)
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    yield node.output[0], _kind(attribute.t.data_type)
                elif attribute.name in ("value_float", "value_floats"):
                    yield node.output[0], Kind.FLOAT


def _kind(elem_type: int) -> Kind:
    return Kind.FLOAT if elem_type == 1 else Kind.OTHER  # 1 is TensorProto.FLOAT


def _bind(node: "onnx.NodeProto", kinds: MutableMapping[str, Kind], schemas: Schemas) -> None:
    """Carry kinds between the node's inputs and outputs that its schema gives one type."""
    schema = schemas.of(node)
    if schema is None:
        return
    ports = [(name, formal(schema.inputs, at)) for at, name in enumerate(node.input) if name]
    ports += [(name, formal(schema.outputs, at)) for at, name in enumerate(node.output) if name]
    ports = [port for port in ports if port[1] is not None and port[1].is_homogeneous]
    bound = {parameter.type_str: kinds[name] for name, parameter in ports if name in kinds}
    for name, parameter in ports:
        if name in kinds:
            continue
        if parameter.type_str in bound:
            kinds[name] = bound[parameter.type_str]
        elif parameter.types == {"tensor(float)"}:
            kinds[name] = Kind.FLOAT
        elif "tensor(float)" not in parameter.types and _only_tensors(parameter.types):
            kinds[name] = Kind.OTHER


def _only_tensors(types: set[str]) -> bool:
    return all(name.startswith("tensor(") for name in types)
