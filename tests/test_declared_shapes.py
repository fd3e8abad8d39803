"""Shapes in the ONNX graph against those of the program: fixed by axes of one, else refused."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from paddleport.convert.paddle2onnx.fixups.declared_shapes import OTHER_SHAPE, RANKS, fix_shapes
from paddleport.errors import ConversionError

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def program(*operators: tuple[str, list[int]]) -> dict[str, Any]:
    """A PIR program of operators in a row, each with the shape that it declares."""
    ops: list[dict[str, Any]] = []
    for number, (operator, shape) in enumerate(operators, start=1):
        kind = {"#": "0.t_dtensor", "D": [{"#": "0.t_f32"}, shape, "NCHW", [], 0]}
        ops.append({"#": operator, "A": [], "I": [], "O": [{"%": number, "TT": kind}]})
    name = {"N": "name", "AT": {"#": "0.a_str", "D": "y"}}
    ops.append({**ops[-1], "#": "1.fetch", "A": [name], "I": [{"%": len(operators)}]})
    return {"program": {"regions": [{"blocks": [{"args": [], "ops": ops}]}]}}


def model(opset: int, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    """A graph from x [2, 3] to y, whose declared shape is nonsense that must not be believed."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [9, 9])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(proto: onnx.ModelProto) -> Any:
    return ReferenceEvaluator(proto).run(None, {"x": X})[0]  # type: ignore[index]


def reduced(opset: int, output: str) -> list[onnx.NodeProto]:
    """x summed over its last axis, which is kept."""
    if opset < 13:
        return [helper.make_node("ReduceSum", ["x"], [output], axes=[1])]
    axes = helper.make_node("Constant", [], ["a"], value=numpy_helper.from_array(np.array([1])))
    return [axes, helper.make_node("ReduceSum", ["x", "a"], [output])]


@pytest.mark.parametrize("opset", [11, 17])
def test_an_axis_too_many_is_squeezed(opset: int) -> None:
    proto = model(opset, *reduced(opset, "y"))
    assert fix_shapes(program(("1.data", [2, 3]), ("1.dot", [2])), proto) == (RANKS,)
    assert np.array_equal(run(proto), [3, 12])


@pytest.mark.parametrize("opset", [11, 17])
def test_an_axis_too_few_is_added(opset: int) -> None:
    proto = model(opset, helper.make_node("Relu", ["x"], ["y"]))
    assert fix_shapes(program(("1.data", [2, 3]), ("1.relu", [2, 1, 3])), proto) == (RANKS,)
    assert np.array_equal(run(proto), X[:, None])


def test_an_inner_value_is_mended_once_and_what_follows_comes_right() -> None:
    inner = "p2o.pd_op.dot.0.0"
    proto = model(17, *reduced(17, inner), helper.make_node("Neg", [inner], ["y"]))
    declared = program(("1.data", [2, 3]), ("1.dot", [2]), ("1.scale", [2]))
    assert fix_shapes(declared, proto) == (RANKS,)
    assert [node.op_type for node in proto.graph.node].count("Squeeze") == 1
    assert np.array_equal(run(proto), [-3, -12])


def test_operators_of_two_dialects_are_counted_apart() -> None:
    proto = model(17, helper.make_node("Identity", ["x"], ["p2o.builtin.split.0.0"]))
    proto.graph.node.append(helper.make_node("Relu", ["p2o.builtin.split.0.0"], ["y"]))
    declared = program(("1.split", [2, 9]), ("0.split", [2, 3]), ("1.relu", [2, 3]))
    assert fix_shapes(declared, proto) == ()


def test_another_size_is_refused_by_the_operators_name() -> None:
    proto = model(17, helper.make_node("Relu", ["x"], ["y"]))
    declared = program(("1.data", [2, 3]), ("1.pool2d", [2, 4]))
    with pytest.raises(ConversionError, match=r"operator pool2d: \[2, 3\] instead of \[2, 4\]"):
        fix_shapes(declared, proto)
    assert fix_shapes(declared, proto, without=(OTHER_SHAPE,)) == ()


def test_a_rank_is_refused_when_the_mend_is_left_out() -> None:
    proto = model(17, *reduced(17, "y"))
    with pytest.raises(ConversionError, match="operator dot"):
        fix_shapes(program(("1.data", [2, 3]), ("1.dot", [2])), proto, without=(RANKS,))


def test_free_dimensions_agree_with_any_size() -> None:
    proto = model(17, helper.make_node("Relu", ["x"], ["y"]))
    before = proto.SerializeToString()
    assert fix_shapes(program(("1.data", [-1, 3]), ("1.relu", [-1, 3])), proto) == ()
    assert proto.SerializeToString() == before


def test_a_large_constant_counts_by_its_shape_alone() -> None:
    large = numpy_helper.from_array(np.ones((3, 4000), np.float32))
    proto = model(17, helper.make_node("Constant", [], ["w"], value=large))
    proto.graph.node.append(helper.make_node("MatMul", ["x", "w"], ["y"]))
    assert fix_shapes(program(("1.data", [2, 3]), ("1.matmul", [2, 4000])), proto) == ()
    with pytest.raises(ConversionError, match="operator matmul"):
        fix_shapes(program(("1.data", [2, 3]), ("1.matmul", [2, 3999])), proto)
