"""A lower precision: made as asked, checked by every backend, and held back if it fails."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import small_network
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.convert import GateOptions, convert
from paddleport.convert.making import Making
from paddleport.convert.precision import lowering
from paddleport.convert.precision.fp32_layers import rank_layers
from paddleport.convert.precision.gate_check import (
    BackendGate,
    backends_for,
    check_by_gate,
    verdict_of,
)
from paddleport.convert.precision.gate_inputs import GateInputs
from paddleport.convert.targets import MadeFile, TargetOptions, openvino_ir, target_class
from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import weights_precision
from paddleport.models.recognize import read_artifact
from paddleport.models.resolve import resolve
from paddleport.runners import open_runner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed, TensorSpec
from paddleport.validate.accuracy_gate.gate import GateResult
from paddleport.validate.accuracy_gate.gate_set import GateSet
from paddleport.worker import run_in_worker

pytestmark = pytest.mark.slow

__all__ = ["cache", "paddleport"]

SPEC = TensorSpec("x", "float32", (None, *small_network.SHAPE))
FEEDS: list[Feed] = [small_network.feed(1, seed=seed) for seed in range(120)]


def pictures(feeds: list[Feed] = FEEDS) -> GateInputs:
    reference = [
        dict(zip(small_network.OUTPUTS, small_network.expected(feed["x"]), strict=True))
        for feed in feeds
    ]
    gate = GateSet(
        names=tuple(str(index) for index in range(len(feeds))),
        examples=tuple((feed["x"],) for feed in feeds),
        labels=None,
        sha256="",
        source="test",
    )
    return GateInputs(inputs=(SPEC,), gate=gate, calibration=None, reference=reference)


def made(
    onnx_file: Path,
    path: Path,
    options: TargetOptions,
    calibration: list[Feed] = FEEDS[:20],
    *,
    target: str = "onnx",
) -> MadeFile:
    if find_spec("nncf") is None and options.precision == "int8":
        pytest.skip("nncf is not installed")
    feeds = calibration if options.precision == "int8" else []
    making = Making(
        target=target_class(target),
        model=onnx_artifact(onnx_file),
        options=options,
        calibration=feeds,
    )
    return making.run(path, 120)[1]


def test_fp16_passes_and_says_what_it_computes_in(small_onnx: Artifact, tmp_path: Path) -> None:
    file = tmp_path / "half.onnx"
    made(small_onnx.path, file, TargetOptions(precision="fp16"))
    assert weights_precision(file) == "fp16"
    rows, tolerance = check_by_gate(onnx_artifact(file), pictures(), {"onnxruntime": ""}, "fp16")
    assert (verdict_of(rows), tolerance) == ("passed", "")
    assert rows[0].computes_in == "fp16"


def test_a_changed_weight_fails_though_it_is_fp16(small_onnx: Artifact, tmp_path: Path) -> None:
    proto = onnx.load(str(small_onnx.path))
    weight = next(item for item in proto.graph.initializer if item.name == "linear")
    values = onnx.numpy_helper.to_array(weight)
    weight.CopyFrom(onnx.numpy_helper.from_array(values[:, ::-1].copy(), "linear"))
    onnx.save(proto, str(tmp_path / "wrong.onnx"))
    file = tmp_path / "half.onnx"
    made(tmp_path / "wrong.onnx", file, TargetOptions(precision="fp16"))
    rows, tolerance = check_by_gate(onnx_artifact(file), pictures(), {"onnxruntime": ""}, "fp16")
    assert verdict_of(rows) == "failed"
    assert rows[0].result is not None
    assert "is needed" in rows[0].result.reason
    assert "above the limit" in tolerance


def test_int8_is_the_same_bytes_twice_and_read_back(small_onnx: Artifact, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.onnx", "two.onnx")]
    for file in files:
        told = made(small_onnx.path, file, TargetOptions(precision="int8"))
        assert told.tools["nncf"]
    assert files[0].read_bytes() == files[1].read_bytes()
    for backend in ("onnxruntime", "openvino"):
        with open_runner(backend, onnx_artifact(files[0])) as runner:
            assert runner.computes_in == "int8"
        with pytest.raises(BackendUnavailableError, match="fp32"):
            open_runner(backend, onnx_artifact(files[0]), RunnerOptions(precision="fp32"))
    with pytest.raises(BackendUnavailableError, match=r"convert --to openvino --precision int8$"):
        open_runner("openvino", small_onnx, RunnerOptions(precision="int8"))


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_onnxruntime_names_what_makes_such_a_file(small_onnx: Artifact, precision: Any) -> None:
    with pytest.raises(BackendUnavailableError, match=rf"with convert --precision {precision}$"):
        open_runner("onnxruntime", small_onnx, RunnerOptions(precision=precision))


def telemetry(onnx_file: Path, path: Path, target: str, feeds: list[Feed]) -> list[str]:
    import sys

    options, given = TargetOptions(precision="int8"), onnx_artifact(onnx_file)
    if target == "openvino":
        target_class(target)().make(given, path, options, feeds)
    else:
        lowering.lower_onnx(onnx_file, path, options, feeds)
    return [name for name in sys.modules if name.startswith("openvino_telemetry")]


def test_nothing_is_reported(small_onnx: Artifact, tmp_path: Path) -> None:
    if find_spec("nncf") is None:
        pytest.skip("nncf is not installed")
    for target, name in (("onnx", "x.onnx"), ("openvino", "x.xml")):
        path = tmp_path / name
        assert not run_in_worker(telemetry, 120, small_onnx.path, path, target, FEEDS[:5])
        assert path.is_file()


def test_activations_have_a_range_a_tensor_or_a_channel(tmp_path: Path) -> None:
    if find_spec("nncf") is None:
        pytest.skip("nncf is not installed")
    scales = {}
    for options in (
        TargetOptions(precision="int8"),
        TargetOptions(precision="int8", activation_ranges="channel"),
    ):
        made(depthwise(tmp_path / "x.onnx"), tmp_path / "y.onnx", options)
        proto = onnx.load(str(tmp_path / "y.onnx"))
        (scale,) = [
            node.input[1] for node in proto.graph.node if node.op_type == "QuantizeLinear"
            and node.input[0] == "a"
        ]  # fmt: skip
        values = {item.name: onnx.numpy_helper.to_array(item) for item in proto.graph.initializer}
        scales[options.activation_ranges] = values[scale].size
    assert scales == {"tensor": 1, "channel": 8}


def depthwise(path: Path) -> Path:
    """A convolution and a depthwise one."""
    random = np.random.default_rng(0)
    weights = {"w": random.normal(size=(8, 3, 3, 3)), "v": random.normal(size=(8, 1, 3, 3))}
    helper, value = onnx.helper, onnx.helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], name="first"),
            helper.make_node("Conv", ["a", "v"], ["c"], name="second", group=8),
            helper.make_node("Flatten", ["c"], ["y"], name="flat"),
        ],
        "depthwise",
        [value("x", onnx.TensorProto.FLOAT, ["N", 3, 9, 9])],
        [value("y", onnx.TensorProto.FLOAT, ["N", 200])],
        [
            onnx.numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in weights.items()
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, str(path))
    return path


def harmful(path: Path) -> Path:
    """Two layers; the first one's weights have an outlier that takes all of int8's range."""
    random = np.random.default_rng(0)
    weights: dict[str, Array] = {
        "bad": random.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "good": random.normal(size=(8, 8, 3, 3)).astype(np.float32),
    }
    weights["bad"][:, 0] = 300  # of a channel that is always zero
    helper, value = onnx.helper, onnx.helper.make_tensor_value_info
    nodes = [
        helper.make_node("Conv", ["x", "bad"], ["a"], name="bad"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Conv", ["b", "good"], ["c"], name="good"),
        helper.make_node("Flatten", ["c"], ["y"], name="flat"),
    ]
    graph = helper.make_graph(
        nodes,
        "harmful",
        [value("x", onnx.TensorProto.FLOAT, ["N", 3, 9, 9])],
        [value("y", onnx.TensorProto.FLOAT, ["N", 200])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, str(path))
    return path


def test_the_layer_that_hurts_is_found_and_can_be_kept(tmp_path: Path) -> None:
    file, lowered = harmful(tmp_path / "two.onnx"), tmp_path / "int8.onnx"
    present = np.array([0, 1, 1], np.float32)[:, None, None]
    feeds: list[Feed] = [{"x": feed["x"] * present} for feed in FEEDS[:3]]
    made(file, lowered, TargetOptions(precision="int8"), feeds)
    ranked = rank_layers(file, lowered, tmp_path, TargetOptions(precision="int8"), feeds, 60)
    harm = dict(ranked)
    assert ranked[0][0] == "bad"
    assert harm["bad"] > 3 * harm["good"] > 0
    made(file, lowered, TargetOptions(precision="int8", keep_fp32=("bad",)), feeds)
    left = rank_layers(file, lowered, tmp_path, TargetOptions(precision="int8"), feeds, 60)
    assert "bad" not in dict(left)
    with pytest.raises(UsageError, match="Did you mean 'good'"):
        made(file, lowered, TargetOptions(precision="int8", keep_fp32=("goode",)))


def test_half_s_layers_are_ranked_too(tmp_path: Path) -> None:
    file = harmful(tmp_path / "two.onnx")
    ranked = rank_layers(file, file, tmp_path, TargetOptions(precision="fp16"), FEEDS[:2], 60)
    assert {name for name, _ in ranked} == {"bad", "good", "relu", "flat"}
    assert ranked[0][1] > 0


def row(passed: bool, reason: str = "") -> BackendGate:
    result = GateResult(passed=passed, reason=reason, pictures=200, agreement=1.0)
    return BackendGate(backend="b", computes_in="int8", result=result)


def test_verdict_of_several_backends() -> None:
    good, bad, mute = row(True), row(False, "1 % too low"), row(False, "unproven: one answer")
    absent = replace(good, result=None, unavailable="not here")
    assert verdict_of([good, absent]) == "passed"
    assert verdict_of([good, bad]) == verdict_of([bad, mute]) == "failed"
    assert verdict_of([good, mute]) == verdict_of([absent]) == "unproven"


def test_backends_that_check_a_format() -> None:
    assert set(backends_for("onnx", ())) >= {"onnxruntime", "openvino"}
    assert "reference" not in backends_for("onnx", ())
    assert set(backends_for("openvino", ())) == {"openvino"}
    for name, told in (("paddle", "does not run such a file"), ("openvno", "Did you mean")):
        with pytest.raises(UsageError, match=told):
            backends_for("onnx", [name])


def test_a_file_that_no_backend_runs_is_unproven(small_onnx: Artifact, tmp_path: Path) -> None:
    file = tmp_path / "damaged.onnx"
    file.write_bytes(small_onnx.path.read_bytes()[:200])
    rows, _ = check_by_gate(onnx_artifact(file), pictures(), {"onnxruntime": ""}, "int8")
    assert rows[0].result is None and rows[0].unavailable
    assert verdict_of(rows) == "unproven"


@pytest.mark.parametrize("package", ["nncf", "openvino"])
def test_a_missing_package_is_named(
    package: str, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        from importlib.metadata import PackageNotFoundError

        raise PackageNotFoundError(name)

    monkeypatch.setattr(lowering, "version", absent)
    monkeypatch.setattr(openvino_ir, "version", absent)
    target = target_class("onnx" if package == "nncf" else "openvino")()
    options = TargetOptions(precision="int8" if package == "nncf" else "fp32")
    with pytest.raises(BackendUnavailableError, match=f"{package} is not installed: pip install"):
        if package == "nncf":
            lowering.lower_onnx(small_onnx.path, tmp_path / "x.onnx", options, FEEDS[:1])
        else:
            target.make(small_onnx, tmp_path / "x.xml", options, FEEDS[:1])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--labelled", "here"), "--precision fp16, bf16 or int8"),
        (("--keep-fp32", "conv", "--to", "tensorrt-rtx"), "--precision fp16, bf16 or int8"),
        (("--precision", "fp64"), "no file holds fp64"),
        (("--precision", "int9"), "Did you mean 'int8'"),
        (("--precision", "fp16", "-o", "model.xml"), "another ending than .onnx"),
        (("--precision", "fp16", "--no-simplify"), "leave them out"),
        (("--precision", "int8", "--compute-capability", "8.9"), "--to tensorrt-rtx"),
    ],
)
def test_impossible_precision_options_are_one_line_errors(
    words: tuple[str, ...], told: str, paddleport: Command, small_pir: Artifact
) -> None:
    one_line_error(paddleport("convert", small_pir.path.parent, *words), told)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tf32": True}, "TF32 is of engines, and onnx is none"),
        ({"keep_fp32": ("conv",)}, "only where the rest does not"),
        ({"gate": GateOptions()}, "takes no gate"),
        ({"timeout_s": 0}, "a timeout of 0 s is not possible"),
        ({"timeout_s": float("nan")}, "a timeout of nan s is not possible"),
    ],
)
def test_options_that_would_mean_nothing_are_refused(
    options: dict[str, Any], said: str, small_pir: Artifact, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        convert(resolve(small_pir.path), tmp_path / "x.onnx", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(find_spec("nncf") is None, reason="nncf is not installed")
def test_convert_command_with_a_lower_precision(
    paddleport: Command, small_pir: Artifact, tmp_path: Path
) -> None:
    folder = small_pir.path.parent
    done = paddleport("convert", folder, "--precision", "fp16", "-o", "half.onnx")
    assert done.code == 0, done.err
    assert "onnxruntime" in done.out and "passed" in done.out
    # int8 is too coarse for this network's three small layers
    done = paddleport("convert", folder, "--precision", "int8", "-o", "bytes.onnx", "--json")
    assert done.code == 1, done.err
    told = json.loads(done.out)
    assert (told["verdict"], told["path"]) == ("failed", None)
    assert not list(tmp_path.glob("bytes*"))
    assert "is needed" in done.err and "--keep keeps the file" in done.err
    done = paddleport("convert", folder, "--precision", "int8", "-o", "bytes.onnx", "--keep")
    assert done.code == 1
    assert [file.name for file in tmp_path.glob("bytes*")] == ["bytes.failed.onnx"]
    provenance = {
        item.key: item.value
        for item in onnx.load(str(tmp_path / "bytes.failed.onnx")).metadata_props
    }["paddleport.provenance"]
    lowered = json.loads(provenance)["lowered"]
    assert lowered["calibration"]["source"] == "100 drawn pictures"
    assert lowered["calibration"]["sha256"] != lowered["gate"]["pictures"]["sha256"]
    assert lowered["tools"]["nncf"] and lowered["settings"]["preset"] == "performance"
    done = paddleport("convert", folder, "--to", "openvino")
    assert done.code == 0, done.err
    name = f"{folder.name}.fp32"
    assert {f"{name}{end}" for end in (".xml", ".bin", ".xml.json")} <= {
        file.name for file in tmp_path.iterdir()
    }
    with open_runner("openvino", read_artifact(tmp_path / f"{name}.xml")) as runner:
        logits, _ = runner.run(FEEDS[0]).values()
    np.testing.assert_allclose(logits, small_network.expected(FEEDS[0]["x"])[0], atol=1e-4)
