"""An ONNX graph for inputs of fixed sizes, with what follows from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.models.onnx.static_shapes import Shape
from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx


_DEFAULT = ("", "ai.onnx")
_CONSTANT = "constant"  # the default of a Pad, which pnnx knows only where it is written
_SIZES_AS_INPUT, _SIDES_AS_INPUT = 13, 11  # opsets


@dataclass
class FixedGraph:
    """A graph whose inputs have sizes.

    Attributes:
        proto: the model.
        shapes: of every tensor whose shape follows from the inputs'.
        makers: who gives a tensor.
        known: values that were looked for, ``None`` for those that are not constant.
        rows: results of every Transpose that another one follows, with a Reshape between, and of
            the other one.
        added: new tensors so far.
    """

    proto: "onnx.ModelProto"
    shapes: dict[str, Shape]
    makers: dict[str, "onnx.NodeProto"] = field(init=False)
    known: dict[str, Array | None] = field(init=False)
    rows: frozenset[str] = field(init=False)
    added: int = 0

    def __post_init__(self) -> None:
        import onnx

        self.makers = {name: node for node in self.proto.graph.node for name in node.output}
        self.known = {
            item.name: onnx.numpy_helper.to_array(item) for item in self.proto.graph.initializer
        }
        self.rows = frozenset(self._transposes_in_a_row())

    def in_row(self, node: "onnx.NodeProto") -> bool:
        """Whether a Transpose comes before or after another one."""
        return node.output[0] in self.rows

    def _transposes_in_a_row(self) -> Iterator[str]:
        for node in self.proto.graph.node:
            between = self.makers.get(node.input[0]) if node.op_type == "Transpose" else None
            if between is not None and between.op_type == "Reshape":
                first = self.makers.get(between.input[0])
                if first is not None and first.op_type == "Transpose":
                    yield from (node.output[0], first.output[0])

    def value(self, name: str) -> Array | None:
        """What is constant once the inputs' sizes are fixed; ``None`` is everything else."""
        if name not in self.known:
            self.known[name] = None  # for the time being: a graph has no cycle
            self.known[name] = self._computed(name)
        return self.known[name]

    def _computed(self, name: str) -> Array | None:
        from onnx.reference import ReferenceEvaluator

        node = self.makers.get(name)
        if node is None or len(node.output) > 1:
            return None
        if node.op_type == "Shape" and not node.attribute and node.input[0] in self.shapes:
            return np.array(self.shapes[node.input[0]], np.int64)
        given = {item: self.value(item) for item in node.input if item}
        if any(item is None for item in given.values()) or any(
            item.HasField("g") for item in node.attribute
        ):
            return None
        try:
            found: Any = ReferenceEvaluator(node).run(None, given)
            return np.asarray(found[0])
        except Exception:  # onnx's evaluator raises what it likes, and knows not everything
            return None

    def constant(self, value: Sequence[int]) -> str:
        """A new initializer of int64."""
        return self.stored(np.array(value, np.int64))

    def stored(self, array: Array) -> str:
        """A new initializer."""
        import onnx

        name = self.new_name()
        self.proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        self.known[name] = array
        return name

    @property
    def opset(self) -> int:
        """Of ONNX's own operators."""
        opsets = {item.domain: int(item.version) for item in self.proto.opset_import}
        return next(opsets[domain] for domain in _DEFAULT if domain in opsets)

    def pad(self, name: str, sides: Sequence[int], value: float, output: str) -> "onnx.NodeProto":
        """A Pad with a constant, which has its sides in an attribute before opset 11."""
        from onnx import helper

        if self.opset < _SIDES_AS_INPUT:
            settings: dict[str, Any] = {"pads": sides, "value": value}
            return helper.make_node("Pad", [name], [output], mode=_CONSTANT, **settings)
        inputs = [name, self.constant(sides), self.stored(np.array(value, np.float32))]
        return helper.make_node("Pad", inputs, [output], mode=_CONSTANT)

    def split(
        self, name: str, sizes: Sequence[int], axis: int, outputs: Sequence[str]
    ) -> "onnx.NodeProto":
        """A Split, which has its sizes in an attribute before opset 13."""
        from onnx import helper

        if self.opset < _SIZES_AS_INPUT:
            return helper.make_node("Split", [name], outputs, axis=axis, split=sizes)
        return helper.make_node("Split", [name, self.constant(sizes)], outputs, axis=axis)

    def new_name(self) -> str:
        """A name that no tensor has."""
        self.added += 1
        return f"paddleport.ncnn.{self.added}"

    def add(self, nodes: Sequence["onnx.NodeProto"]) -> None:
        """Know the makers of what new nodes give."""
        self.makers |= {name: node for node in nodes for name in node.output}


def setting(node: "onnx.NodeProto", name: str, default: Any = None) -> Any:
    """An attribute's value, or the default."""
    from onnx import helper

    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default


def axes_of(graph: FixedGraph, node: "onnx.NodeProto", place: int) -> list[int] | None:
    """Of an input, or of the attribute that it was before opset 13."""
    if len(node.input) > place and node.input[place]:
        found = graph.value(node.input[place])
        return None if found is None else [int(item) for item in found]
    axes = setting(node, "axes")
    return None if axes is None else list(axes)
