"""Faults in a normalisation that stands in the graph, and a conversion that makes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from paddleport.convert.embed import embed_preprocess
from paddleport.convert.paddle2onnx.finish import FinishedFile, finish
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import read_onnx_model, read_onnx_proto, write_metadata
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import TensorSpec

RULES = Preprocess(resize_short=12, crop=(9, 9))
PIXELS = TensorSpec("x", "uint8", (None, 9, 9, 3))


def _constant(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    found: dict[str, onnx.TensorProto] = {item.name: item for item in proto.graph.initializer}
    return found[f"x.{name}"]


def _node(proto: onnx.ModelProto, operator: str) -> onnx.NodeProto:
    found: dict[str, onnx.NodeProto] = {item.op_type: item for item in proto.graph.node[:7]}
    return found[operator]


def swapped(proto: onnx.ModelProto) -> None:
    """The mean for the std."""
    node, other = _node(proto, "Sub"), _node(proto, "Div")
    node.input[1], other.input[1] = other.input[1], node.input[1]


def channels(proto: onnx.ModelProto) -> None:
    """The network gets blue for red."""
    proto.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "turned"))
    last = _node(proto, "Div")
    made, last.output[0] = last.output[0], "rgb"
    turn = helper.make_node("Gather", ["rgb", "turned"], [made], name="turn", axis=1)
    proto.graph.node.insert(list(proto.graph.node).index(last) + 1, turn)


def unscaled(proto: onnx.ModelProto) -> None:
    """Pixels from 0 to 255."""
    scale = _constant(proto, "scale")
    scale.CopyFrom(numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), scale.name))


def turned(proto: onnx.ModelProto) -> None:
    """Rows for columns."""
    del _node(proto, "Transpose").attribute[:]
    _node(proto, "Transpose").attribute.append(helper.make_attribute("perm", (0, 3, 2, 1)))


FAULTS: dict[str, Callable[[onnx.ModelProto], None]] = {
    item.__name__: item for item in (swapped, channels, unscaled, turned)
}


def embedded(given: Artifact, target: Path, fault: str = "", rules: Preprocess = RULES) -> Artifact:
    """The file with its normalisation inside, and perhaps something wrong with that."""
    proto = read_onnx_proto(given.path)
    embed_preprocess(proto, rules)
    if fault:
        FAULTS[fault](proto)
    write_metadata(proto, preprocess=rules, labels=None, provenance={})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(target))
    return read_onnx_model(target)


def finish_with(fault: str, raw: Any, target: Path, **options: Any) -> FinishedFile:
    """As ``finish``, which runs in a process of its own, with a fault in the file."""
    checked = finish(raw, target, **options)
    proto = read_onnx_proto(target)
    FAULTS[fault](proto)
    onnx.save(proto, str(target))
    return checked
