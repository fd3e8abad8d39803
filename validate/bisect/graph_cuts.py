"""Models cut out of an ONNX graph at one tensor, run on a backend, compared with float64."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paddleport.errors import (
    BackendUnavailableError,
    ModelFileError,
    PortError,
    UsageError,
    WorkerCrashed,
)
from paddleport.models.onnx.onnx_file import read_onnx_proto
from paddleport.tensors import Array, Feed
from paddleport.validate.bisect.backend_process import (
    ANSWER_TIMEOUT_S,
    BackendOutputs,
    BackendProcess,
    outputs_or_error,
)
from paddleport.validate.bisect.computation import Graph, StoredTensor, StoredValues, ValueWriter
from paddleport.validate.bisect.edge_search import JUMP, Deadline, ErrorEdge, NodeAlone
from paddleport.validate.bisect.float64_values import onnx_graph, run_node
from paddleport.validate.compare.error_scale import output_error, relative_error
from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF
from paddleport.worker import Worker

if TYPE_CHECKING:
    import onnx

_LARGEST_BYTES = (1 << 31) - 1  # of a protobuf message
_KEPT = ("ir_version", "producer_name", "producer_version", "domain", "model_version")
_EXPLAINED = 4.0  # times imitated rounding: its worst case over a tensor varies as much
_NO_ANSWER = (BackendUnavailableError, UsageError)  # says nothing of the model


class GraphCutter:
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

    def write(self, tensor: str, stored: Mapping[str, StoredTensor], target: Path) -> None:
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

    def _output(self, tensor: str, stored: Mapping[str, StoredTensor]) -> "onnx.ValueInfoProto":
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


class CutRuns:
    """The cuts that were run, and what they gave.

    Attributes:
        cutter: of the file.
        float64: the graph's values in float64.
        count: how many cuts were run.
        failure: how the whole model failed, if it did; a cut is then bad if it fails as well.
        untested: cuts that failed by themselves, and decide nothing.
    """

    def __init__(
        self,
        cutter: GraphCutter,
        float64: StoredValues,
        process: BackendProcess,
        worker: Worker,
        folder: Path,
        feed: Feed,
    ) -> None:
        """Nothing is run yet.

        Args:
            cutter: of the file.
            float64: the graph's values in float64.
            process: the backend.
            worker: computes single nodes in float64.
            folder: an empty one, for the cuts and what they give.
            feed: tensors under the file's input names.
        """
        self.cutter, self.float64 = cutter, float64
        self.count = 0
        self.failure: PortError | None = None
        self.untested: dict[str, PortError] = {}
        self._process, self._worker, self._folder, self._feed = process, worker, folder, feed
        self._kept = ValueWriter(folder)
        self._unit_roundoff = 0.0  # known once the whole model has run

    def whole(self) -> BackendOutputs | None:
        """What the whole model gives; ``None`` where it fails.

        Raises:
            BackendUnavailableError, UsageError: which say nothing of the model.
        """
        answer = outputs_or_error(self._process, self.cutter.path, self._feed, ANSWER_TIMEOUT_S)
        if isinstance(answer, _NO_ANSWER):
            raise answer
        if isinstance(answer, PortError):
            self.failure = answer
            return None
        self._unit_roundoff = UNIT_ROUNDOFF[answer.computes_in]
        return answer

    def output_errors(self, whole: BackendOutputs) -> dict[str, float]:
        """The errors of the whole model's outputs."""
        names: Sequence[str] = self.cutter.graph.outputs
        if set(names) == set(whole.names):
            names = whole.names
        return {
            name: output_error(tensor, self.float64.load(name))
            for name, tensor in zip(names, whole.outputs[0], strict=True)
            if name in self.float64
        }

    def error(self, tensor: str, deadline: Deadline) -> float | None:
        """The error of one tensor by a cut; ``None`` where the cut itself decides nothing."""
        if tensor not in self.float64:
            return None
        self.count += 1
        path = self._folder / "cut.onnx"
        self.cutter.write(tensor, self.float64.stored, path)
        feed = {name: self._feed[name] for name in self.cutter.inputs_of(tensor)}
        found = outputs_or_error(self._process, path, feed, max(1.0, deadline.remaining_s))
        if isinstance(found, PortError):
            if isinstance(found, WorkerCrashed):
                deadline.check()  # it may be our own time that was over
            if self.failure is not None and type(found) is type(self.failure):
                return math.inf
            self.untested[tensor] = found
            return None
        if self.failure is not None:
            return 0.0
        (value,) = found.outputs[0]
        self._kept.add(tensor, value)
        error = output_error if tensor in self.cutter.graph.outputs else relative_error
        return error(value, self.float64.load(tensor))

    def node_alone(self, edge: ErrorEdge) -> NodeAlone | None:
        """Whether the node is right on what the backend fed it; ``None`` where it is unknown."""
        kept = StoredValues(self._folder, self._kept.stored)
        inputs = None if self.failure is not None else self._fed(edge, kept)
        if inputs is None or edge.value not in kept:
            return None
        float64 = self._node_on(edge, inputs)
        rounded = self._node_on(edge, inputs, self._unit_roundoff)
        if float64 is None or rounded is None:
            return None
        error = relative_error(kept.load(edge.value), float64)
        rounds = error <= _EXPLAINED * relative_error(rounded, float64)
        return NodeAlone(error, right=error <= edge.after / JUMP, rounds=rounds)

    def _node_on(
        self, edge: ErrorEdge, inputs: dict[str, Array], unit_roundoff: float = 0.0
    ) -> Array | None:
        """The edge's value, if its node can be computed alone."""
        position = edge.step.position
        results = self._worker.call(
            run_node, ANSWER_TIMEOUT_S, self.cutter.path, position, inputs, unit_roundoff
        )
        return None if results is None else results[edge.step.outputs.index(edge.value)]

    def _fed(self, edge: ErrorEdge, kept: StoredValues) -> dict[str, Array] | None:
        """What the backend feeds a node; ``None`` if an input was not cut."""
        inputs: dict[str, Array] = {}
        for name in dict.fromkeys(edge.step.inputs):
            if name in self._feed:
                inputs[name] = self._feed[name]
            elif name in self.cutter.graph.varying:
                if name not in kept:
                    return None
                inputs[name] = kept.load(name)
            elif name in self.float64:
                inputs[name] = self.float64.load(name)
        return inputs
