"""MNN's files: the reader against MNN's own dump, damage, and faults that are planted in them."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mnn_vendor
import numpy as np
import planted_mnn
import pytest
from onnx import helper

from paddleport.errors import BackendUnavailableError, ModelFileError, ModelNotFoundError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.mnn.as_onnx import as_onnx
from paddleport.models.mnn.flat_table import root_table
from paddleport.models.mnn.mnn_file import read_mnn
from paddleport.runners.reference import ReferenceRunner
from paddleport.tensors import Array, TensorSpec
from paddleport.worker import Worker

mnn_vendor.install_or_skip()

TIMEOUT_S = 120.0
CHANNELS = 4


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


FEED = {"x": drawn(2, 3, 9, 9)}


def network() -> bytes:
    """Two convolutions with what can be fused into them, beside each other, and a classifier."""
    pads: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="c1", **pads),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["x", "w2", "b2"], ["c2"], name="c2", **pads),
        helper.make_node("Clip", ["c2", "low", "high"], ["r2"]),
        helper.make_node("Concat", ["r1", "r2"], ["both"], name="both", axis=1),
        helper.make_node("GlobalAveragePool", ["both"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["out"], axis=-1),
    ]
    constants = {
        "w1": drawn(CHANNELS, 3, 3, 3, seed=1),
        "b1": drawn(CHANNELS, seed=2),
        "w2": drawn(CHANNELS, 3, 3, 3, seed=3),
        "b2": drawn(CHANNELS, seed=4),
        "w3": drawn(5, 2 * CHANNELS, seed=5),
        "b3": drawn(5, seed=6),
        "low": np.array(0, np.float32),
        "high": np.array(6, np.float32),
    }
    return mnn_vendor.model(nodes, FEED, ["out"], constants)


@pytest.fixture(scope="module")
def mnn() -> Iterator[Worker]:
    with mnn_vendor.worker() as worker:
        yield worker


@pytest.fixture(scope="module")
def file(mnn: Worker) -> bytes:
    return mnn.call(mnn_vendor.converted, TIMEOUT_S, network())


@pytest.fixture
def path(file: bytes, tmp_path: Path) -> Path:
    found = tmp_path / "m.mnn"
    found.write_bytes(file)
    return found


def artifact(path: Path) -> Artifact:
    return Artifact(format="mnn", files=(path,))


def meant(path: Path, tmp_path: Path) -> dict[str, Array]:
    """What a file says, in float64."""
    onnx_file = tmp_path / "meant.onnx"
    onnx_file.write_bytes(as_onnx(artifact(path)).SerializeToString())
    with ReferenceRunner(onnx_artifact(onnx_file)) as runner:
        return runner.run(FEED)


def test_the_reader_reads_what_mnn_dumps(mnn: Worker, file: bytes) -> None:
    dump = json.loads(mnn.call(mnn_vendor.dumped, TIMEOUT_S, file))
    _same(root_table(file, "Net").plain(), dump, "Net")
    assert {"Convolution2D", "Axis", "Blob"} <= {op["main_type"] for op in dump["oplists"]}


def _same(found: Any, dumped: Any, where: str) -> None:
    if isinstance(dumped, dict):
        unknown = dumped.keys() - found.keys() - {"main_type"}
        assert not unknown, f"{where}: {unknown}"
        for key in dumped.keys() - {"main_type"}:
            _same(found[key], dumped[key], f"{where}.{key}")
        more = {key for key, value in found.items() if value is not None} - dumped.keys()
        assert not more, f"{where}: {more}"
    elif isinstance(dumped, list):
        assert len(found) == len(dumped), where
        if isinstance(dumped[0], int | float):
            assert np.allclose(found, dumped, rtol=1e-5, atol=1e-6), where  # it writes six digits
        else:
            for one, other in zip(found, dumped, strict=True):
                _same(one, other, where)
    else:
        assert found == dumped, where


def test_the_graph_as_plain_values(path: Path) -> None:
    graph = read_mnn(path)
    assert graph.inputs == (TensorSpec("x", "float32", (2, 3, 9, 9)),)
    assert graph.outputs == ("out",)
    assert graph.source == "ONNX"
    assert graph.version.split(".")[0].isdigit()
    (first, *_) = (op for op in graph.ops if op.type == "Convolution")
    assert first.parameters["common"]["relu"] is True
    assert np.array_equal(first.parameters["weight"], drawn(CHANNELS, 3, 3, 3, seed=1).ravel())


def test_what_it_says_is_what_mnn_computes(
    mnn: Worker, file: bytes, path: Path, tmp_path: Path
) -> None:
    (computed,) = mnn.call(mnn_vendor.computed, TIMEOUT_S, file, FEED, ["out"])
    said = meant(path, tmp_path)["out"]
    assert said.dtype == np.float64
    assert np.abs(said - computed).max() < 1e-6


FAULTS: dict[str, Callable[[Path], str]] = {
    "weight": planted_mnn.scale_weights,
    "padding": planted_mnn.shift_padding,
    "activation": planted_mnn.drop_activation,
    "concat": planted_mnn.swap_concat_inputs,
    "softmax": planted_mnn.turn_softmax,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_in_what_the_file_says_and_in_what_mnn_computes(
    fault: str, mnn: Worker, path: Path, tmp_path: Path
) -> None:
    before = meant(path, tmp_path)["out"]
    tensor = FAULTS[fault](path)
    assert tensor in {name for op in read_mnn(path).ops for name in op.outputs}
    said = meant(path, tmp_path)["out"]
    (computed,) = mnn.call(mnn_vendor.computed, TIMEOUT_S, path.read_bytes(), FEED, ["out"])
    assert np.abs(said - computed).max() < 1e-6
    assert np.abs(said - before).max() > 1e-3


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "0 bytes"), (b"\0" * 64, "damaged"), (b"\xff" * 64, "damaged"), (b"hello" * 9, "damag")],
)
def test_what_is_no_mnn_file(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "no.mnn"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=said) as caught:
        read_mnn(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelNotFoundError):
        read_mnn(tmp_path / "none.mnn")


def test_damaged_files_are_refused_in_one_line_or_read(path: Path) -> None:
    whole = path.read_bytes()
    drawn_from = random.Random(0)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(8):
            data[drawn_from.randrange(len(data))] = drawn_from.randrange(256)
        path.write_bytes(data[: drawn_from.choice([len(data), drawn_from.randrange(len(data))])])
        try:
            as_onnx(artifact(path))
        except (ModelFileError, BackendUnavailableError) as error:
            assert "\n" not in str(error)


def test_names_that_are_not_the_files_are_refused(path: Path) -> None:
    other = Artifact(
        format="mnn", files=(path,), inputs=(TensorSpec("y", "float32", (2, 3, 9, 9)),)
    )
    with pytest.raises(ModelFileError, match="takes x, not y"):
        as_onnx(other)
    outputs = (TensorSpec("other", "float32", (2, 5)),)
    with pytest.raises(ModelFileError, match="gives out, not other"):
        as_onnx(Artifact(format="mnn", files=(path,), outputs=outputs))


def test_an_unknown_operator_is_named(mnn: Worker, tmp_path: Path) -> None:
    node = helper.make_node("Det", ["x"], ["out"])
    file = mnn_vendor.model([node], {"x": drawn(2, 3, 3)}, ["out"], {})
    path = tmp_path / "det.mnn"
    path.write_bytes(mnn.call(mnn_vendor.converted, TIMEOUT_S, file))
    with pytest.raises(BackendUnavailableError, match="MNN's Det has no translation"):
        as_onnx(artifact(path))
