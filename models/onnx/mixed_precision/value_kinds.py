"""What is known of an ONNX graph's values: which are float32, and what they are computed from."""

from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.models.onnx.graph_walk import subgraphs

if TYPE_CHECKING:
    import onnx

_LARGE = 1024  # elements: a tensor of more than this holds no shape that inference would read
_SHAPES = ("Shape", "Size")
_LEAST_NORMAL_FP16 = 2.0**-14


class ValueKind(Enum):
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
    kinds: MutableMapping[str, ValueKind]
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
    for descriptor, value in message.ListFields():
        if descriptor.name in fields:
            continue
        if hasattr(value, "MergeFrom"):  # a message, or a list of anything
            getattr(copy, descriptor.name).MergeFrom(value)
        else:
            setattr(copy, descriptor.name, value)
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
    outer: "ChainMap[str, ValueKind]",
) -> TypedGraph:
    own = dict(_stated(inferred)) | dict(_stated(graph))
    kinds = outer.new_child(own)
    for node in (*graph.node, *reversed(graph.node), *graph.node):
        _bind(node, kinds, schemas)
    bodies = []
    for node, same_node in zip(graph.node, inferred.node, strict=True):
        pairs = zip(subgraphs(node), subgraphs(same_node), strict=True)
        bodies.append(tuple(_typed_graph(body, known, schemas, kinds) for body, known in pairs))
        for body in bodies[-1] if node.op_type == "Loop" else ():
            for item in (*body.graph.input[:2], *body.graph.output[:1]):
                body.kinds[item.name] = ValueKind.OTHER  # the count and the conditions
    return TypedGraph(graph, kinds, tuple(bodies))


def _stated(graph: "onnx.GraphProto") -> Iterator[tuple[str, ValueKind]]:
    import onnx

    for item in (*graph.value_info, *graph.input, *graph.output):
        case = item.type.WhichOneof("value")
        if case == "tensor_type" and item.type.tensor_type.elem_type:
            yield item.name, _kind(item.type.tensor_type.elem_type)
        elif case not in (None, "tensor_type"):
            yield item.name, ValueKind.SEQUENCE
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
                    yield node.output[0], ValueKind.FLOAT


def _kind(elem_type: int) -> ValueKind:
    return ValueKind.FLOAT if elem_type == 1 else ValueKind.OTHER  # 1 is TensorProto.FLOAT


def _bind(node: "onnx.NodeProto", kinds: MutableMapping[str, ValueKind], schemas: Schemas) -> None:
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
            kinds[name] = ValueKind.FLOAT
        elif "tensor(float)" not in parameter.types and _only_tensors(parameter.types):
            kinds[name] = ValueKind.OTHER


def _only_tensors(types: set[str]) -> bool:
    return all(name.startswith("tensor(") for name in types)


@dataclass(frozen=True)
class ValueOrigins:
    """What is known of values so far.

    Attributes:
        tensors: those that are stored, by name.
        constants: names of those, and of what is computed from them alone.
        sizes: names of what is computed from shapes, with nothing else but constants.
    """

    tensors: dict[str, "onnx.TensorProto"] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)
    sizes: set[str] = field(default_factory=set)

    def inside(self, graph: "onnx.GraphProto") -> "ValueOrigins":
        """What is known at the start of a graph that sees these values."""
        stored = {tensor.name: tensor for tensor in graph.initializer}
        return ValueOrigins(self.tensors | stored, self.constants | stored.keys(), set(self.sizes))

    def learn(self, node: "onnx.NodeProto", schema: Any) -> None:
        """Take note of what the next node computes."""
        inputs = [name for name in node.input if name]
        if node.op_type == "Constant":
            stored = [item.t for item in node.attribute if item.HasField("t")]
            self.tensors.update(zip(node.output, stored, strict=False))
        if schema is None or any(subgraphs(node)):
            return
        if node.op_type in _SHAPES:
            self.sizes.update(node.output)
        elif self.constants.issuperset(inputs):
            self.constants.update(node.output)
        elif self._only_sizes(_carried(node, schema)):
            self.sizes.update(node.output)

    def from_sizes(self, node: "onnx.NodeProto") -> bool:
        """Whether the node computes with shapes, and not just takes one."""
        return node.op_type not in _SHAPES and not self.sizes.isdisjoint(node.output)

    def has_tiny_scale(self, node: "onnx.NodeProto") -> bool:
        """Whether a quantising node has a stored scale that float16 holds with few digits."""
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            return False
        from onnx import numpy_helper

        scale = self.tensors.get(node.input[1])
        if scale is None or scale.data_type != 1:  # TensorProto.FLOAT
            return False
        return bool(np.any(np.abs(numpy_helper.to_array(scale)) < _LEAST_NORMAL_FP16))

    def _only_sizes(self, names: list[str]) -> bool:
        return not self.sizes.isdisjoint(names) and (self.sizes | self.constants).issuperset(names)


def _carried(node: "onnx.NodeProto", schema: Any) -> list[str]:
    """The inputs whose values reach the outputs; those of Reshape's second input do not."""
    results = {parameter.type_str for parameter in schema.outputs}
    return [
        name
        for at, name in enumerate(node.input)
        if name and (node.op_type == "Cast" or formal(schema.inputs, at).type_str in results)
    ]
