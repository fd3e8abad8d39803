"""MNN's runner: its settings, what it is fed, files that are foreign or damaged, and prints."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import small_network
from onnx import TensorProto, helper, numpy_helper

from paddleport.convert.mnn.mnn_converter import SETTINGS, convert_by_mnn
from paddleport.convert.targets import target_class
from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners.base import Runner
from paddleport.runners.mnn import interpreter_session, mnn_session
from paddleport.runners.mnn.mnn_runner import ONE_BY_ONE, MnnRunner
from paddleport.runners.mnn.module_session import ModuleSession
from paddleport.runners.runner_options import MOST_THREADS, RunnerOptions
from paddleport.tensors import Array

pytest.importorskip("MNN")
ONE_THREAD = RunnerOptions(threads=1)


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def saved(
    folder: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, list[Any]]],
    outputs: dict[str, tuple[int, list[Any]]],
    constants: dict[str, Array] | None = None,
    **settings: str,
) -> Artifact:
    """An ONNX graph as MNN's converter makes it, with what a target records beside it."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, *item) for name, item in inputs.items()],
        [helper.make_tensor_value_info(name, *item) for name, item in outputs.items()],
        [numpy_helper.from_array(item, name) for name, item in (constants or {}).items()],
    )
    opset = helper.make_opsetid("", 17)
    source, path = folder / "m.onnx", folder / "m.mnn"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(source))
    convert_by_mnn(source, path, {**SETTINGS, **settings})
    takes, gives = onnx_tensors(source)
    return Artifact(format="mnn", files=(path,), inputs=takes, outputs=gives)


def wide_convolution(folder: Path, **settings: str) -> tuple[Artifact, Array]:
    """A 3x3 convolution of many channels, and its kernel."""
    kernel = drawn(64, 64, 3, 3, seed=1)
    node = helper.make_node("Conv", ["x", "k"], ["y"], pads=[1, 1, 1, 1])
    shape = ["N", 64, 28, 28]
    file = saved(
        folder,
        [node],
        {"x": (TensorProto.FLOAT, shape)},
        {"y": (TensorProto.FLOAT, shape)},
        {"k": kernel},
        **settings,
    )
    return file, kernel


def exact(x: Array, kernel: Array) -> Array:
    """The convolution in float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    found: Array = np.einsum("nchwij,ocij->nohw", windows, kernel.astype(np.float64), optimize=True)
    return found


def error_of(runner: Runner, kernel: Array) -> float:
    x = drawn(1, 64, 28, 28, seed=2)
    wanted = exact(x, kernel)
    return float(np.abs(runner.run({"x": x})["y"] - wanted).max() / np.abs(wanted).max())


def test_a_winograd_tile_as_large_as_mnn_takes_it_is_not_fp32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, kernel = wide_convolution(tmp_path)
    with MnnRunner(file, ONE_THREAD) as runner:
        assert error_of(runner, kernel) < 2e-6
    assert (mnn_session.WINOGRAD_LEVEL, 1) in mnn_session.HINTS
    own = ((mnn_session.WINOGRAD_LEVEL, 3),)  # what MNN takes where it is not told
    monkeypatch.setattr(interpreter_session, "HINTS", own)
    with MnnRunner(file, ONE_THREAD) as runner:
        assert error_of(runner, kernel) > 5e-6


def test_narrow_weights_are_computed_with_in_fp32(tmp_path: Path) -> None:
    file, _ = wide_convolution(tmp_path, weightQuantBits="8")
    x = {"x": drawn(1, 64, 28, 28, seed=2)}
    (exactly,) = target_class("mnn")().evaluate(file, [x])
    with MnnRunner(file, ONE_THREAD) as runner:
        error = np.abs(runner.run(x)["y"] - exactly["y"]).max()
        assert error < 2e-6 * np.abs(exactly["y"]).max()
        assert runner.computes_in == "fp32"
        assert runner.notes == ("weights stored in 8-bit, computed with in fp32",)


def test_every_setting_of_a_session_is_said() -> None:
    assert mnn_session.session_settings(3) == {
        "backend": "CPU",
        "precision": "high",
        "memory": "high",
        "power": "normal",
        "numThread": 3,
    }


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_what_is_not_computed_is_refused(small_mnn: Artifact, precision: Any) -> None:
    with pytest.raises(BackendUnavailableError, match=precision):
        MnnRunner(small_mnn, RunnerOptions(precision=precision))


def test_int8_of_another_file_names_what_makes_one(small_mnn: Artifact) -> None:
    with pytest.raises(BackendUnavailableError, match=r"convert --to mnn --precision int8$"):
        MnnRunner(small_mnn, RunnerOptions(precision="int8"))


def test_threads_that_are_not_there_are_refused(small_mnn: Artifact) -> None:
    """MNN takes as many as there are CPUs, and says nothing."""
    with pytest.raises(
        BackendUnavailableError, match=rf"for {MOST_THREADS} threads and took \d+: try"
    ):
        MnnRunner(small_mnn, RunnerOptions(threads=MOST_THREADS))


def test_whole_numbers_and_truths_come_through(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Equal", ["a", "b"], ["same"]),
        helper.make_node("Cast", ["c"], ["real"], to=TensorProto.FLOAT),
    ]
    long, tiny = TensorProto.INT64, TensorProto.UINT8
    file = saved(
        tmp_path,
        nodes,
        {"a": (long, ["N", 3]), "b": (long, ["N", 3]), "c": (tiny, ["N", 3])},
        {
            "sum": (long, ["N", 3]),
            "same": (TensorProto.BOOL, ["N", 3]),
            "real": (TensorProto.FLOAT, ["N", 3]),
        },
    )
    a, b = np.array([[1, -2, 3]]), np.array([[1, 2, 1 << 30]])
    c = np.array([[0, 7, 255]], np.uint8)
    with MnnRunner(file, ONE_THREAD) as runner:
        found = runner.run({"a": a, "b": b, "c": c})
        assert {name: item.dtype.name for name, item in found.items()} == {
            "sum": "int64",
            "same": "bool",
            "real": "float32",
        }
        assert found["sum"].tolist() == (a + b).tolist()
        assert found["same"].tolist() == [[True, False, False]]
        assert found["real"].tolist() == [[0, 7, 255]]
        with pytest.raises(FeedError, match="mnn holds b as int32, and 4294967296 is none"):
            runner.run({"a": a, "b": np.array([[1, 1, 1 << 32]]), "c": c})


def test_sizes_that_are_outputs_are_not_written_over(tmp_path: Path) -> None:
    file = saved(
        tmp_path,
        [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Shape", ["x"], ["size"])],
        {"x": (TensorProto.FLOAT, ["N", 5])},
        {"y": (TensorProto.FLOAT, ["N", 5]), "size": (TensorProto.INT64, [2])},
    )
    with MnnRunner(file, ONE_THREAD) as runner:
        for batch in (2, 3):
            assert runner.run({"x": drawn(batch, 5)})["size"].tolist() == [batch, 5]


def test_a_file_with_inputs_in_blocks_of_four_channels(tmp_path: Path) -> None:
    """As MNN's command makes them of ``--keepInputFormat``; the tensor says NCHW all the same."""
    file, kernel = wide_convolution(tmp_path, keepInputFormat="0")
    with MnnRunner(replace(file, inputs=(), outputs=()), ONE_THREAD) as runner:
        assert error_of(runner, kernel) < 2e-6


def test_a_foreign_file_takes_batches_one_at_a_time(small_mnn: Artifact) -> None:
    foreign = Artifact(format="mnn", files=small_mnn.files)
    for file in (foreign, replace(small_mnn, provenance=_recorded())):
        with MnnRunner(file, ONE_THREAD) as runner:
            assert [spec.shape for spec in runner.inputs] == [(None, *small_network.SHAPE)]
            assert runner.notes == ("batches are run one example at a time",)
            feed = small_network.feed(3)
            found = runner.run(feed)
            assert tuple(found) == small_network.OUTPUTS
            for wanted, item in zip(small_network.expected(feed["x"]), found.values(), strict=True):
                assert np.abs(item - wanted).max() < 2e-5 * np.abs(wanted).max()


def _recorded() -> dict[str, Any]:
    return {"steps": [{"step": "mnn", "options": dict(ONE_BY_ONE)}]}


def test_each_layer_has_the_bits_of_the_whole_run(small_mnn: Artifact) -> None:
    feed = small_network.feed(3)
    runner = MnnRunner(small_mnn, ONE_THREAD)
    with runner:
        layers, values = runner.layers(), dict(runner.layer_values(feed))
        outputs = runner.run(feed)
    assert {name for layer in layers for name in layer.outputs} == values.keys()
    assert [layer.operator for layer in layers if layer.operator == "Convolution"]
    known: set[str] = {"x"}
    for layer in layers:
        assert known.issuperset(layer.inputs), layer
        known |= {*layer.outputs}
    for name, item in outputs.items():
        assert values[name].tobytes() == item.tobytes()
    kernel, bias = (small_network.weights()[name] for name in ("kernel", "kernel_bias"))
    convolved = values[
        next(layer for layer in layers if layer.operator == "Convolution").outputs[0]
    ]
    assert convolved.shape == (3, 4, 4, 4)
    window = (feed["x"][1, :, 2:5, 4:7] * kernel[2]).sum() + bias[2]
    assert np.isclose(convolved[1, 2, 1, 2], max(window, 0), atol=1e-5)


def test_a_loop_runs_in_the_module(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Add", ["h", "h"], ["double"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("h", TensorProto.FLOAT, ["N", 4]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("double", TensorProto.FLOAT, ["N", 4]),
        ],
    )
    file = saved(
        tmp_path,
        [helper.make_node("Loop", ["turns", "yes", "x"], ["y"], body=body)],
        {"x": (TensorProto.FLOAT, ["N", 4])},
        {"y": (TensorProto.FLOAT, ["N", 4])},
        {"turns": np.array(3), "yes": np.array(True)},
    )
    runner = MnnRunner(file, ONE_THREAD)
    with runner:
        assert isinstance(runner._session, ModuleSession)
        assert runner.notes == ("by MNN's module, whose settings can't be read back",)
        for batch in (1, 3):
            x = drawn(batch, 4, seed=batch)
            assert np.array_equal(runner.run({"x": x})["y"], 8 * x)
        with pytest.raises(BackendUnavailableError, match="no values between the layers"):
            next(runner.layer_values({"x": x}))


def test_damaged_files_are_one_line(small_mnn: Artifact, tmp_path: Path) -> None:
    data = small_mnn.path.read_bytes()
    for place, part in enumerate((data[: len(data) // 2], data[:-9], bytes(4000), data[:8])):
        path = tmp_path / f"{place}.mnn"
        path.write_bytes(part)
        with pytest.raises(ModelFileError) as caught:
            MnnRunner(replace(small_mnn, files=(path,)))
        assert "\n" not in str(caught.value)


def test_a_record_of_another_file_is_refused(small_mnn: Artifact) -> None:
    outputs = (replace(small_mnn.outputs[0], name="other"), small_mnn.outputs[1])
    with pytest.raises(ModelFileError, match="what is recorded of it does not fit: other"):
        MnnRunner(replace(small_mnn, outputs=outputs))


def test_nothing_of_mnns_reaches_the_output(small_mnn: Artifact) -> None:
    """Neither now nor when the process ends and C's buffers are written out."""
    code = (
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from paddleport.models.artifact import Artifact\n"
        "from paddleport.runners.mnn.mnn_runner import MnnRunner\n"
        f"model = Artifact(format='mnn', files=(Path({str(small_mnn.path)!r}),))\n"
        "with MnnRunner(model) as runner:\n"
        "    print(runner.run({'x': np.zeros((1, 3, 9, 9), np.float32)})['logits'].shape)\n"
        "import ctypes; ctypes.CDLL(None).printf(b'C prints again\\n')\n"
        "import sys; assert not [name for name in sys.modules if name.startswith('MNN.tools')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["(1, 5)", "C prints again"]
