"""Models cut out of an ONNX graph: from its inputs to one tensor, and no further."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paddleport.errors import ModelFileError
from paddleport.models.onnx.onnx_file import read_onnx_proto
from paddleport.validate.bisect.graph import Graph, onnx_graph
from paddleport.validate.bisect.values import Stored

if TYPE_CHECKING:
    import onnx

_LARGEST_BYTES = (1 << 31) - 1  # of a protobuf message
_KEPT = ("ir_version", "producer_name", "producer_version", "domain", "model_version")


class Cutter:
    """Writes prefix models of one ONNX file.

    Cutting is what shows a runtime's own value: asking the whole model for one more output
    would change what the runtime fuses in everything before and after it.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ModelFileError: it holds more than 2 GB, which no single file can.
        """
        self.path = path
        self.proto = read_onnx_proto(path)
        if self.proto.ByteSize() > _LARGEST_BYTES:
            raise ModelFileError(
                f"{path} holds more than 2 GB with its weights, and locate cannot cut that: "
                "try a smaller model of the family"
            )
        self.graph: Graph = onnx_graph(self.proto)

    def inputs_of(self, tensor: str) -> tuple[str, ...]:
        """The feeds that the cut at ``tensor`` takes."""
        read = {name for step in self.graph.needed(tensor) for name in step.inputs} | {tensor}
        return tuple(name for name in self.graph.feeds if name in read)

    def write(self, tensor: str, stored: Mapping[str, Stored], target: Path) -> None:
        """Write the model that computes ``tensor`` alone, weights included.

        Args:
            tensor: a computed value.
            stored: float64 values, for the type of a tensor that the file says nothing of.
            target: where to write.
        """
        import onnx

        steps = self.graph.needed(tensor)
        read = {name for step in steps for name in step.inputs}
        given = self.proto.graph
        cut = onnx.ModelProto()
        for field in _KEPT:
            if self.proto.HasField(field):
                setattr(cut, field, getattr(self.proto, field))
        cut.opset_import.extend(self.proto.opset_import)
        cut.functions.extend(self.proto.functions)
        cut.metadata_props.extend(self.proto.metadata_props)
        cut.graph.name = f"{given.name} up to {tensor}"
        cut.graph.node.extend(given.node[step.position - 1] for step in steps)
        cut.graph.initializer.extend(item for item in given.initializer if item.name in read)
        cut.graph.sparse_initializer.extend(
            item for item in given.sparse_initializer if item.values.name in read
        )
        cut.graph.input.extend(item for item in given.input if item.name in read)
        inside = read | {tensor}
        cut.graph.value_info.extend(
            item for item in given.value_info if item.name in inside and item.name != tensor
        )
        cut.graph.output.append(self._output(tensor, stored))
        target.write_bytes(cut.SerializeToString())

    @cached_property
    def _types(self) -> dict[str, "onnx.ValueInfoProto"]:
        import onnx

        # what the file states wins over what is inferred from it
        inferred = onnx.shape_inference.infer_shapes(self.proto).graph
        given = self.proto.graph
        return {
            item.name: item
            for item in (*inferred.value_info, *given.value_info, *given.output)
            if item.type.tensor_type.elem_type
        }

    def _output(self, tensor: str, stored: Mapping[str, Stored]) -> "onnx.ValueInfoProto":
        import onnx

        if tensor in self._types:
            return self._types[tensor]
        dtype = np.dtype(stored[tensor].dtype)
        kind = (
            onnx.TensorProto.FLOAT  # float64 stands for what the graph computes in
            if dtype.kind == "f"
            else onnx.helper.np_dtype_to_tensor_dtype(dtype)
        )
        return onnx.helper.make_tensor_value_info(tensor, kind, None)
