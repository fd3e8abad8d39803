"""A plug-in's target whose files are layers of fused nodes, under names of their own."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from paddleport.convert.targets import MadeFile, Target, TargetOptions
from paddleport.models.artifact import Artifact
from paddleport.tensors import Feed

if TYPE_CHECKING:
    import onnx

FUSED = {"Conv": "Convolution", "MatMul": "InnerProduct", "Gemm": "InnerProduct"}
FOLLOW = ("Add", "BatchNormalization", "Relu")


class LayeredTarget(Target):
    """The graph in one file and the weights in another; takes one row at a time.

    A convolution or product holds the bias and the relu that follow it. Tensors between the
    layers are b1, b2, ..., inputs in0, ... and outputs out0, ..., as ncnn's converter has it.
    """

    name: ClassVar[str] = "layered"
    format: ClassVar[str] = "layered"
    suffix: ClassVar[str] = ".layered"

    def make(
        self, onnx: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        import onnx as onnx_library

        proto = onnx_library.load(str(onnx.path))
        layers = list(fused(list(proto.graph.node)))
        names = new_names(proto, layers)
        for place, layer in enumerate(layers):
            kind = FUSED.get(layer[0].op_type, layer[0].op_type)
            for node in layer:
                node.name = f"layer_{place}|{kind}"
        rename(proto, names)
        for value in proto.graph.input:
            value.type.tensor_type.shape.dim[0].dim_value = 1
        del proto.graph.value_info[:]
        weights = path.with_suffix(".weights")
        write(proto, path, weights)
        return MadeFile(files=(path, weights), tools={"numpy": np.__version__})

    def graph(self, artifact: Artifact, shapes: Mapping[str, tuple[int, ...]]) -> "onnx.ModelProto":
        proto = read(*artifact.files)
        ours = [*proto.graph.input, *proto.graph.output]
        theirs = [*artifact.inputs, *artifact.outputs]
        rename(proto, {one.name: other.name for one, other in zip(ours, theirs, strict=True)})
        return proto


class UnreadTarget(LayeredTarget):
    """Nothing but the runtime reads its files."""

    name: ClassVar[str] = "unread"
    format: ClassVar[str] = "unread"
    suffix: ClassVar[str] = ".unread"

    def graph(self, artifact: Artifact, shapes: Mapping[str, tuple[int, ...]]) -> "onnx.ModelProto":
        return Target.graph(self, artifact, shapes)


def fused(nodes: list[Any]) -> Iterator[list[Any]]:
    """Nodes as layers: what may follow a linear one and is its only reader is in its layer."""
    readers: dict[str, int] = {}
    for node in nodes:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    while nodes:
        layer = [nodes.pop(0)]
        while layer[0].op_type in FUSED:
            output = layer[-1].output[0]
            after = next((node for node in nodes if output in node.input), None)
            if after is None or after.op_type not in FOLLOW or readers[output] > 1:
                break
            nodes.remove(after)
            layer.append(after)
        yield layer


def new_names(proto: Any, layers: list[list[Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for place, layer in enumerate(layers):
        for inside, node in enumerate(layer):
            last = node is layer[-1]
            for index, name in enumerate(node.output):
                found[name] = f"b{place}" if last and not index else f"b{place}.{inside}.{index}"
    for prefix, values in (("in", proto.graph.input), ("out", proto.graph.output)):
        for place, value in enumerate(values):
            found[value.name] = f"{prefix}{place}"
    return found


def rename(proto: Any, names: dict[str, str]) -> None:
    for node in proto.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*proto.graph.input, *proto.graph.output):
        value.name = names.get(value.name, value.name)


def write(proto: Any, path: Path, weights: Path) -> None:
    import onnx

    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in proto.graph.initializer}
    with weights.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    del proto.graph.initializer[:]
    path.write_bytes(proto.SerializeToString())


def read(path: Path, weights: Path) -> "onnx.ModelProto":
    import onnx

    proto = onnx.load_model_from_string(path.read_bytes())
    with np.load(weights) as stored:
        for name in stored.files:
            proto.graph.initializer.append(onnx.numpy_helper.from_array(stored[name], name))
    return proto


def layers_of(proto: Any) -> list[tuple[str, list[Any]]]:
    """Name and type of each layer, with its nodes."""
    nodes = list(proto.graph.node)
    return [(name, list(items)) for name, items in groupby(nodes, lambda node: str(node.name))]
