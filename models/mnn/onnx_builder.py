"""An ONNX graph in the making, node by node, with what MNN knows and ONNX asks for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.tensors import Array, TensorSpec

if TYPE_CHECKING:
    import onnx

OPSET = 20  # the first with Gelu; 18 brought axes as inputs


class OnnxBuilder:
    """Collects nodes and constants.

    MNN has no 64-bit integers: shapes, axes and comparisons are int32 there, and stay so between
    two nodes here, with a cast where ONNX asks for int64 or for a truth value.

    Attributes:
        inputs: of the graph.
        nodes: in the order of computation.
        values: constants, by name.
        integers: names of tensors that hold integers.
    """

    def __init__(self, inputs: Sequence[TensorSpec]) -> None:
        self.inputs = tuple(inputs)
        self.nodes: list[onnx.NodeProto] = []
        self.values: dict[str, Array] = {}
        self.integers = {spec.name for spec in inputs if np.dtype(spec.dtype).kind in "iu"}
        self._made = 0

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """One node with one output; returns the output's name."""
        return self.add_several(operator, inputs, 1, **attributes)[0]

    def add_several(
        self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """One node; its outputs hold integers if its first input does."""
        import onnx

        names = [self._new(operator) for _ in range(outputs)]
        self.nodes.append(onnx.helper.make_node(operator, list(inputs), names, **attributes))
        if inputs and inputs[0] in self.integers:
            self.integers.update(names)
        return names

    def constant(self, value: Array, name: str = "") -> str:
        """A tensor that is stored."""
        name = name or self._new("constant")
        self.values[name] = value
        if value.dtype.kind in "iu":
            self.integers.add(name)
        return name

    def number(self, value: float) -> str:
        """A float32 scalar that is stored."""
        return self.constant(np.array(value, np.float32))

    def int64(self, name: str) -> str:
        """The tensor as int64, for what ONNX takes as a shape, axes or positions."""
        known = self.values.get(name)
        if known is not None:
            return self.constant(known.astype(np.int64))
        return self.cast(name, np.int64)

    def sizes(self, values: Sequence[int]) -> str:
        """A stored vector of int64."""
        return self.constant(np.array(values, np.int64))

    def int32(self, name: str) -> str:
        """The tensor as int32, what MNN's integers are."""
        return self.cast(name, np.int32)

    def cast(self, name: str, dtype: Any) -> str:
        """The tensor as another type."""
        import onnx

        made = self.add("Cast", [name], to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
        integer = np.dtype(dtype).kind in "iu"
        (self.integers.add if integer else self.integers.discard)(made)
        return made

    def bind(self, made: str, wanted: str) -> None:
        """Let ``wanted`` be the name of what was ``made``."""
        import onnx

        if made in self.integers:
            self.integers.add(wanted)
        producer = next((node for node in reversed(self.nodes) if made in node.output), None)
        if producer is None or not made.startswith("/"):  # an input or a tensor of the file's
            self.nodes.append(onnx.helper.make_node("Identity", [made], [wanted]))
            return
        for node in reversed(self.nodes):
            for names in (node.input, node.output):
                names[:] = [wanted if name == made else name for name in names]
            if node is producer:
                return

    def _new(self, what: str) -> str:
        self._made += 1
        return f"/{what}.{self._made}"
