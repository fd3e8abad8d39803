"""What MNN's converter gets wrong: rewritten, it is right; else it is refused by name."""

import itertools
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import operator_cases
import pytest
from onnx import TensorProto, helper, numpy_helper
from operator_cases import Case, integers, values

from paddleport.convert.mnn import mnn_converter
from paddleport.convert.mnn.mnn_converter import SETTINGS, convert_by_mnn
from paddleport.convert.mnn.mnn_fixups import write_for_mnn
from paddleport.convert.mnn.mnn_sizes import try_sizes
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.errors import BackendUnavailableError, ConversionError, PortError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners.mnn.mnn_runner import MnnRunner
from paddleport.runners.reference import ReferenceRunner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array
from paddleport.worker import Worker

pytest.importorskip("MNN")
TOLERANCE = 2e-5  # of the largest value
TIMEOUT_S = 60.0
X = values(2, 3, 4, 5)
PIXELS, KERNEL = values(2, 16, 24, 20), values(8, 16, 7, 7)
REWRITTEN = (
    Case("ReduceL1", [X, integers(2, 3)], 18),
    Case("ReduceL2", [X], 13, 1, {"axes": [-1], "keepdims": 0}),
    Case("ReduceSumSquare", [X], 13),
    Case("ReduceLogSumExp", [X], 13, 1, {"axes": [1], "keepdims": 0}),
    Case("ReduceSum", [X, integers()], 13, 1, {"noop_with_empty_axes": 1}),
    Case("Dropout", [X], 13),
    Case("Sum", [values(2, 3, 5), values(3, 1), values(2, 3, 5, seed=2)]),
    Case("Mean", [values(2, 3, 5), values(3, 1)]),
    Case("LogSoftmax", [X]),
    Case("Gelu", [X], 20),
    Case("Softplus", [np.array([-200, -90, 0, 90, 200], np.float32)]),
    Case("Mish", [X], 18),
    Case("MatMul", [values(2, 3, 4), values(4)]),
    Case("Gemm", [values(4, 3), values(5, 4), values(3, 5)], 13, 1,
         {"alpha": 0.5, "beta": 2.0, "transA": 1, "transB": 1}),
    Case("Less", [values(5, 4), values(5, 4, seed=1)]),
    Case("GreaterOrEqual", [values(1, 7), values(3, 1, seed=1)]),
    Case("Where", [values(2, 3) > 0, values(2, 3), values(3)]),
    Case("MaxPool", [values(2, 4, 9, 10)], 17, 1, {"kernel_shape": [2, 2]}),
    Case("AveragePool", [values(2, 4, 9, 10)], 17, 1, {"kernel_shape": [3, 3], "pads": [1] * 4}),
    Case("Cast", [X], 17, 1, {"to": TensorProto.BOOL}),
    Case("Conv", [PIXELS, KERNEL], 17, 1, {"pads": [3, 2, 3, 3]}),
    Case("Conv", [PIXELS, KERNEL, values(8)], 17, 1, {"auto_pad": "SAME_UPPER"}),
    Case("Conv", [PIXELS, KERNEL], 17, 1, {"auto_pad": "VALID", "kernel_shape": [7, 7]}),
    Case("Conv", [values(2, 8, 24, 20), values(6, 4, 7, 7)], 17, 1, {"group": 2}),
)  # fmt: skip
REFUSED = (
    (Case("Mod", [X, values(5)], 17, 1, {"fmod": 1}), "fmod"),
    (Case("Softmax", [X], 12), "several axes, in opset 12"),
    (Case("Conv", [values(2, 4, 9), values(3, 4, 5)]), "in 1 dimensions"),
    (Case("Conv", [X, values(2, 3, 3, 3)], 17, 1, {"auto_pad": "SAME_LOWER"}), "SAME_LOWER"),
    (Case("MaxPool", [X], 17, 2, {"kernel_shape": [2, 2]}), "indices"),
    (Case("Pad", [X, integers(0, 0, 1, 1, 0, 0, 1, 1), np.float32(3)], 13), "a value other than 0"),
    (Case("Resize", [X, None, values(4, low=2, high=2)], 13, 1, {"mode": "cubic"}), "mode cubic"),
    (Case("GRU", [values(5, 2, 3), values(1, 12, 3), values(1, 12, 4)], 14, 2,
          {"hidden_size": 4}), "without linear_before_reset"),
)  # fmt: skip


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """Converts, and goes on where a process of its own for each would take its time."""
    with Worker(preload=("_tools", "onnx")) as started:
        yield started


def written(case: Case, folder: Path) -> tuple[Path, dict[str, Array], dict[str, Array]]:
    """A case as a file with typed outputs, a feed, and what it comes to in float64."""
    path = folder / "case.onnx"
    model = onnx.shape_inference.infer_shapes(case.model())
    path.write_bytes(model.SerializeToString())
    feed = {"in0": np.asarray(case.inputs[0])}
    with ReferenceRunner(onnx_artifact(path)) as reference:
        wanted = reference.run(feed)
    for info in model.graph.output:
        item = wanted[info.name]
        dtype = np.dtype(np.float32) if item.dtype.kind == "f" else item.dtype
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        info.CopyFrom(helper.make_tensor_value_info(info.name, kind, item.shape))
    path.write_bytes(model.SerializeToString())
    return path, feed, wanted


def is_right(source: Path, feed: dict[str, Array], wanted: dict[str, Array], of: Path) -> bool:
    """Whether MNN's file of ``source`` gives what is wanted; runs in a worker."""
    path = of.with_suffix(".mnn")
    try:
        mnn_converter._convert(source, path, SETTINGS, ())
        inputs, outputs = onnx_tensors(of)
        model = Artifact(format="mnn", files=(path,), inputs=inputs, outputs=outputs)
        with MnnRunner(model, RunnerOptions(threads=1)) as runner:
            found = runner.run(feed)
    except PortError:
        return False
    return all(
        found[name].shape == item.shape
        and np.allclose(found[name], item, rtol=0, atol=TOLERANCE * np.abs(item).max())
        for name, item in wanted.items()
    )


@pytest.mark.parametrize("case", REWRITTEN, ids=str)
def test_what_is_rewritten_is_right(case: Case, worker: Worker, tmp_path: Path) -> None:
    path, feed, wanted = written(case, tmp_path)
    source, done = write_for_mnn(path, tmp_path / "rewritten.onnx")
    assert done == (case.operator,)
    assert worker.call(is_right, TIMEOUT_S, source, feed, wanted, path)


def test_as_they_are_they_would_be_wrong(worker: Worker, tmp_path: Path) -> None:
    known = ("ReduceL1", "Less", "Gelu", "Softplus", "Where", "Conv")
    for case in REWRITTEN:
        if case.operator in known and "group" not in case.attributes:  # too small for Winograd
            path, feed, wanted = written(case, tmp_path)
            assert not worker.call(is_right, TIMEOUT_S, path, feed, wanted, path), case


@pytest.mark.parametrize(("case", "said"), REFUSED, ids=lambda item: str(item).replace("/", " "))
def test_what_is_refused_is_named(case: Case, said: str, tmp_path: Path) -> None:
    path = tmp_path / "case.onnx"
    path.write_bytes(case.model().SerializeToString())
    with pytest.raises(ConversionError, match=f"MNN gets {case.operator} wrong .*{said}") as caught:
        write_for_mnn(path, tmp_path / "rewritten.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_every_operator_is_right_or_refused(tmp_path: Path) -> None:
    """All cases of the float64 reference; but for values that no model of the zoo has."""
    worker, wrong, right = Worker(preload=("_tools", "onnx")), [], 0
    for number, case in enumerate(operator_cases.cases()):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            path, feed, wanted = written(case, folder)
            source, _ = write_for_mnn(path, folder / "rewritten.onnx")
        except (ConversionError, BackendUnavailableError, IndexError):
            continue  # refused; or of no input, or not the reference's
        try:
            if worker.call(is_right, TIMEOUT_S, source, feed, wanted, path):
                right += 1
            else:
                wrong.append(str(case))
        except PortError as error:
            wrong.append(f"{case}: {error}")
            worker = Worker(preload=("_tools", "onnx"))
    worker.close()
    told = {name.split("-")[0] for name in wrong}
    known = {"IsNaN", "IsInf", "GroupNormalization", "Pad"}  # refused by MNN itself
    edges = {"Round", "Clip", "GatherElements", "OneHot", "Pow"}  # ties, min > max, indices < 0
    assert right > 500
    assert told <= known | edges, wrong


def products(folder: Path) -> Path:
    """A matrix product that is an output and computed with, too."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    nodes.append(helper.make_node("Relu", ["y"], ["z"]))
    names = ["y", "z"]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in names],
        [numpy_helper.from_array(values(6, 4), "w")],
    )
    path = folder / "products.onnx"
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    return path


def test_a_product_that_is_an_output_and_computed_with(tmp_path: Path) -> None:
    path = products(tmp_path)
    made = target_class("mnn")().make(
        onnx_artifact(path), tmp_path / "m.mnn", TargetOptions(precision="fp32"), ()
    )
    assert made.settings["convertMatmulToConv"] == "0"
    model = Artifact(format="mnn", files=made.files, inputs=made.inputs, outputs=made.outputs)
    x = values(3, 6, seed=4)
    with MnnRunner(model, RunnerOptions(threads=1)) as runner:
        assert np.allclose(runner.run({"x": x})["y"], x @ values(6, 4), atol=1e-5)


def test_failures_of_the_converter_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "case.onnx"
    path.write_bytes(Case("IsNaN", [X]).model().SerializeToString())
    with pytest.raises(ConversionError, match=r"does not convert this model: .*ONNX::IsNaN"):
        convert_by_mnn(path, tmp_path / "m.mnn")
    path.write_bytes(b"no model")
    with pytest.raises(ConversionError) as caught:
        convert_by_mnn(path, tmp_path / "m.mnn")
    assert "\n" not in str(caught.value)


def test_a_process_that_ends_is_one_line(tmp_path: Path) -> None:
    path, _, _ = written(REWRITTEN[17], tmp_path)
    convert_by_mnn(path, tmp_path / "m.mnn")
    inputs, outputs = onnx_tensors(path)
    made = Artifact(format="mnn", files=(tmp_path / "m.mnn",), inputs=inputs, outputs=outputs)
    with pytest.raises(ConversionError, match="does not survive running what it made"):
        try_sizes(made, path, None)


def test_every_setting_is_said_with_an_equals_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of "--keepInputFormat 1" MNN takes the name alone, which turns it off."""
    given: list[str] = []

    def mnnconvert(arguments: list[str]) -> bool:
        given.extend(arguments)
        return False

    fake = types.SimpleNamespace(mnnconvert=mnnconvert)
    monkeypatch.setitem(sys.modules, "_tools", fake)
    with pytest.raises(ConversionError):
        mnn_converter._convert(Path("a"), Path("b"), SETTINGS, ["fp16"])
    options = list(itertools.dropwhile(lambda item: not item.startswith("--biz"), given))
    assert options == [*(f"--{name}={value}" for name, value in SETTINGS.items()), "--fp16"]
    assert SETTINGS["keepInputFormat"] == "1"
    assert SETTINGS["useGeluApproximation"] == SETTINGS["alignDenormalizedValue"] == "0"
