from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paddleport.errors import ModelFileError, UsageError
from paddleport.models.onnx.cost import Cost, cost

FLOAT = TensorProto.FLOAT


def save(
    folder: Path,
    nodes: list[Any],
    inputs: dict[str, list[Any]],
    weights: dict[str, Any],
    *,
    opset: int = 13,
    domains: tuple[str, ...] = (),
) -> Path:
    """A graph whose output is ``y``, of no declared shape."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid(domain, 1) for domain in domains]
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), *opsets])
    path = folder / "model.onnx"
    onnx.save(proto, str(path))
    return path


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def test_convolution_by_hand(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    path = save(tmp_path, [node], {"x": [None, 3, 8, 8]}, {"w": zeros(4, 3, 3, 3), "b": zeros(4)})
    # 4 x 4 places, 4 channels, 27 multiply-adds each
    assert cost(path, {"x": (1, 3, 8, 8)}) == Cost(4 * 27 + 4, 2 * 4 * 4 * 4 * 27, ())
    assert cost(path, {"x": (5, 3, 8, 8)}).flops == 5 * 2 * 4 * 4 * 4 * 27


def test_groups_and_transposed_convolution(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"], group=4),
        helper.make_node("ConvTranspose", ["h", "v"], ["y"], strides=[2, 2]),
    ]
    weights = {"w": zeros(4, 1, 3, 3), "v": zeros(4, 6, 2, 2)}
    path = save(tmp_path, nodes, {"x": [1, 4, 7, 7]}, weights)
    depthwise, transposed = 4 * 5 * 5 * 9, 4 * 5 * 5 * 6 * 4
    assert cost(path, {}).flops == 2 * (depthwise + transposed)


def test_matrix_products(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["g"], transA=1, transB=1),
        helper.make_node("MatMul", ["g", "v"], ["m"]),
        helper.make_node("Einsum", ["m", "u"], ["y"], equation="ij,kj->ik"),
    ]
    weights = {"w": zeros(5, 7), "b": zeros(5), "v": zeros(5, 2), "u": zeros(9, 2)}
    path = save(tmp_path, nodes, {"x": [7, 3]}, weights)
    assert cost(path, {}) == Cost(35 + 5 + 10 + 18, 2 * (3 * 5 * 7 + 3 * 2 * 5 + 3 * 9 * 2), ())


def test_recurrent_layer(tmp_path: Path) -> None:
    node = helper.make_node(
        "LSTM", ["x", "w", "r"], ["y"], hidden_size=4, direction="bidirectional"
    )
    weights = {"w": zeros(2, 16, 3), "r": zeros(2, 16, 4)}
    path = save(tmp_path, [node], {"x": [10, 2, 3]}, weights)
    assert cost(path, {}).flops == 2 * 10 * 2 * (2 * 16 * 3 + 2 * 16 * 4)


@pytest.mark.parametrize("opset", [11, 13, 17])
def test_shapes_that_the_graph_computes(tmp_path: Path, opset: int) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Concat", ["batch", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["h"]),
        helper.make_node("Shape", ["h"], ["second"]),  # known only once the first one is
        helper.make_node("Slice", ["second", "one", "two"], ["width"]),
        helper.make_node("Concat", ["rest", "width"], ["again"], axis=0),
        helper.make_node("Reshape", ["h", "again"], ["g"]),
        helper.make_node("MatMul", ["g", "v"], ["y"]),
    ]
    weights = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "two": np.array([2]),
        "rest": np.array([-1]),
        "w": zeros(12, 5),
        "v": zeros(5, 7),
    }
    path = save(tmp_path, nodes, {"x": [None, 3, 4]}, weights, opset=opset)
    assert cost(path, {"x": (2, 3, 4)}) == Cost(95, 2 * (2 * 5 * 12 + 2 * 7 * 5), ())


def test_what_is_not_known_is_not_guessed(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = save(tmp_path, [node], {"x": [None, 3]}, {"w": zeros(3, 5)})
    assert cost(path, {}) == Cost(15, None, ("MatMul of unknown shape",))


def test_what_has_no_rule_is_named(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Mystery", ["h"], ["y"], domain="vendor"),
    ]
    path = save(tmp_path, nodes, {"x": [2, 3]}, {"w": zeros(3, 5)}, domains=("vendor",))
    assert cost(path, {}) == Cost(15, 60, ("vendor.Mystery",))


def test_a_product_inside_a_body_is_named(tmp_path: Path) -> None:
    def branch(name: str) -> Any:
        weight = numpy_helper.from_array(zeros(3, 3), f"w {name}")
        node = helper.make_node("MatMul", ["x", f"w {name}"], [name])
        out = helper.make_tensor_value_info(name, FLOAT, [2, 3])
        return helper.make_graph([node], name, [], [out], [weight])

    node = helper.make_node("If", ["yes"], ["y"], then_branch=branch("a"), else_branch=branch("b"))
    path = save(tmp_path, [node], {"x": [2, 3]}, {"yes": np.array(True)})
    assert cost(path, {}) == Cost(18, 0, ("MatMul inside If",))


def test_scalars_shapes_and_indices_are_no_parameters(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Clip", ["x", "low"], ["h"]),
        helper.make_node("Reshape", ["h", "to"], ["r"]),
        helper.make_node(
            "Constant", [], ["c"], value=numpy_helper.from_array(np.ones(6, np.float32))
        ),
        helper.make_node("Mul", ["r", "c"], ["y"]),
    ]
    weights = {"low": np.float32(0), "to": np.array([6])}
    path = save(tmp_path, nodes, {"x": [2, 3]}, weights)
    assert cost(path, {}) == Cost(6, 0, ())


def test_declared_shapes_that_are_wrong_do_not_count(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["h"])
    path = save(
        tmp_path,
        [node, helper.make_node("Relu", ["h"], ["y"])],
        {"x": [None, 3]},
        {"w": zeros(3, 5)},
    )
    proto = onnx.load(str(path))
    proto.graph.value_info.append(helper.make_tensor_value_info("h", FLOAT, [1, 5]))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", FLOAT, [1, 5]))
    onnx.save(proto, str(path))
    assert cost(path, {"x": (4, 3)}).flops == 2 * 4 * 5 * 3


def test_names_ranks_and_files_that_cannot_be(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = save(tmp_path, [node], {"x": [None, 3]}, {"w": zeros(3, 5)})
    with pytest.raises(UsageError, match=r"unknown input 'w'.*Known: x"):
        cost(path, {"w": (3, 5)})
    with pytest.raises(UsageError, match="has 2 dimensions, the shape given has 1"):
        cost(path, {"x": (3,)})
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelFileError):
        cost(path, {})


@pytest.mark.slow
def test_mobilenet_v2_costs_what_is_published(tmp_path: Path) -> None:
    from paddleport.convert import convert
    from paddleport.models.resolve import resolve
    from paddleport.models.zoo import registry as zoo

    source = resolve("MobileNetV2", weights="seeded")
    convert(source, tmp_path / "m.onnx", opset=11)
    found = cost(tmp_path / "m.onnx", {"x": (1, 3, 224, 224)})
    proto = onnx.load(str(tmp_path / "m.onnx"))
    convolutions = {node.input[1] for node in proto.graph.node if node.op_type == "Conv"}
    channels = sum(item.dims[0] for item in proto.graph.initializer if item.name in convolutions)
    # Folding turns each channel's scale and offset of batch normalisation into one bias.
    assert found.parameters == 3_505_960 - channels
    assert found.flops is not None
    # Published in multiply-adds' doubles, rounded to a digit.
    assert round(found.flops / 1e9, 1) == zoo.lookup("MobileNetV2").published["gflops"] == 0.6
    assert found.uncounted == ()
