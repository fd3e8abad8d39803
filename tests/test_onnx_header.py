"""What is read past an ONNX file's weights is what the onnx package says."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_network
from onnx import TensorProto, helper, numpy_helper

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.onnx import onnx_file
from paddleport.models.onnx.onnx_header import read_header


def by_onnx(path: Path) -> tuple[object, ...]:
    proto = onnx.load(str(path))
    graph = proto.graph
    return (
        {item.key: item.value for item in proto.metadata_props},
        next((item.version for item in proto.opset_import if item.domain in ("", "ai.onnx")), 0),
        onnx_file.tensor_specs(graph, graph.input),
        onnx_file.tensor_specs(graph, graph.output),
        {node.op_type for node in graph.node},
        {item.data_type for item in graph.initializer},
    )


def by_header(path: Path) -> tuple[object, ...]:
    found = read_header(path)
    assert found is not None
    return (
        found.metadata,
        found.opset,
        found.inputs,
        found.outputs,
        set(found.operators),
        set(found.weight_types),
    )


def odd_model() -> onnx.ModelProto:
    """Weights listed as inputs, several types, free and unknown dimensions, foreign operators."""
    value = helper.make_tensor_value_info
    weights = [
        numpy_helper.from_array(np.ones((2, 3), kind), f"w{place}")
        for place, kind in enumerate((np.float32, np.float16, np.int64))
    ]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Odd", ["x"], ["z"], domain="o")],
        "odd",
        [value("x", TensorProto.FLOAT, ["N", 3, None, -1]), value("w0", TensorProto.FLOAT, [2, 3])],
        [value("y", TensorProto.UINT8, []), value("z", TensorProto.BOOL, None)],
        weights,
    )
    opsets = [helper.make_opsetid("o", 3), helper.make_opsetid("", 15)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(proto, {"author": "somebody", "text": "Stra\u00dfe"})
    return proto


def test_it_says_what_onnx_says(tmp_path: Path) -> None:
    file = tmp_path / "small.onnx"
    small_network.save_onnx(file)
    assert by_header(file) == by_onnx(file)
    onnx.save(odd_model(), str(file))
    assert by_header(file) == by_onnx(file)


@pytest.mark.parametrize("kind", ["no type", "bfloat16", "sequence"])
def test_what_is_not_plain_is_left_to_onnx(tmp_path: Path, kind: str) -> None:
    proto = odd_model()
    if kind == "no type":
        proto.graph.output[0].ClearField("type")
    elif kind == "bfloat16":
        proto.graph.input[0].type.tensor_type.elem_type = TensorProto.BFLOAT16
    else:
        element = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
        proto.graph.output[0].type.CopyFrom(helper.make_sequence_type_proto(element))
    file = tmp_path / "odd.onnx"
    onnx.save(proto, str(file))
    assert read_header(file) is None
    assert onnx_file.onnx_opset(file) == 15


@pytest.mark.parametrize("content", [b"", b"no ONNX at all\n" * 9, b"\x3a\x05ab"])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.onnx"
    file.write_bytes(content)
    assert read_header(file) is None
    with pytest.raises(ModelFileError, match="is not an ONNX file"):
        onnx_file.read_onnx_model(file)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelNotFoundError, match=r"pipe\.onnx is not a file"):
        onnx_file.read_onnx_model(tmp_path / "pipe.onnx")


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cut.onnx"
    small_network.save_onnx(file)
    content = file.read_bytes()
    for length in range(1, len(content), 7):
        file.write_bytes(content[:length])
        header = read_header(file)
        try:
            onnx_file.read_onnx_proto(file)
        except ModelFileError:
            assert header is None, f"{length} of {len(content)} bytes were taken"
