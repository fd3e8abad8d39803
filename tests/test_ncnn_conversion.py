"""ncnn's target: nothing is lost or renamed, and what can't be is refused by name, in one line."""

from pathlib import Path

import numpy as np
import pytest
from ncnn_models import assert_same_as_onnx, made_by_pnnx, node, random, write_graph
from onnx import TensorProto

from paddleport.convert.naming import check_name
from paddleport.convert.ncnn import pnnx_conversion
from paddleport.convert.ncnn.pnnx_binary import WHEELS, run_pnnx
from paddleport.convert.targets import TargetOptions
from paddleport.convert.targets.ncnn_model import NcnnTarget
from paddleport.errors import ConversionError, DownloadError, OutputError, PortError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.ncnn.ncnn_file import read_ncnn
from paddleport.models.ncnn.param_text import read_param
from paddleport.tensors import ShapeRange, TensorSpec

pytest.importorskip("ncnn")


def test_names_and_order_are_the_model_s(tmp_path: Path) -> None:
    """Also such as ncnn's text has no room for, and such as pnnx gives to tensors between."""
    names = ["1", "a picture", "Bild ü", "x" * 300]
    nodes = [
        node("Add", ["a picture", "1"], ["sum of both"]),
        node("Relu", [names[2]], ["2"]),
        node("Sub", ["sum of both", "2"], ["out1"]),
        node("Mul", ["out1", names[3]], ["in0"]),
    ]
    sizes = ["N", 3, 4, 4]
    results = ["in0", "out1", "sum of both", "2"]
    model = write_graph(
        tmp_path / "m.onnx", nodes, dict.fromkeys(names, sizes), dict.fromkeys(results, sizes)
    )
    file, _ = made_by_pnnx(model)
    feed = {name: random(2, 3, 4, 4, seed=seed) for seed, name in enumerate(names)}
    assert_same_as_onnx(file, model, feed)
    assert [spec.name for spec in file.inputs] == names
    assert file.inputs[0].shape == (None, 3, 4, 4)


def test_outputs_that_are_copies_are_kept(tmp_path: Path) -> None:
    """Pnnx crashes on them."""
    nodes = [
        node("Relu", ["a"], ["y"]),
        node("Identity", ["y"], ["again"]),
        node("Identity", ["a"], ["fed"]),
        node("Identity", ["again"], ["thrice"]),
    ]
    results = {name: ["N", 6] for name in ("again", "fed", "y", "thrice")}
    model = write_graph(tmp_path / "m.onnx", nodes, {"a": ["N", 6]}, results)
    file, _ = made_by_pnnx(model)
    assert_same_as_onnx(file, model, {"a": random(3, 6)})
    assert len(file.files) == 1  # no weights, no .bin


def test_whole_numbers_go_into_an_embedding(tmp_path: Path) -> None:
    nodes = [
        node("Gather", ["w", "ids"], ["e"]),
        node("ReduceMean", ["e"], ["y"], axes=[1], keepdims=0),
    ]
    model = write_graph(
        tmp_path / "m.onnx",
        nodes,
        {"ids": ["N", 6]},
        {"y": ["N", 4]},
        {"w": random(10, 4)},
        types={"ids": TensorProto.INT64},
    )
    file, _ = made_by_pnnx(model)
    ids = np.random.default_rng(0).integers(0, 10, (2, 6))
    assert_same_as_onnx(file, model, {"ids": ids})


REFUSED = {
    "CumSum": ([node("CumSum", ["a", "axis"], ["y"])], {}),
    "TopK": ([node("TopK", ["a", "two"], ["y", "places"])], {}),
    "output y is int64": ([node("ArgMax", ["a"], ["y"], axis=1)], {"y": TensorProto.INT64}),
    r"input a is int64 and goes into BinaryOp \(\w+\)": (
        [node("Add", ["a", "a"], ["s"]), node("Gather", ["table", "s"], ["y"])],
        {"a": TensorProto.INT64},
    ),
    "input a is float64, and ncnn takes only": (
        [node("Cast", ["a"], ["y"], to=TensorProto.FLOAT)],
        {"a": TensorProto.DOUBLE},
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_ncnn_has_not_is_refused_by_name(reason: str, tmp_path: Path) -> None:
    nodes, types = REFUSED[reason]
    weights = {"axis": np.array(1), "two": np.array([2]), "table": random(99, 4)}
    model = write_graph(
        tmp_path / "m.onnx", nodes, {"a": ["N", 6]}, {"y": ["N", "K"]}, weights, types=types
    )
    with pytest.raises(PortError, match=reason) as caught:
        made_by_pnnx(model)
    assert "\n" not in str(caught.value)


def flattened(path: Path) -> Artifact:
    """A convolution whose pixels are one axis afterwards."""
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Shape", ["c"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Concat", ["n", "two", "rest"], ["t"], axis=0),
        node("Reshape", ["c", "t"], ["y"]),
    ]
    weights = {
        "w": random(2, 3, 3, 3),
        "zero": np.array([0]),
        "two": np.array([2]),
        "rest": np.array([-1]),
    }
    return write_graph(path, nodes, {"x": ["N", 3, "H", "W"]}, {"y": ["N", 2, "K"]}, weights)


def test_free_sizes_are_fixed_and_said(tmp_path: Path) -> None:
    model = flattened(tmp_path / "m.onnx")
    with pytest.raises(UsageError, match=r"--shape x=1,3,224,224"):
        made_by_pnnx(model)
    file, made = made_by_pnnx(model, shapes={"x": ShapeRange.only((1, 3, 8, 9))})
    assert file.inputs == (TensorSpec("x", "float32", (None, 3, 8, 9)),)
    assert file.outputs == (TensorSpec("y", "float32", (None, 2, 42)),)
    assert made.facts["fixed"] == {"x": [None, 3, 8, 9]}
    assert_same_as_onnx(file, model, {"x": random(2, 3, 8, 9)})


def test_a_range_of_sizes_is_honoured(tmp_path: Path) -> None:
    model = flattened(tmp_path / "m.onnx")
    wanted = ShapeRange((1, 3, 6, 6), (1, 3, 8, 9), (1, 3, 20, 17))
    file, made = made_by_pnnx(model, shapes={"x": wanted})
    assert file.inputs == (TensorSpec("x", "float32", (None, 3, None, None)),)
    assert made.facts["fixed"] == {}
    assert_same_as_onnx(file, model, {"x": random(2, 3, 13, 7)})


def test_a_range_that_pnnx_does_not_honour_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_with_one_size(onnx: Path, shapes: str, larger: str, **options: object) -> object:
        assert larger
        return run_pnnx(onnx, shapes, "", **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pnnx_conversion, "run_pnnx", run_with_one_size)
    model = flattened(tmp_path / "m.onnx")
    wanted = ShapeRange((1, 3, 6, 6), (1, 3, 8, 9), (1, 3, 20, 17))
    with pytest.raises(ConversionError, match=r"x \[1, 3, 6, 6\]: give --shape one size"):
        made_by_pnnx(model, shapes={"x": wanted})


def test_a_batch_that_is_not_first_is_fixed(tmp_path: Path) -> None:
    nodes = [node("Transpose", ["x"], ["y"], perm=[1, 0, 2])]
    model = write_graph(tmp_path / "m.onnx", nodes, {"x": ["N", 3, 4]}, {"y": [3, "N", 4]})
    file, made = made_by_pnnx(model)
    assert made.facts == {"fixed": {"x": [1, 3, 4]}, "one by one": False}
    assert_same_as_onnx(file, model, {"x": random(1, 3, 4)})


def test_a_layer_to_keep_is_named_as_in_the_onnx_file(tmp_path: Path) -> None:
    """pnnx names layers itself, so that the node is found by its weights."""
    nodes = [
        node("Conv", ["x", "w"], ["h"], name="first"),
        node("Conv", ["h", "v"], ["y"], name="second"),
    ]
    weights = {"w": random(4, 3, 3, 3), "v": random(5, 4, 3, 3, seed=1)}
    shapes = {"x": [1, 3, 9, 9]}, {"y": [1, 5, 5, 5]}
    model = write_graph(tmp_path / "m.onnx", nodes, *shapes, weights)
    options = NcnnTarget().check(model, TargetOptions(precision="int8", keep_fp32=("second",)))
    path = tmp_path / "m.ncnn.param"
    made = NcnnTarget().make(model, path, options, [{"x": random(1, 3, 9, 9)}] * 2)
    convolutions = read_ncnn(path, made.files[1]).layers[-2:]
    assert [layer.integer(8) != 0 for layer in convolutions] == [True, False]  # 8: of int8


def test_precisions_that_no_file_has() -> None:
    with pytest.raises(UsageError, match="run it with --precision bf16"):
        NcnnTarget.check_options(TargetOptions(precision="bf16"))
    with pytest.raises(UsageError, match="--keep-fp32 is of int8"):
        NcnnTarget.check_options(TargetOptions(precision="fp16", keep_fp32=("c",)))
    for name in ("m.param", "m.ncnn", "m"):
        with pytest.raises(OutputError, match=r"ending than .ncnn.param; try -o m.ncnn.param$"):
            check_name(Path(name), NcnnTarget)


def test_without_the_wheel_and_offline_it_is_refused_before_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path))
    monkeypatch.setenv("PADDLEPORT_OFFLINE", "1")
    with pytest.raises(DownloadError, match=r"type, once: pip download .* pnnx==\d+ -d ") as caught:
        NcnnTarget.check_here(TargetOptions())
    assert "\n" not in str(caught.value)
    assert all(len(digest) == 64 for _, digest in WHEELS.values())


def test_a_file_that_pnnx_left_without_its_weights_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with 0 whatever it wrote."""

    def run_and_cut(onnx: Path, *arguments: object, **options: object) -> object:
        made = run_pnnx(onnx, *arguments, **options)  # type: ignore[arg-type]
        made.weights.write_bytes(made.weights.read_bytes()[:-8])
        return made

    monkeypatch.setattr(pnnx_conversion, "run_pnnx", run_and_cut)
    nodes = [node("Conv", ["x", "w"], ["y"])]
    sizes = {"x": ["N", 3, 5, 5]}
    model = write_graph(
        tmp_path / "m.onnx", nodes, sizes, {"y": ["N", 2, 3, 3]}, {"w": random(2, 3, 3, 3)}
    )
    with pytest.raises(ConversionError, match=r"pnnx writes what ncnn does not run.*load_model"):
        made_by_pnnx(model)
    assert read_param(tmp_path / "m.ncnn.param")
