"""What an MNN file says, as an ONNX graph, to be computed without MNN's runtime."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.mnn.folded_values import value_info
from paddleport.models.mnn.mnn_file import MnnGraph, read_mnn
from paddleport.models.mnn.onnx_builder import OPSET, OnnxBuilder
from paddleport.models.mnn.translation import TRANSLATORS
from paddleport.models.mnn.unknown_setting import refused
from paddleport.tensors import TensorSpec

if TYPE_CHECKING:
    import onnx


def as_onnx(artifact: Artifact) -> "onnx.ModelProto":
    """The graph of an MNN file, with its weights, under the artifact's inputs and outputs.

    Tensors keep the names that they have in the file.

    Raises:
        BackendUnavailableError: an operator, or a setting of one, that has no translation.
        ModelFileError: the file is damaged, or has other inputs and outputs than it should.
    """
    graph = read_mnn(artifact.path)
    inputs = _in_order(artifact, graph.inputs, artifact.inputs)
    outputs = artifact.outputs or tuple(TensorSpec(name, "", ()) for name in graph.outputs)
    if sorted(spec.name for spec in outputs) != sorted(graph.outputs):
        raise ModelFileError(
            f"{artifact.path} gives {', '.join(graph.outputs)}, not "
            f"{', '.join(spec.name for spec in outputs)}"
        )
    return graph_as_onnx(graph, inputs, outputs)


def graph_as_onnx(
    graph: MnnGraph, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> "onnx.ModelProto":
    """The same of a graph that was read."""
    import onnx

    unknown = sorted({op.type for op in graph.ops} - TRANSLATORS.keys() - {"Input"})
    if unknown:
        raise BackendUnavailableError(
            f"MNN's {', '.join(unknown)} has no translation to ONNX, so the file can't be computed "
            f"without MNN"
        )
    builder = _translated(graph, inputs)
    for spec in outputs:
        if spec.dtype == "int64":  # int32 in the file, as all its integers are
            _recast_output(builder, spec)
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            builder.nodes,
            "mnn",
            [value_info(spec) for spec in inputs],
            [value_info(spec) for spec in outputs],
            [onnx.numpy_helper.from_array(item, name) for name, item in builder.values.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=9,
    )


def _translated(graph: MnnGraph, inputs: Sequence[TensorSpec]) -> OnnxBuilder:
    builder = OnnxBuilder(inputs)
    narrow = {
        spec.name: builder.int32(spec.name) for spec in inputs if spec.dtype in ("int64", "bool")
    }
    for stored in graph.ops:
        if stored.type == "Input":
            continue
        op = replace(stored, inputs=tuple(narrow.get(name, name) for name in stored.inputs))
        try:
            made = TRANSLATORS[op.type](builder, op)
            if len(made) != len(op.outputs):
                raise refused(op, f"{len(op.outputs)} outputs")
            for name, wanted in zip(made, op.outputs, strict=True):
                if name != wanted:
                    builder.bind(name, wanted)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ModelFileError(
                f"MNN's {op.type} {op.name} is damaged: {type(error).__name__} {error}"
            ) from error
    return builder


def _in_order(
    artifact: Artifact, found: Sequence[TensorSpec], wanted: Sequence[TensorSpec]
) -> tuple[TensorSpec, ...]:
    """The inputs as the artifact orders and shapes them."""
    names = [spec.name for spec in found]
    if not wanted:
        return tuple(found)
    if sorted(names) != sorted(spec.name for spec in wanted):
        raise ModelFileError(
            f"{artifact.path} takes {', '.join(names)}, not "
            f"{', '.join(spec.name for spec in wanted)}"
        )
    return tuple(wanted)


def _recast_output(builder: OnnxBuilder, spec: TensorSpec) -> None:
    narrow = f"{spec.name}/int32"
    for node in builder.nodes:
        for names in (node.input, node.output):
            names[:] = [narrow if name == spec.name else name for name in names]
    builder.bind(builder.cast(narrow, np.int64), spec.name)
