"""What a pair of ncnn files says, as an ONNX graph: computed without ncnn, in float64."""

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.ncnn.layers import HANDLERS
from paddleport.models.ncnn.ncnn_file import read_ncnn
from paddleport.models.ncnn.ncnn_graph import NcnnGraph
from paddleport.models.ncnn.ncnn_names import blob_name, recorded_batched
from paddleport.models.ncnn.onnx_writer import IR_VERSION, OPSET, Blob, OnnxWriter
from paddleport.tensors import TensorSpec

if TYPE_CHECKING:
    import onnx

_NUMBERED = re.compile(r"(?:in|out)(\d+)")  # pnnx's names


def as_onnx(
    artifact: Artifact, shapes: Mapping[str, Sequence[int]] | None = None
) -> "onnx.ModelProto":
    """The graph of an ncnn model in ONNX.

    Every blob between is a tensor of its own name, with the samples as its first axis.

    Args:
        artifact: with its inputs and outputs, in the order of the file's in0, in1 and out0,
            out1.
        shapes: of inputs, samples included, where they differ from the artifact's; a free
            first dimension is one sample.

    Raises:
        ModelFileError: the files are damaged, or have other inputs or outputs than they say.
        BackendUnavailableError: a layer that is not known here.
    """
    import onnx

    ncnn = read_ncnn(artifact.path, artifact.weights_file)
    graph = OnnxWriter()
    known = _inputs(ncnn, artifact, shapes or {}, graph)
    for layer in ncnn.layers:
        if layer.operator == "Input":
            continue
        if layer.operator not in HANDLERS:
            raise BackendUnavailableError(
                f"ncnn's layer type {layer.operator} ({layer.name}) is not computed here"
            )
        graph.prefix = layer.name
        made = HANDLERS[layer.operator](graph, layer, [known[name] for name in layer.inputs])
        found = [made] if isinstance(made, Blob) else list(made)
        for blob, name in zip(found, layer.outputs, strict=True):
            known[name] = graph.published(blob, name)
    outputs = [
        _output(graph, known[name], spec, artifact)
        for name, spec in zip(output_blobs(ncnn, artifact), artifact.outputs, strict=True)
    ]
    made_graph = onnx.helper.make_graph(
        graph.nodes,
        artifact.path.stem,
        [_value(spec, _shape(spec, shapes or {})) for spec in artifact.inputs],
        outputs,
        initializer=graph.initializers,
    )
    return onnx.helper.make_model(
        made_graph,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="paddleport",
    )


def input_blobs(ncnn: NcnnGraph, artifact: Artifact) -> list[str]:
    """The blobs that an artifact's inputs go into, in its order."""
    blobs = [name for layer in ncnn.layers if layer.operator == "Input" for name in layer.outputs]
    return _in_order(blobs, artifact.inputs, "inputs", artifact)


def output_blobs(ncnn: NcnnGraph, artifact: Artifact) -> list[str]:
    """The blobs that an artifact's outputs are, in its order."""
    return _in_order(list(ncnn.results), artifact.outputs, "outputs", artifact)


def _in_order(
    blobs: list[str], specs: Sequence[TensorSpec], kind: str, artifact: Artifact
) -> list[str]:
    if len(blobs) != len(specs):
        raise ModelFileError(
            f"{artifact.path} has {len(blobs)} {kind} ({', '.join(blobs)}) and should have "
            f"{len(specs)} ({', '.join(spec.name for spec in specs)})"
        )
    named = [blob_name(spec.name) for spec in specs]
    if set(named) == set(blobs):
        return named
    numbers = [_NUMBERED.fullmatch(name) for name in blobs]
    if all(numbers):
        return sorted(blobs, key=lambda name: int(name.lstrip("inout")))
    return blobs


def _inputs(
    ncnn: NcnnGraph,
    artifact: Artifact,
    shapes: Mapping[str, Sequence[int]],
    graph: OnnxWriter,
) -> dict[str, Blob]:
    """The blobs of the inputs, which have all axes of a tensor but that of the samples."""
    found = {}
    for name, spec in zip(input_blobs(ncnn, artifact), artifact.inputs, strict=True):
        shape = _shape(spec, shapes)
        graph.prefix = spec.name
        if _is_batched(artifact, spec.name, len(shape)):
            found[name] = Blob(spec.name, tuple(shape[1:]), shape[0])
        else:
            shape = shape or (1,)
            found[name] = graph.node("Reshape", [spec.name, graph.integers(1, *shape)], shape)
    return found


def _is_batched(artifact: Artifact, name: str, rank: int) -> bool:
    """Whether the first axis of a tensor counts samples, which ncnn has no axis for."""
    batched = recorded_batched(artifact)
    return rank > 1 if batched is None else name in batched


def _shape(spec: TensorSpec, shapes: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    shape = list(shapes.get(spec.name, spec.shape))
    if shape and shape[0] is None:
        shape[0] = 1
    if None in shape:
        raise BackendUnavailableError(
            f"ncnn's graph of {spec} can't be told without a size for each dimension"
        )
    return tuple(int(item) for item in shape if item is not None)


def _value(spec: TensorSpec, shape: Sequence[int]) -> "onnx.ValueInfoProto":
    import numpy as np
    import onnx

    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
    return onnx.helper.make_tensor_value_info(spec.name, kind, shape)


def _output(
    graph: OnnxWriter, x: Blob, spec: TensorSpec, artifact: Artifact
) -> "onnx.ValueInfoProto":
    """An output under its name, in the shape that the artifact says where the values fit."""
    graph.prefix = spec.name
    batched = _is_batched(artifact, spec.name, len(spec.shape) or 2)
    shape = _fitted(spec, (x.samples, *x.shape) if batched or x.samples > 1 else x.shape)
    if shape != (x.samples, *x.shape):
        x = graph.node("Reshape", [x, graph.integers(*shape)], shape)
    graph.node("Identity", [x], x.shape)
    graph.nodes[-1].output[0] = spec.name
    return _value(spec, shape)


def _fitted(spec: TensorSpec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that the artifact says, one of them free, for axes that ncnn leaves out or adds."""
    sizes = [size for size in spec.shape if size is not None]
    free = len(spec.shape) - len(sizes)
    if len(spec.shape) == len(shape) or not spec.shape or free > 1:
        return shape
    rest, over = divmod(prod(shape), prod(sizes))
    if over or not (free or rest == 1):
        return shape
    return tuple(rest if size is None else size for size in spec.shape)
