"""Normalisation as the first nodes of a graph, which then takes 8-bit pictures."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from paddleport.errors import UsageError
from paddleport.models.onnx.graph_walk import subgraphs
from paddleport.models.onnx.onnx_file import tensor_specs
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import TensorSpec, format_shape

if TYPE_CHECKING:
    import onnx

_TO_NCHW = (0, 3, 1, 2)


def pixel_input(
    inputs: Sequence[TensorSpec], preprocess: Preprocess | None, unknown: str = ""
) -> TensorSpec:
    """The input that takes a model's place of its own once it normalises: [N, H, W, 3] uint8.

    Args:
        inputs: of the model as it is.
        preprocess: how it is fed.
        unknown: why that is not known.

    Raises:
        UsageError: the preprocessing is not known or gives no fixed size, or the model takes
            something else than one float32 picture of that size.
    """
    if preprocess is None:
        raise UsageError(
            f"--embed-preprocess needs to know how the model is fed with pictures ({unknown}): "
            "leave it out, or name a folder with an inference.yml"
        )
    if preprocess.size is None:
        raise UsageError(
            "--embed-preprocess needs a fixed size, and this preprocessing crops or resizes to "
            "none: leave it out"
        )
    if preprocess.channel_num != 3:
        raise UsageError(
            "--embed-preprocess is for pictures of three channels, and this model is fed with "
            f"{preprocess.channel_num}: leave it out"
        )
    taken = "; ".join(map(str, inputs)) or "nothing"
    if len(inputs) != 1:
        raise UsageError(
            f"--embed-preprocess is for models with one input, a picture, and this one takes "
            f"{taken}: leave it out"
        )
    (spec,) = inputs
    wanted = (None, 3, *preprocess.size)
    fits = len(spec.shape) == len(wanted) and spec.shape[1] == wanted[1]
    fits = fits and all(
        own in (None, size) for own, size in zip(spec.shape[2:], wanted[2:], strict=True)
    )
    if spec.dtype != "float32" or not fits:
        raise UsageError(
            f"--embed-preprocess is for models that take float32 [{format_shape(wanted)}], the "
            f"size that pictures are cropped to, and this one takes {taken}: leave it out"
        )
    return TensorSpec(spec.name, "uint8", (spec.shape[0], *preprocess.size, 3))


def embed_preprocess(proto: "onnx.ModelProto", preprocess: Preprocess) -> None:
    """Put the change to NCHW and ``(pixel * scale - mean) / std`` in front of a graph, in place.

    The arithmetic, its order and its float32 constants are those of ``preprocess_image``, so a
    runtime that keeps them feeds the network the same bits. They follow the graph's
    simplification, which must not fold them: they are to be seen in the file. The Cast stands
    directly behind the input, as TensorRT wants it of a uint8 one. The change of layout comes
    next: ONNX Runtime is slow to broadcast three numbers along the last dimension.

    Args:
        proto: opset 7 or higher; its only input keeps its name, and its batch size.
        preprocess: the rules; the pictures come with its channels, cropped to its size.

    Raises:
        UsageError: as ``pixel_input`` does.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    graph = proto.graph
    spec = pixel_input(tensor_specs(graph, graph.input), preprocess)
    name = spec.name
    taken = set(_names(graph))
    steps = ["float", "nchw", "scaled", "centred", "normalised", "scale", "mean", "std"]
    named = {step: _unused(f"{name}.{step}", taken) for step in steps}
    _rename(graph, name, named["normalised"])
    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Cast", [name], "float", {"to": onnx.TensorProto.FLOAT}),
        ("Transpose", [named["float"]], "nchw", {"perm": _TO_NCHW}),
        ("Mul", [named["nchw"], named["scale"]], "scaled", {}),
        ("Sub", [named["scaled"], named["mean"]], "centred", {}),
        ("Div", [named["centred"], named["std"]], "normalised", {}),
    ]
    made = [
        helper.make_node(operator, inputs, [named[output]], name=named[output], **attributes)
        for operator, inputs, output, attributes in nodes
    ]
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend([*made, *kept])
    rules = {"scale": (preprocess.scale,), "mean": preprocess.mean, "std": preprocess.std}
    for step, values in rules.items():
        constant = np.asarray(values, np.float32).reshape(1, -1, 1, 1)
        graph.initializer.append(numpy_helper.from_array(constant, named[step]))
    _retype(next(value for value in graph.input if value.name == name), spec)


def _retype(value: "onnx.ValueInfoProto", spec: TensorSpec) -> None:
    """Give an input another type and shape; the first dimension stays as it is stated."""
    import onnx

    tensor = value.type.tensor_type
    batch = onnx.TensorShapeProto.Dimension()
    batch.CopyFrom(tensor.shape.dim[0])
    tensor.elem_type = onnx.TensorProto.UINT8
    del tensor.shape.dim[:]
    tensor.shape.dim.append(batch)
    for size in spec.shape[1:]:
        tensor.shape.dim.add().dim_value = size or 0


def _graphs(graph: "onnx.GraphProto") -> Iterator["onnx.GraphProto"]:
    yield graph
    for node in graph.node:
        for body in subgraphs(node):
            yield from _graphs(body)


def _names(graph: "onnx.GraphProto") -> Iterator[str]:
    """Every name that a value or a node has, in bodies too."""
    for inner in _graphs(graph):
        values = (*inner.input, *inner.output, *inner.value_info, *inner.initializer)
        yield from (value.name for value in values)
        for node in inner.node:
            yield node.name
            yield from node.output


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _rename(graph: "onnx.GraphProto", old: str, new: str) -> None:
    """Have all that reads a value read another one; bodies too, since ONNX forbids shadowing."""
    for inner in _graphs(graph):
        for node in inner.node:
            node.input[:] = [new if name == old else name for name in node.input]
        if inner is not graph:  # a body may give out what it takes from around it
            for value in inner.output:
                value.name = new if value.name == old else value.name
