"""What a graph's values are computed from, as far as it decides the precision they need."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.models.onnx.mixed_precision.types import formal
from paddleport.models.onnx.onnx_file import subgraphs

if TYPE_CHECKING:
    import onnx

_SHAPES = ("Shape", "Size")
_LEAST_NORMAL_FP16 = 2.0**-14


@dataclass(frozen=True)
class Known:
    """What is known of values so far.

    Attributes:
        tensors: those that are stored, by name.
        constants: names of those, and of what is computed from them alone.
        sizes: names of what is computed from shapes, with nothing else but constants.
    """

    tensors: dict[str, "onnx.TensorProto"] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)
    sizes: set[str] = field(default_factory=set)

    def inside(self, graph: "onnx.GraphProto") -> "Known":
        """What is known at the start of a graph that sees these values."""
        stored = {tensor.name: tensor for tensor in graph.initializer}
        return Known(self.tensors | stored, self.constants | stored.keys(), set(self.sizes))

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
