"""What the writers of a model's graphs share, and how a node or a tensor is put in half."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from paddleport.models.onnx.mixed_precision.numbers import (
    FORMATS,
    HalfPrecision,
    exceeds,
    half_tensor,
)
from paddleport.models.onnx.mixed_precision.plan import FLOAT, TYPE_ATTRIBUTES, Form

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Sheet:
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

    def onnx_type(self, form: Form) -> int:
        """ONNX's number of the type of a value in this form."""
        return FORMATS[self.precision].onnx_type if form is Form.HALF else FLOAT

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
        half = self.onnx_type(Form.HALF)
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
