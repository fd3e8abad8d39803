"""An ONNX graph that is written anew, node after node."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx

_LARGE = 1 << 30  # bytes; protobuf takes 2 GiB in one file


class RewrittenGraph:
    """The nodes of a graph so far, and what is known of its tensors.

    Attributes:
        opset: of the file.
    """

    def __init__(self, model: "onnx.ModelProto") -> None:
        import onnx

        self._model = model
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._count = 0
        self.is_large = model.ByteSize() > _LARGE
        self.opset = next(item.version for item in model.opset_import if not item.domain)
        known = model if self.is_large else onnx.shape_inference.infer_shapes(model)
        infos = [*known.graph.input, *known.graph.value_info, *known.graph.output]
        self._types = {info.name: info.type.tensor_type for info in infos}
        self._stored = {item.name: item for item in model.graph.initializer}
        self._stored |= {
            node.output[0]: attribute.t
            for node in model.graph.node
            if node.op_type == "Constant"
            for attribute in node.attribute
            if attribute.name == "value"
        }

    def keep(self, node: "onnx.NodeProto") -> None:
        """Take a node over as it is."""
        self._nodes.append(node)

    def add(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node with one output, and return that output's name."""
        from onnx import helper

        name = output or self._new(operator)
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, value: Array) -> str:
        """Add a constant, and return its name."""
        from onnx import numpy_helper

        name = self._new("constant")
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def number(self, value: float) -> str:
        """Add a float32 scalar, and return its name."""
        return self.constant(np.array(value, np.float32))

    def stored(self, name: str) -> Array | None:
        """The value of a constant; ``None`` for what is none."""
        from onnx import numpy_helper

        item = self._stored.get(name)
        return None if item is None else np.asarray(numpy_helper.to_array(item))

    def shape(self, name: str) -> tuple[int | str | None, ...] | None:
        """Sizes, or the names of free ones; ``None`` where not even the rank is known."""
        if name in self._stored:
            return tuple(self._stored[name].dims)
        kind = self._types.get(name)
        if kind is None or not kind.HasField("shape"):
            return None
        return tuple(
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
            for dim in kind.shape.dim
        )

    def rank(self, name: str) -> int | None:
        """How many dimensions a tensor has, if that is known."""
        shape = self.shape(name)
        return None if shape is None else len(shape)

    def dtype(self, name: str) -> str:
        """A tensor's numpy dtype name, or an empty text."""
        from onnx import helper

        stored = self._stored.get(name)
        kind = stored.data_type if stored is not None else self._types[name].elem_type
        return str(np.dtype(helper.tensor_dtype_to_np_dtype(kind)).name) if kind else ""

    def is_used(self, name: str) -> bool:
        """Whether anything is computed of a tensor, or it is an output."""
        wanted = {name for node in self._model.graph.node for name in node.input}
        return name in wanted | {info.name for info in self._model.graph.output}

    def model(self) -> "onnx.ModelProto":
        """The file with the nodes so far."""
        found = type(self._model)()
        found.CopyFrom(self._model)
        del found.graph.node[:], found.graph.value_info[:]
        found.graph.node.extend(self._nodes)
        found.graph.initializer.extend(self._constants)
        return found

    def _new(self, what: str) -> str:
        self._count += 1
        return f"for_mnn.{what}.{self._count}"


def attribute(node: "onnx.NodeProto", name: str, otherwise: Any = None) -> Any:
    """A node's attribute as a plain value."""
    from onnx import helper

    for item in node.attribute:
        if item.name == name:
            value = helper.get_attribute_value(item)
            return value.decode() if isinstance(value, bytes) else value
    return otherwise
