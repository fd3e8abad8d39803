"""``finish`` and ``export_raw`` with a fault, for the process that a conversion calls them in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from paddleport.convert.paddle2onnx.export import RawExport, export_raw
from paddleport.convert.paddle2onnx.finish import FinishedFile, finish
from paddleport.errors import ConversionError


def _behind_the_input(
    nodes: Callable[[str, str], list[onnx.NodeProto]], raw: RawExport, target: Path, **options: Any
) -> FinishedFile:
    """The file with nodes between its first input and the network."""
    done = finish(raw, target, **options)
    proto = onnx.load(str(target))
    name, inner = proto.graph.input[0].name, "of.the.input"
    for node in proto.graph.node:
        for place, value in enumerate(node.input):
            node.input[place] = inner if value == name else value
    kept = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*nodes(name, inner), *kept])
    onnx.save(proto, str(target))
    return done


def one_size(raw: RawExport, target: Path, **options: Any) -> FinishedFile:
    """It takes pictures of 224x224 alone, in any batch."""

    def nodes(name: str, inner: str) -> list[onnx.NodeProto]:
        shape = numpy_helper.from_array(np.array([-1, 3, 224, 224]))
        constant = helper.make_node("Constant", [], ["one.size"], value=shape)
        return [constant, helper.make_node("Reshape", [name, "one.size"], [inner], name="planted")]

    return _behind_the_input(nodes, raw, target, **options)


def first_row(raw: RawExport, target: Path, **options: Any) -> FinishedFile:
    """It takes any batch, and computes the first picture in every place of it."""

    def nodes(name: str, inner: str) -> list[onnx.NodeProto]:
        def integers(output: str, values: list[int]) -> onnx.NodeProto:
            value = numpy_helper.from_array(np.array(values))
            return helper.make_node("Constant", [], [output], value=value)

        return [
            *(integers(f"row.{value}", [value]) for value in (0, 1)),
            helper.make_node("Slice", [name, "row.0", "row.1", "row.0"], ["row"]),
            helper.make_node("Shape", [name], ["row.shape"]),
            helper.make_node("Expand", ["row", "row.shape"], [inner]),
        ]

    return _behind_the_input(nodes, raw, target, **options)


def closed(raw: RawExport, target: Path, **options: Any) -> FinishedFile:
    """It declares a batch of 1 where it is not told otherwise, and takes any."""
    done = finish(raw, target, **options)
    if not options["narrowing"].declared:
        proto = onnx.load(str(target))
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        onnx.save(proto, str(target))
    return done


def spoilt_by_onnxslim(raw: RawExport, target: Path, **options: Any) -> FinishedFile:
    """What onnxslim gives is no ONNX, what it was given is."""
    done = finish(raw, target, **options)
    if options["simplify"]:
        proto = onnx.load(str(target))
        proto.graph.node[0].op_type = "NoSuchOperator"
        onnx.save(proto, str(target))
    return done


def only_at_13(*arguments: Any, **options: Any) -> RawExport:
    """Paddle2ONNX, which gets an operator wrong at every opset but one."""
    if options["opset"] != 13:
        raise ConversionError(f"Paddle2ONNX gets the operator relu wrong at {options['opset']}")
    return export_raw(*arguments, **options)


def nowhere(*arguments: Any, **options: Any) -> RawExport:
    """Paddle2ONNX, which gets an operator wrong at every opset and every size."""
    raise ConversionError("Paddle2ONNX gets the operator relu wrong")
