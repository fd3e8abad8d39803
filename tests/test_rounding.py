"""Imitated rounding: of the size that real rounding has, and never on sizes."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import small_network
from onnx import TensorProto, helper, numpy_helper

from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.runners import RunnerOptions, open_runner
from paddleport.runners.float64.rounding import Noise
from paddleport.tensors import Array
from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF


def logits(model: Artifact, backend: str = "reference", **extras: str) -> Array:
    with open_runner(backend, model, RunnerOptions(extras=extras)) as runner:
        return runner.run(small_network.feed(4))["logits"]


def moved(model: Artifact, unit_roundoff: float, seed: int) -> float:
    found = logits(model, rounding=repr(unit_roundoff), seed=str(seed))
    return float(np.abs(found - logits(model)).max())


def test_it_grows_with_the_unit_roundoff_and_varies_with_the_seed(small_onnx: Artifact) -> None:
    first, same, other = (moved(small_onnx, 1e-6, seed) for seed in (1, 1, 2))
    assert first == same != other
    assert moved(small_onnx, 1e-4, 1) == pytest.approx(100 * first, rel=0.05)
    assert moved(small_onnx, 0.0, 1) == 0


def test_real_rounding_is_of_that_size(small_onnx: Artifact) -> None:
    real = float(np.abs(logits(small_onnx, "onnxruntime") - logits(small_onnx)).max())
    imitated = max(moved(small_onnx, UNIT_ROUNDOFF["fp32"], seed) for seed in (1, 2))
    assert imitated / 10 < real < imitated * 10


def test_weights_in_constant_nodes_are_disturbed_too(small_onnx: Artifact, tmp_path: Path) -> None:
    proto = onnx.load(str(small_onnx.path))
    constants = [
        helper.make_node("Constant", [], [item.name], value=item)
        for item in proto.graph.initializer
    ]
    nodes = list(proto.graph.node)
    del proto.graph.node[:], proto.graph.initializer[:]
    proto.graph.node.extend([*constants, *nodes])
    onnx.save(proto, str(tmp_path / "constants.onnx"))
    other = onnx_artifact(tmp_path / "constants.onnx")
    assert moved(other, 1e-5, 1) == moved(small_onnx, 1e-5, 1) > 0


def test_sizes_stay_exact(tmp_path: Path) -> None:
    """Half the width, computed from the shape in floats, must stay that number."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "half"], ["halves"]),
        helper.make_node("Floor", ["halves"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["sizes"], to=TensorProto.INT64),
        helper.make_node("Slice", ["x", "zeros", "sizes"], ["part"]),
        helper.make_node("Exp", ["part"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sizes",
        [value("x", TensorProto.FLOAT, [4, 6])],
        [value("y", TensorProto.FLOAT, [None, None])],
        [
            numpy_helper.from_array(np.full(2, 0.5, np.float32), "half"),
            numpy_helper.from_array(np.zeros(2, np.int64), "zeros"),
        ],
    )
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset]), str(tmp_path / "sizes.onnx"))
    options = RunnerOptions(extras={"rounding": "0.01", "seed": "3"})
    x = np.ones((4, 6), np.float32)
    with open_runner("reference", onnx_artifact(tmp_path / "sizes.onnx"), options) as runner:
        y = runner.run({"x": x})["y"]
    assert y.shape == (2, 3)
    assert not np.allclose(y, np.e, rtol=1e-6)  # the values themselves are disturbed


@pytest.mark.parametrize(
    ("precision", "largest"), [("fp32", float(np.finfo(np.float32).max)), ("fp16", 65504.0)]
)
def test_what_is_beyond_the_format_s_range_is_infinite(precision: str, largest: float) -> None:
    noise = Noise(UNIT_ROUNDOFF[precision], 1)
    found = noise(np.array([1.0, -largest, 1.1 * largest, -1e3 * largest, -np.inf, np.nan]))
    assert np.isfinite(found[:2]).all()
    assert found[2:5].tolist() == [np.inf, -np.inf, -np.inf]
    assert np.isnan(found[5])


def test_float64_holds_what_float32_does_not() -> None:
    assert np.isfinite(Noise(UNIT_ROUNDOFF["fp64"], 1)(np.array([1e300]))).all()


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "ReduceMean", "ReduceSum"])
def test_alike_values_are_added_up_in_float32(tmp_path: Path, operator: str) -> None:
    """One after the other, as a plain kernel does: off by a thousand roundings, all one way."""
    value = helper.make_tensor_value_info
    inputs = ["x", "axes"] if operator == "ReduceSum" else ["x"]
    attributes: dict[str, Any] = {"axes": [2, 3]} if operator == "ReduceMean" else {}
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["y"], **attributes)],
        "sum",
        [value("x", TensorProto.FLOAT, [1, 2, 200, 200])],
        [value("y", TensorProto.FLOAT, [1, 2, 1, 1])],
        [numpy_helper.from_array(np.array([2, 3]), "axes")],
    )
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset]), str(tmp_path / "sum.onnx"))
    model = onnx_artifact(tmp_path / "sum.onnx")
    x = np.full((1, 2, 200, 200), 0.1, np.float32)
    found = []
    for rounding in ("0", repr(UNIT_ROUNDOFF["fp32"])):
        options = RunnerOptions(extras={"rounding": rounding})
        with open_runner("reference", model, options) as runner:
            found.append(runner.run({"x": x})["y"].reshape(-1))
    added = np.float32(0)
    for item in x[0, 0].reshape(-1):
        added += item
    real = abs(float(added) / (x[0, 0].size * float(x.flat[0])) - 1)
    assert real > 100 * UNIT_ROUNDOFF["fp32"]
    assert np.abs(found[1] / found[0] - 1) == pytest.approx(real, rel=0.1)


@pytest.mark.parametrize("operator", ["GroupNormalization", "InstanceNormalization"])
def test_means_of_alike_values_are_added_up_in_float32(tmp_path: Path, operator: str) -> None:
    """What a normalisation leaves of a nearly flat picture is as small as its mean's error."""
    value = helper.make_tensor_value_info
    attributes: dict[str, Any] = {"num_groups": 2} if operator.startswith("Group") else {}
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "scale", "bias"], ["y"], **attributes)],
        "normalised",
        [value("x", TensorProto.FLOAT, [1, 2, 200, 200])],
        [value("y", TensorProto.FLOAT, [1, 2, 200, 200])],
        [
            numpy_helper.from_array(np.array([1.5, -2], np.float32), "scale"),
            numpy_helper.from_array(np.zeros(2, np.float32), "bias"),
        ],
    )
    opset = helper.make_opsetid("", 21 if operator.startswith("Group") else 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset]), str(tmp_path / "norm.onnx"))
    model = onnx_artifact(tmp_path / "norm.onnx")
    x = np.full((1, 2, 200, 200), 0.9, np.float32)
    x[:, 1] += np.linspace(0, 2, 200, dtype=np.float32)
    found = []
    for rounding in ("0", repr(UNIT_ROUNDOFF["fp32"])):
        options = RunnerOptions(extras={"rounding": rounding})
        with open_runner("reference", model, options) as runner:
            found.append(runner.run({"x": x})["y"][0])
    moved = (found[1] - found[0]).mean(axis=(1, 2))
    for channel, scale in enumerate((1.5, -2)):
        values = x[0, channel].reshape(-1)
        added = np.float32(0)
        for item in values:
            added += item
        exact = values.astype(np.float64)
        real = scale * (exact.mean() - float(added) / values.size) / np.sqrt(exact.var() + 1e-5)
        assert channel == 1 or abs(real) > 1000 * UNIT_ROUNDOFF["fp32"]
        assert moved[channel] == pytest.approx(real, rel=0.1)
