"""I/O binding, on the CPU: the same code as on a GPU, with another name of the device."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import contract
import numpy as np
import onnx
import pytest
import small_network
from contract import Subject
from onnx import TensorProto, helper

from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner
from paddleport.runners.onnxruntime.sessions import Binding, can_bind
from paddleport.tensors import Array

ort = pytest.importorskip("onnxruntime")


class BoundRunner(OnnxRuntimeRunner):
    """Takes on the CPU the way that the GPU takes."""

    def _binds(self) -> bool:
        return True


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_bound_keeps_the_contract(check: Callable[[Subject], None], small_onnx: Artifact) -> None:
    check(Subject(BoundRunner, small_onnx))


def session(nodes: list[Any], inputs: list[Any], outputs: list[Any]) -> Any:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value(*item) for item in inputs], [value(*item) for item in outputs]
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def many_kinds() -> Any:
    """One float input; its copy, integers, its sum without dimensions, and where it is not 0."""
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
    ]
    outputs = [
        ("same", TensorProto.FLOAT, ["N", 3]),
        ("shape", TensorProto.INT64, [2]),
        ("sum", TensorProto.FLOAT, []),
        ("places", TensorProto.INT64, [2, "K"]),
        ("half", TensorProto.FLOAT16, ["N", 3]),
    ]
    return session(nodes, [("x", TensorProto.FLOAT, ["N", 3])], outputs)


def assert_equal(binding: Binding, plain: Any, feed: dict[str, Array]) -> dict[str, Array]:
    found = binding.infer(feed)
    names = [item.name for item in plain.get_outputs()]
    assert list(found) == names
    for name, wanted in zip(names, plain.run(names, feed), strict=True):
        assert found[name].dtype == wanted.dtype
        assert found[name].shape == wanted.shape
        assert np.array_equal(found[name], wanted), name
    return found


def test_as_a_plain_run_gives() -> None:
    plain = many_kinds()
    binding = Binding(ort, plain, "cpu")
    random = np.random.default_rng(0)
    for batch in (1, 4, 4, 2, 4):
        x = random.integers(0, 2, (batch, 3)).astype(np.float32)  # another number of zeros each
        assert_equal(binding, plain, {"x": x})


def test_layouts_and_read_only_feeds() -> None:
    plain = many_kinds()
    binding = Binding(ort, plain, "cpu")
    for seed in range(2):  # the first copies to new memory, the second to the same
        x = np.random.default_rng(seed).normal(size=(3, 4)).astype(np.float32).T
        assert not x.flags.c_contiguous
        assert_equal(binding, plain, {"x": x})
        fixed = np.ascontiguousarray(x)
        fixed.flags.writeable = False
        assert_equal(binding, plain, {"x": fixed})


def test_nothing_is_shared() -> None:
    plain = many_kinds()
    binding = Binding(ort, plain, "cpu")
    x, other = np.ones((2, 3), np.float32), np.full((2, 3), 5, np.float32)
    first = assert_equal(binding, plain, {"x": x})
    kept = {name: item.copy() for name, item in first.items()}
    second = assert_equal(binding, plain, {"x": other})
    assert (x == 1).all(), "the first feed was written to"
    for name, item in first.items():
        assert np.array_equal(item, kept[name])
        assert not np.shares_memory(item, second[name])
    for item in (*first.values(), *second.values()):
        assert not np.shares_memory(item, x)
        assert not np.shares_memory(item, other)
        item[...] = 0  # the caller's to write into
    assert_equal(binding, plain, {"x": x})


def test_a_feed_without_dimensions() -> None:
    node = helper.make_node("Add", ["a", "b"], ["y"])
    inputs = [("a", TensorProto.INT64, []), ("b", TensorProto.INT64, [2])]
    plain = session([node], inputs, [("y", TensorProto.INT64, [2])])
    binding = Binding(ort, plain, "cpu")
    for value in (3, 4):
        feed = {"b": np.array([1, 2]), "a": np.array(value)}
        found = assert_equal(binding, plain, feed)
        assert found["y"].tolist() == [1 + value, 2 + value]


def test_placed_runs_give_the_same() -> None:
    plain = many_kinds()
    binding = Binding(ort, plain, "cpu")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    placed = binding.place({"x": x})
    wanted = plain.run(None, {"x": x})
    x[:] = 9  # what was placed is a copy
    for _ in range(3):
        binding.infer_placed(placed)
        binding.infer({"x": x})  # in between, on other memory
    for found, value in zip(placed.bound.copy_outputs_to_cpu(), wanted, strict=True):
        assert np.array_equal(found, value)


def test_the_next_feed_after_one_that_fails() -> None:
    node = helper.make_node("Reshape", ["x", "to"], ["y"])
    inputs = [("x", TensorProto.FLOAT, ["N"]), ("to", TensorProto.INT64, [1])]
    plain = session([node], inputs, [("y", TensorProto.FLOAT, ["M"])])
    binding = Binding(ort, plain, "cpu")
    good = {"x": np.ones(3, np.float32), "to": np.array([3])}
    assert_equal(binding, plain, good)
    with pytest.raises(Exception, match="Reshape"):
        binding.infer({"x": np.ones(3, np.float32), "to": np.array([4])})
    assert_equal(binding, plain, good)


def text_model(folder: Path) -> Path:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["text"], to=TensorProto.STRING)],
        "g",
        [value("x", TensorProto.FLOAT, ["N"])],
        [value("text", TensorProto.STRING, ["N"])],
    )
    opset = helper.make_opsetid("", 17)
    path = folder / "text.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    return path


def test_texts_take_the_plain_way(tmp_path: Path) -> None:
    path = text_model(tmp_path)
    assert not can_bind(ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]))
    with BoundRunner(onnx_artifact(path)) as runner:
        assert not runner.keeps_on_device
        (found,) = runner.run({"x": np.array([1, 2], np.float32)}).values()
    assert found.tolist() == ["1", "2"]


def test_a_runner_that_keeps_on_its_device(small_onnx: Artifact) -> None:
    feed = small_network.feed(2)
    with BoundRunner(small_onnx) as runner:
        assert runner.keeps_on_device
        placed: Any = runner.place(feed)
        runner.infer_placed(placed)
        wanted = runner.run(feed).values()
        for found, value in zip(placed.bound.copy_outputs_to_cpu(), wanted, strict=True):
            assert np.array_equal(found, value)
    with OnnxRuntimeRunner(small_onnx) as plain:
        assert not plain.keeps_on_device
