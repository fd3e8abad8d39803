"""A model that is not fed with one picture: through the gate, a lower precision and tune."""

from pathlib import Path

import numpy as np
import onnx
import planted_networks
import pytest
from test_cli import Command, cache, one_line_error, paddleport

from paddleport import api
from paddleport.convert.artifact_cache import cached_onnx
from paddleport.convert.pipeline import convert
from paddleport.convert.precision.gate_check import check_by_gate, verdict_of
from paddleport.convert.precision.gate_inputs import GateOptions, gate_inputs, sized_inputs
from paddleport.convert.targets import TargetOptions
from paddleport.convert.variants import variants_of
from paddleport.errors import FeedError, UsageError
from paddleport.models.artifact import onnx_artifact
from paddleport.models.onnx.onnx_file import weights_precision
from paddleport.models.resolve import SourceModel, resolve
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.accuracy_gate.gate import example_set, matched_inputs
from paddleport.validate.tune.candidate import ModelVariant
from paddleport.validate.tune.tuner import TunePlan, tune
from paddleport.worker import run_in_worker

pytestmark = pytest.mark.slow

__all__ = ["cache", "paddleport"]

IMAGE = TensorSpec("x", "float32", (None, 3, 10, 10))
OFFSET = TensorSpec("offset", "float32", (None, 5))
FP16 = TargetOptions(precision="fp16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("paddle")
    folder = tmp_path_factory.mktemp("two") / "TwoInputs"
    folder.mkdir()
    run_in_worker(planted_networks.save_by_paddle, 120, str(folder / "inference"))
    return folder


@pytest.fixture
def source(folder: Path, cache: Path) -> SourceModel:
    return resolve(folder)


def given(rows: int) -> dict[str, Array]:
    random = np.random.default_rng(1)
    pictures = random.normal(size=(rows, 3, 10, 10)) * random.uniform(0.5, 4, (rows, 1, 1, 1))
    offsets = random.normal(size=(rows, 5))
    return {"x": pictures.astype(np.float32), "offset": offsets.astype(np.float32)}


@pytest.mark.parametrize("feed", [{}, given(120)], ids=["made", "given"])
def test_fp16_passes_the_gate(source: SourceModel, tmp_path: Path, feed: dict[str, Array]) -> None:
    gate = GateOptions(backends=["onnxruntime"], feed=feed)
    done = convert(source, tmp_path / "half.onnx", precision="fp16", gate=gate)
    assert done.gate is not None
    assert done.verdict == "passed", done.explanation
    assert weights_precision(tmp_path / "half.onnx") == "fp16"
    assert done.gate.pictures["source"] == ("120 given feeds" if feed else "200 made feeds")
    (row,) = done.gate.rows
    assert row.result is not None
    assert (row.computes_in, row.result.agreement) == ("fp16", 1.0)


def test_a_fault_in_either_output_fails(source: SourceModel, tmp_path: Path) -> None:
    file = cached_onnx(source)
    inputs = gate_inputs(source, file, FP16, GateOptions(), {})
    backends = {"onnxruntime": ""}
    assert verdict_of(check_by_gate(file, inputs, backends, "fp32")[0]) == "passed"
    for place in (0, 1):
        proto = onnx.load(str(file.path))
        value = proto.graph.output[place].name
        node = next(item for item in proto.graph.node if value in item.output)
        node.output[0] = "sound"
        faulty = onnx.helper.make_node("Neg", ["sound"], [value], name="faulty")
        proto.graph.node.insert(list(proto.graph.node).index(node) + 1, faulty)
        onnx.save(proto, str(tmp_path / "faulty.onnx"))
        rows, _ = check_by_gate(onnx_artifact(tmp_path / "faulty.onnx"), inputs, backends, "fp32")
        assert verdict_of(rows) == "failed"
        assert rows[0].result is not None
        assert "of the reference's root mean square, 99.0% is needed" in rows[0].result.reason


def test_too_few_feeds_prove_nothing(source: SourceModel) -> None:
    file = cached_onnx(source)
    inputs = gate_inputs(source, file, FP16, GateOptions(feed=given(40)), {})
    rows, _ = check_by_gate(file, inputs, {"onnxruntime": ""}, "fp32")
    assert rows[0].result is not None
    assert rows[0].result.reason == (
        "unproven: 40 feeds cannot show 99 %: give --feed tensors of at least 100"
    )
    assert verdict_of(rows) == "unproven"


def test_what_cannot_be(source: SourceModel, folder: Path, paddleport: Command) -> None:
    done = paddleport("convert", folder, "--precision", "int8")
    one_line_error(done, "int8 takes its ranges from pictures, and this model takes 2 inputs")
    done = paddleport("convert", folder, "--precision", "fp16", "--images", folder)
    one_line_error(done, "not fed with one picture")
    found, without = variants_of(source, backends=("onnxruntime",))
    assert [variant.name for variant in found] == ["fp32"]
    assert len(without) == 1
    assert without[0].startswith("int8 is not tried")
    feed = given(120)
    with pytest.raises(UsageError, match="--feed names tensors"):
        example_set(None, [IMAGE, OFFSET], images=[folder], given=feed)
    with pytest.raises(FeedError, match="have 119 and 120"):
        example_set(None, [IMAGE, OFFSET], given={**feed, "x": feed["x"][1:]})
    with pytest.raises(FeedError, match="the model takes 'x', 'offset'"):
        example_set(None, [IMAGE, OFFSET], given={"x": feed["x"]})


def test_examples_under_another_file_s_names_and_in_its_order() -> None:
    others = [TensorSpec("b", "float32", (None, 5)), TensorSpec("a", "float32", (None, 5))]
    same = [TensorSpec("a", "float32", (None, 5)), TensorSpec("b", "float32", (None, 5))]
    assert matched_inputs(same, others) == (others[1], others[0])
    assert matched_inputs([IMAGE, OFFSET], others) == tuple(others)
    with pytest.raises(FeedError, match="takes 2 inputs and the other 1"):
        matched_inputs(same, others[:1])


def test_feeds_of_a_fixed_batch_are_fed_as_they_are() -> None:
    fixed = [TensorSpec("x", "float32", (4, 3)), TensorSpec("y", "int64", (4,))]
    made = example_set(None, fixed)
    assert made.feeds(*fixed)[0]["x"].shape == (4, 3)
    assert made.batch(4, *fixed)["y"].shape == (4,)
    outputs = {"z": np.zeros((4, 2))}
    assert made.own(outputs, *fixed)["z"].shape == (4, 2)
    rows: dict[str, Array] = {"x": np.zeros((8, 3), np.float32), "y": np.arange(8)}
    parts = example_set(None, fixed, given=rows)
    assert [feed["y"].tolist() for feed in parts.feeds(*fixed)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert made.sha256 != parts.sha256


def test_a_predictor_of_it_takes_tensors(source: SourceModel) -> None:
    file = cached_onnx(source)
    with api.load(file.path, "onnxruntime") as predictor:
        found = predictor.run(given(2))
        assert [item.shape for item in found.values()] == [(2, 5), (2, 5)]
        with pytest.raises(UsageError, match="Feed it tensors: --feed"):
            predictor.predict(np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(UsageError, match="does not say how pictures are fed"):
        api.load(file.path, "onnxruntime", task="classification")


def test_tune_finds_what_is_fastest(source: SourceModel) -> None:
    plan = TunePlan(goal="throughput", backends=("onnxruntime", "openvino"), seconds=2.0, threads=1)
    examples = example_set(None, source.program.inputs)
    variant = ModelVariant(precision="fp32", file=cached_onnx(source))
    found = tune(source, [variant], examples, plan)
    assert found.chosen is not None, [row.reason for row in found.rows]
    assert found.judged_on == "200 made feeds"
    assert {row.candidate.batch for row in found.rows} >= {1, 4, 8}


def test_free_sizes_are_those_of_what_is_given(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Add", ["a", "b"], ["y"])
    tensors = [value(name, onnx.TensorProto.FLOAT, ["N", "T", 4]) for name in "aby"]
    graph = onnx.helper.make_graph([node], "add", tensors[:2], tensors[2:])
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "add.onnx"))
    file = onnx_artifact(tmp_path / "add.onnx")
    feeds = [{name: np.ones((120, 7, 4), np.float32) for name in "ab"}]
    for more, length in (({}, 16), ({"feeds": feeds}, 7)):
        found = sized_inputs(file, {}, **more)  # type: ignore[arg-type]  # a table
        assert [spec.shape for spec in found] == [(None, length, 4)] * 2
    typed = sized_inputs(file, {"a": (1, 9, 4), "b": (1, 9, 4)}, feeds=feeds)
    assert [spec.shape for spec in typed] == [(None, 9, 4)] * 2
    wrong = sized_inputs(file, {}, feeds=[{"a": np.ones((1, 7, 5)), "b": np.ones(7)}])
    assert [spec.shape for spec in wrong] == [(None, 16, 4)] * 2
