"""Tensors that refer to a file: written whole, they are what serialising gives."""

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paddleport.convert.naming import write_onnx
from paddleport.convert.paddle2onnx import external_data
from paddleport.convert.paddle2onnx.external_data import (
    full_size,
    load_external,
    set_external,
    unique_offsets,
    write_inlined,
    write_model,
)
from paddleport.errors import ModelFileError, OutputError
from paddleport.models.artifact import onnx_artifact
from paddleport.models.onnx.onnx_file import external_files, total_size
from paddleport.models.paddle.params import (
    DATA_TYPES,
    ParameterSpec,
    parameter_header,
    read_stored_parameters,
)
from paddleport.runners import open_runner

FIRST, SECOND = np.arange(300, dtype=np.float32), np.arange(200, dtype=np.float64)


def model() -> onnx.ModelProto:
    """An initializer, a constant and a constant inside a branch, with fields after the elements."""
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(FIRST, "inner"))],
        "branch",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [300])],
    )
    nodes = [
        helper.make_node("Constant", [], ["v"], value=numpy_helper.from_array(SECOND, "v")),
        helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner),
    ]
    weights = [numpy_helper.from_array(FIRST, "w"), numpy_helper.from_array(SECOND, "s")]
    weights[0].doc_string = "after its elements"
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.BOOL, [])],
        [value("y", TensorProto.FLOAT, [300])],
        weights,
        doc_string="after the weights",
    )
    proto = helper.make_model(graph, producer_name="a test")
    helper.set_model_props(proto, {"after": "the graph"})
    return proto


@pytest.fixture
def referring(tmp_path: Path) -> onnx.ModelProto:
    file = tmp_path / "weights"
    file.write_bytes(b"head" + FIRST.tobytes() + SECOND.tobytes())
    proto = model()
    for node in proto.graph.node[1].attribute:
        set_external(node.g.node[0].attribute[0].t, file, 4, FIRST.nbytes)
    set_external(proto.graph.node[0].attribute[0].t, file, 4 + FIRST.nbytes, SECOND.nbytes)
    set_external(proto.graph.initializer[0], file, 4, FIRST.nbytes)
    return proto


def test_written_whole_it_is_as_if_it_had_been_loaded(referring: onnx.ModelProto) -> None:
    stream = io.BytesIO()
    write_inlined(referring, stream)
    assert stream.getvalue() == model().SerializeToString(deterministic=True)
    assert abs(full_size(referring) - len(stream.getvalue())) < 600
    load_external(referring)
    assert referring == model()


def test_without_references_it_is_serialised() -> None:
    stream = io.BytesIO()
    write_inlined(model(), stream)
    assert stream.getvalue() == model().SerializeToString(deterministic=True)


def test_a_file_that_became_shorter_is_an_error(referring: onnx.ModelProto, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"head" + FIRST.tobytes()[:-1])
    with pytest.raises(OSError, match="has become shorter"):
        write_inlined(referring, io.BytesIO())


def large() -> onnx.ModelProto:
    """A sum with a weight and with a constant, both large enough for a second file."""
    values = np.arange(1 << 15, dtype=np.float32)
    nodes = [
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(2 * values)),
        helper.make_node("Add", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "c"], ["y"]),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [tensor("x", TensorProto.FLOAT, [len(values)])],
        [tensor("y", TensorProto.FLOAT, [len(values)])],
        [numpy_helper.from_array(values, "w")],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def test_what_no_file_holds_is_written_as_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_data, "_MOST", 1000)
    proto, weights = large(), tmp_path / "weights"
    weights.write_bytes(proto.graph.node[0].attribute[0].t.raw_data)
    set_external(proto.graph.node[0].attribute[0].t, weights, 0, weights.stat().st_size)
    made, named = tmp_path / "made.onnx", tmp_path / "named.onnx"
    write_model(proto, made)
    assert write_onnx(made, named) == (named, tmp_path / "named.onnx.data")
    made.unlink()
    (tmp_path / "made.onnx.data").unlink()
    weights.unlink()
    assert external_files(named) == (tmp_path / "named.onnx.data",)
    assert total_size(named) > 2 * (1 << 17)
    onnx.checker.check_model(str(named), full_check=True)
    x = np.ones(1 << 15, np.float32)
    with open_runner("onnxruntime", onnx_artifact(named)) as runner:
        (found,) = runner.run({"x": x}).values()
    assert np.array_equal(found, 1 + 3 * np.arange(1 << 15, dtype=np.float32))
    write_onnx(named, named.with_name("other.onnx"))
    (tmp_path / "mine.onnx.data").write_bytes(b"somebody's")
    with pytest.raises(OutputError, match=r"mine\.onnx\.data is there, and mine\.onnx does not"):
        write_onnx(named, tmp_path / "mine.onnx")
    write_onnx(named.with_name("other.onnx"), named)  # its own file may be replaced


def test_what_one_file_holds_is_one_file(tmp_path: Path) -> None:
    write_model(large(), tmp_path / "it.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["it.onnx"]
    assert external_files(tmp_path / "it.onnx") == ()


def test_equal_bytes_have_one_place(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abcdabceabcdab")
    places = [(0, 4), (4, 4), (8, 4), (12, 2)]
    assert unique_offsets(file, places) == {0: 0, 4: 4, 8: 0, 12: 12}


@pytest.mark.parametrize("dtype", [name for name, _ in DATA_TYPES.values()])
def test_a_parameters_header_is_read_back(dtype: str, tmp_path: Path) -> None:
    size = next(size for name, size in DATA_TYPES.values() if name == dtype)
    file, header = tmp_path / "it.pdiparams", parameter_header(dtype, (3, 2))
    file.write_bytes(2 * (header + bytes(6 * size)))
    first, second = read_stored_parameters(file)
    assert first.spec == second.spec == ParameterSpec(dtype, (3, 2))
    assert (first.start, first.data, first.size_bytes) == (0, len(header), 6 * size)
    assert second.start == first.data + first.size_bytes
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="parameter 2 ends beyond"):
        read_stored_parameters(file)
