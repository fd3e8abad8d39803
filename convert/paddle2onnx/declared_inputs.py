"""What an ONNX file declares of its inputs' sizes, where that is not what its program does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.models.onnx.static_shapes import inferred_outputs

if TYPE_CHECKING:
    import onnx

DeclaredShape = tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """Where a file takes less than its program, and what was found besides.

    Attributes:
        declared: input name to the shape that the file is to declare; ``None`` is free.
        sentences: what became narrower and by which operator, a sentence each.
        notes: what Paddle itself does not take, though its program leaves it free.
    """

    declared: Mapping[str, DeclaredShape] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def declare(proto: "onnx.ModelProto", declared: Mapping[str, DeclaredShape]) -> None:
    """Give inputs other shapes, and the outputs those that follow from them.

    Args:
        proto: changed in place.
        declared: input name to shape; ``None`` is free. Other inputs stay as they are.
    """
    if not declared:
        return
    for item in proto.graph.input:
        if item.name in declared:
            _set_shape(item, declared[item.name])
    found = inferred_outputs(proto)
    for item in proto.graph.output:
        stated = item.type.tensor_type.shape.dim
        shape = found.get(item.name)
        if shape is not None and len(shape) == len(stated):
            _set_shape(item, shape)


def free_inputs(file: Path, copy: Path, shapes: Mapping[str, DeclaredShape]) -> None:
    """Write a copy of a file with other inputs' shapes and nothing said of the outputs'.

    Its weights in other files, if it has any, stand beside both.
    """
    import onnx

    proto = onnx.load(str(file), load_external_data=False)
    for item in proto.graph.input:
        if item.name in shapes:
            _set_shape(item, shapes[item.name])
    for item in proto.graph.output:
        item.type.tensor_type.ClearField("shape")
    copy.write_bytes(proto.SerializeToString())


def _set_shape(item: "onnx.ValueInfoProto", shape: DeclaredShape) -> None:
    """Free sizes keep the name that they have."""
    stated = list(item.type.tensor_type.shape.dim)
    names = [size.dim_param for size in stated] + [""] * len(shape)
    item.type.tensor_type.shape.ClearField("dim")
    for axis, size in enumerate(shape):
        dimension = item.type.tensor_type.shape.dim.add()
        if size is None:
            dimension.dim_param = names[axis] or f"{item.name}.{axis}"
        else:
            dimension.dim_value = size
