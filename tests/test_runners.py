"""What each runner promises beyond the contract."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import small_network
from conftest import skip_or_fail
from onnx import TensorProto, helper, numpy_helper

from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact, paddle_artifact
from paddleport.runners import installed_version, open_runner, runner_class
from paddleport.runners.runner_options import RunnerOptions
from paddleport.runners.vendor_message import one_line

FEED = small_network.feed(2)


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    words = request.node.name.replace("[", "_").replace("]", "_").split("_")
    for backend in ("paddle", "onnxruntime", "openvino"):
        if backend in words and not installed_version(runner_class(backend)):
            skip_or_fail(backend, "not installed")


def _options(**extras: str) -> RunnerOptions:
    return RunnerOptions(extras=extras)


@pytest.mark.parametrize("fixture", ["small_pir", "small_protobuf"])
def test_paddle_takes_files_of_any_name(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: Artifact = request.getfixturevalue(fixture)
    wrong = {"pir": "net.pdmodel", "protobuf": "net.json"}[model.encoding]
    for name in ("network", wrong):
        program = Path(shutil.copy(model.path, tmp_path / name))
        params = Path(shutil.copy(str(model.weights_file), tmp_path / "numbers.bin"))
        with open_runner("paddle", paddle_artifact(program, params, model.encoding)) as runner:
            results = runner.run(FEED)
        for found, wanted in zip(results.values(), small_network.expected(FEED["x"]), strict=True):
            assert np.allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_paddle_reads_a_program_of_a_newer_paddle(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 4 states its floats as double; Paddle up to 3.2 refuses that, 3.3 the older one."""
    import tempfile

    text = small_pir.path.read_text()
    newer = text.replace('"version":3', '"version":4').replace("0.a_f32", "0.a_f64")
    (tmp_path / "newer.json").write_text(newer)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    model = paddle_artifact(tmp_path / "newer.json", small_pir.weights_file, "pir")
    runner: Any = open_runner("paddle", model)
    with runner:
        results = runner.run(FEED)
        assert runner.reads_copy == (newer != text)
        assert bool(runner.notes) == runner.reads_copy
    for found, wanted in zip(results.values(), small_network.expected(FEED["x"]), strict=True):
        assert np.allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("fixture", ["small_pir", "small_protobuf"])
def test_paddle_refuses_wrong_parameters_before_it_crashes(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: Artifact = request.getfixturevalue(fixture)
    whole = Path(str(model.weights_file)).read_bytes()
    wrong = tmp_path / "wrong.pdiparams"
    for content in (whole[: len(whole) // 2], b"", b"text" * 99):
        wrong.write_bytes(content)
        with pytest.raises(ModelFileError):
            open_runner("paddle", paddle_artifact(model.path, wrong, model.encoding))
    with pytest.raises(ModelFileError):
        open_runner("paddle", paddle_artifact(model.path, None, model.encoding))


def test_paddle_leaves_no_temporary_files(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    program = Path(shutil.copy(small_pir.path, tmp_path / "network"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with open_runner("paddle", paddle_artifact(program, small_pir.weights_file, "pir")) as runner:
        runner.run(FEED)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("onednn", ["true", "false"])
@pytest.mark.parametrize("ir_optim", ["true", "false"])
def test_paddle_switches_are_what_they_say(
    onednn: str, ir_optim: str, small_pir: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    inference = pytest.importorskip("paddle.inference")
    create = inference.create_predictor
    seen: list[tuple[bool, bool, int]] = []

    def look(config: Any) -> Any:
        threads = config.cpu_math_library_num_threads()
        seen.append((config.mkldnn_enabled(), config.ir_optim(), threads))
        return create(config)

    monkeypatch.setattr(inference, "create_predictor", look)
    options = RunnerOptions(threads=2, extras={"onednn": onednn, "ir_optim": ir_optim})
    with open_runner("paddle", small_pir, options) as runner:
        runner.run(FEED)
    assert seen == [(onednn == "true", ir_optim == "true", 2)]


def test_paddle_without_a_parameter_file(tmp_path: Path) -> None:
    from paddleport.worker import Worker

    with Worker() as worker:
        worker.call(small_network.save_paddle_without_parameters, 120, str(tmp_path / "plain"))
    model = paddle_artifact(tmp_path / "plain.json", None, "pir")
    with open_runner("paddle", model) as runner:
        (found,) = runner.run(FEED).values()
    assert np.array_equal(found, np.maximum(FEED["x"], 0))


def test_onnxruntime_optimization_is_an_option(small_onnx: Artifact) -> None:
    for level in ("disabled", "basic", "extended", "all"):
        with open_runner("onnxruntime", small_onnx, _options(optimization=level)) as runner:
            runner.run(FEED)
    with pytest.raises(UsageError, match="Did you mean 'basic'"):
        open_runner("onnxruntime", small_onnx, _options(optimization="basics"))


def test_onnxruntime_never_falls_back_to_another_provider(small_onnx: Artifact) -> None:
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("a build with CUDA")
    with pytest.raises(BackendUnavailableError, match="--device cpu"):
        open_runner("onnxruntime", small_onnx, RunnerOptions(device="cuda"))


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "reference"])
def test_an_output_that_is_an_input_is_fresh_too(backend: str, tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])
    copy = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [copy])
    opset = helper.make_opsetid("", 13)
    path = tmp_path / "same.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    x = np.ones((2, 3), np.float32)
    with open_runner(backend, onnx_artifact(path)) as runner:
        (found,) = runner.run({"x": x}).values()
        assert not np.shares_memory(found, x)
        found[:] = 5
        assert (x == 1).all()


def test_openvino_reports_nothing_to_its_maker(small_onnx: Artifact, tmp_path: Path) -> None:
    """Importing it writes into the home directory and sends an event, unless it is kept from it."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from paddleport.models.artifact import onnx_artifact\n"
        "from paddleport.runners import open_runner\n"
        f"open_runner('openvino', onnx_artifact(Path({str(small_onnx.path)!r}))).close()\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "reference"])
def test_a_graph_with_an_unknown_operator_is_one_line(backend: str, tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(
        [helper.make_node("Frobnicate", ["x"], ["x2"])],
        "g",
        [value],
        [helper.make_tensor_value_info("x2", TensorProto.FLOAT, [1, 3])],
    )
    opset = helper.make_opsetid("", 13)
    path = tmp_path / "odd.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    with pytest.raises((ModelFileError, BackendUnavailableError), match="Frobnicate") as caught:
        open_runner(backend, onnx_artifact(path))
    assert "\n" not in str(caught.value)


def test_a_vendor_s_message_becomes_its_reason() -> None:
    paddle = (
        "\n\n-----\nC++ Traceback (most recent call last):\n----\n0  paddle::x()\n\n"
        "----------------------\nError Message Summary:\n----------------------\n"
        "InvalidArgumentError: the shapes differ\n  [Hint: ...]\n"
    )
    openvino = "Exception from src/inference/src/cpp/core.cpp:84:\nUnable to read the model: x\n"
    assert one_line(RuntimeError(paddle)) == "InvalidArgumentError: the shapes differ [Hint: ...]"
    assert one_line(RuntimeError(openvino)) == "Unable to read the model: x"
    assert one_line(RuntimeError("")) == "RuntimeError"


def test_onnxruntime_says_that_a_file_holds_fp16(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((4, 3), np.float16), "w")
    half = helper.make_tensor_value_info("x", TensorProto.FLOAT16, [2, 4])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT16, [2, 3])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "half", [half], [result], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(tmp_path / "half.onnx"))
    given = onnx_artifact(tmp_path / "half.onnx")
    with open_runner("onnxruntime", given) as runner:
        assert runner.computes_in == "fp16"
    with pytest.raises(BackendUnavailableError, match="holds fp16 weights"):
        open_runner("onnxruntime", given, RunnerOptions(precision="fp32"))


def test_a_feed_is_checked_again_when_it_changes(small_onnx: Artifact) -> None:
    with open_runner("onnxruntime", small_onnx) as runner:
        (name,) = FEED
        runner.run(FEED)
        runner.run(FEED)
        for wrong in (FEED[name].astype(np.float64), FEED[name][:, :2], FEED[name].tolist()):
            with pytest.raises(FeedError):
                runner.run({name: wrong})
        with pytest.raises(FeedError):
            runner.run({"other": FEED[name]})
        runner.run(FEED)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "reference"])
def test_a_name_that_no_vendor_opens_is_a_sentence(
    small_onnx: Artifact, tmp_path: Path, backend: str
) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xffd.onnx"))
    shutil.copy(small_onnx.path, path)
    with pytest.raises(ModelFileError, match=r"rename it, or set LC_ALL=C\.UTF-8"):
        open_runner(backend, onnx_artifact(path))
