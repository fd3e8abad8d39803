"""Engines, built for real: TensorRT-RTX needs no GPU to build one."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from engines import L4, rtx_engine, trt_engine, wanted_for
from onnx import TensorProto, helper, numpy_helper

from paddleport.errors import BackendUnavailableError, ModelFileError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import Precision
from paddleport.runners.tensorrt.parse import check_precision
from paddleport.tensors import ShapeRange, TensorSpec


def saved(path: Path, nodes: list[onnx.NodeProto], **weights: np.ndarray) -> Path:
    """A graph from x to y, [N, 3, 8, 8]."""
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "graph",
        [tensor("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [tensor("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(item, name) for name, item in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def kernel() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(4, 3, 3, 3)).astype(np.float32)


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """A graph with an operator that TensorRT does not know."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="first"),
        helper.make_node("Det", ["r"], ["y"], name="the_determinant"),
    ]
    return saved(tmp_path / "refused.onnx", nodes)


@pytest.mark.parametrize("build", [rtx_engine, trt_engine])
@pytest.mark.parametrize(
    ("precision", "largest_share"), [("fp32", 1.0), ("fp16", 0.75), ("bf16", 0.75)]
)
def test_an_engine(
    build: object, precision: Precision, largest_share: float, tmp_path: Path
) -> None:
    path = saved(
        tmp_path / "m.onnx",
        [
            helper.make_node("Conv", ["x", "k"], ["c"], name="conv"),
            helper.make_node("Flatten", ["c"], ["f"], name="flatten"),
            helper.make_node("MatMul", ["f", "w"], ["y"], name="product"),
        ],
        k=kernel(),
        w=np.random.default_rng(4).normal(size=(144, 4096)).astype(np.float32),
    )
    capabilities = L4 if build is rtx_engine else ()
    engine = build(path, wanted_for(path, precision, capabilities=capabilities))  # type: ignore[operator]
    facts = engine.facts
    assert facts.computes_in == precision
    assert facts.inputs == (TensorSpec("x", "float32", (None, 3, 8, 8)),)
    assert facts.outputs == (TensorSpec("y", "float32", (None, 4096)),)
    assert (facts.tf32, facts.profiles, facts.notes) == (False, 1, ())
    assert facts.capabilities == (("8.9",) if build is rtx_engine else ())
    stored = 144 * 4096 * 4
    assert 0.5 * largest_share * stored < len(engine.content) < 1.3 * largest_share * stored


def test_tf32_is_on_only_where_it_is_asked_for(small_onnx: Artifact) -> None:
    assert not rtx_engine(small_onnx.path, wanted_for(small_onnx.path)).facts.tf32
    assert rtx_engine(small_onnx.path, wanted_for(small_onnx.path, tf32=True)).facts.tf32
    posing = wanted_for(small_onnx.path, tf32=True, capabilities=())
    assert trt_engine(small_onnx.path, posing).facts.tf32


def test_workspace_is_taken(small_onnx: Artifact) -> None:
    assert rtx_engine(small_onnx.path, wanted_for(small_onnx.path, workspace_mb=64)).content


def test_several_capabilities(small_onnx: Artifact) -> None:
    wanted = wanted_for(small_onnx.path, capabilities=((8, 6), (12, 0)))
    assert rtx_engine(small_onnx.path, wanted).facts.capabilities == ("8.6", "12.0")


def test_a_capability_that_it_does_not_build_for(small_onnx: Artifact) -> None:
    with pytest.raises(UsageError, match=r"capability 1\.2, only 7\.5, 8\.0"):
        rtx_engine(small_onnx.path, wanted_for(small_onnx.path, capabilities=((1, 2),)))


def test_tensorrt_takes_no_capability(small_onnx: Artifact) -> None:
    with pytest.raises(UsageError, match="--to tensorrt-rtx"):
        trt_engine(small_onnx.path, wanted_for(small_onnx.path))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_refused_operator_is_named_with_its_node(precision: Precision, refused: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        rtx_engine(refused, wanted_for(refused, precision))
    assert str(caught.value) == (
        "tensorrt-rtx does not take refused.onnx: node 'the_determinant' (Det): unsupported node, "
        "by its parser"
    )


def test_what_the_parser_takes_in_fp32_only_is_kept_so_and_told(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], name="conv"),
        helper.make_node("HardSwish", ["c"], ["h"], name="swish"),
        helper.make_node("HardSwish", ["h"], ["y"], name="swish_again"),
    ]
    path = saved(tmp_path / "swish.onnx", nodes, k=kernel())
    facts = rtx_engine(path, wanted_for(path, "bf16")).facts
    assert facts.computes_in == "bf16"
    assert facts.notes == ("kept in fp32: 2 HardSwish",)
    assert rtx_engine(path, wanted_for(path, "fp16")).facts.notes == ()


def test_a_quantised_graph_computes_in_int8(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("QuantizeLinear", ["k", "s", "z"], ["kq"]),
        helper.make_node("DequantizeLinear", ["kq", "s", "z"], ["kd"]),
        helper.make_node("Conv", ["d", "kd"], ["y"]),
    ]
    scale, zero = np.array(0.05, np.float32), np.array(0, np.int8)
    path = saved(tmp_path / "int8.onnx", nodes, k=kernel(), s=scale, z=zero)
    assert check_precision(path, None, "tensorrt") == "int8"
    assert rtx_engine(path, wanted_for(path, "int8")).facts.computes_in == "int8"
    with pytest.raises(BackendUnavailableError, match="is in int8"):
        check_precision(path, "fp16", "tensorrt")


def test_int8_needs_a_quantised_graph(small_onnx: Artifact) -> None:
    with pytest.raises(BackendUnavailableError, match="QuantizeLinear"):
        check_precision(small_onnx.path, "int8", "tensorrt")


def test_a_range_of_every_dimension(tmp_path: Path) -> None:
    path = tmp_path / "free.onnx"
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "k"], ["y"])],
        "free",
        [tensor("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [tensor("y", TensorProto.FLOAT, ["N", 4, "h", "w"])],
        [numpy_helper.from_array(kernel(), "k")],
    )
    opset = [helper.make_opsetid("", 11)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    ranges = {"x": ShapeRange((1, 3, 16, 16), (2, 3, 64, 48), (4, 3, 128, 128))}
    engine = rtx_engine(path, wanted_for(path, ranges=ranges))
    assert engine.facts.inputs == (TensorSpec("x", "float32", (None, 3, None, None)),)
    with pytest.raises(UsageError, match="min:opt:max"):
        wanted_for(path)


def test_the_timing_cache_is_kept_and_taken_again(small_onnx: Artifact) -> None:
    wanted = wanted_for(small_onnx.path, capabilities=())
    first = trt_engine(small_onnx.path, wanted)
    assert first.timing_cache
    assert trt_engine(small_onnx.path, wanted, first.timing_cache).timing_cache


def test_a_damaged_timing_cache_is_no_hindrance(small_onnx: Artifact) -> None:
    wanted = wanted_for(small_onnx.path, capabilities=())
    assert trt_engine(small_onnx.path, wanted, b"no timings at all").content
