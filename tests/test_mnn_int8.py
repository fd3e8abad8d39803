"""MNN's full quantisation: that it computes in 8 bits, what stays in floats, and what it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mnn_vendor
import numpy as np
import pytest
from onnx import helper

from paddleport.convert.precision.mnn_int8 import MnnQuantization, quantize_mnn
from paddleport.convert.targets.base import TargetOptions
from paddleport.errors import ConversionError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.mnn.as_onnx import as_onnx
from paddleport.models.mnn.mnn_file import read_mnn
from paddleport.models.mnn.scale_removal import without_scales
from paddleport.runners.reference import ReferenceRunner
from paddleport.tensors import Array, Feed
from paddleport.worker import Worker

mnn_vendor.install_or_skip()

TIMEOUT_S = 120.0
ROUNDED = 0.15  # of the largest value: three convolutions of random weights in 8 bits


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


FEED = {"x": drawn(1, 3, 12, 12)}
FEEDS: list[Feed] = [FEED, *({"x": drawn(1, 3, 12, 12, seed=seed)} for seed in range(1, 8))]


def network() -> bytes:
    """A convolution, a maximum over windows, and two convolutions that are added to it."""
    window: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b"], ["c1"], "first", **window),
        helper.make_node("MaxPool", ["c1"], ["p"], "pool", strides=[2, 2], **window),
        helper.make_node("Conv", ["p", "w2", "b"], ["c2"], "second", **window),
        helper.make_node("Add", ["c2", "p"], ["a"], "add"),
        helper.make_node("Conv", ["a", "w3", "b"], ["c3"], "third", **window),
        helper.make_node("Conv", ["c3", "w2", "b"], ["out"], "fourth", **window),
    ]
    constants = {
        "w1": drawn(8, 3, 3, 3, seed=11),
        "b": drawn(8, seed=12),
        "w2": drawn(8, 8, 3, 3, seed=13) / 5,
        "w3": drawn(8, 8, 3, 3, seed=14) / 5,
    }
    return mnn_vendor.model(nodes, FEED, ["out"], constants)


@pytest.fixture(scope="module")
def mnn() -> Iterator[Worker]:
    with mnn_vendor.worker() as worker:
        yield worker


@pytest.fixture(scope="module")
def place(mnn: Worker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    (folder / "m.onnx").write_bytes(network())
    (folder / "m.mnn").write_bytes(mnn.call(mnn_vendor.converted, TIMEOUT_S, network()))
    return folder


def quantized(mnn: Worker, place: Path, out: Path, *keep: str) -> MnnQuantization:
    options = TargetOptions(precision="int8", keep_fp32=keep)
    files = place / "m.mnn", out, place / "m.onnx"
    return mnn.call(quantize_mnn, TIMEOUT_S, *files, FEEDS, options)


def computed(mnn: Worker, path: Path) -> Array:
    (found,) = mnn.call(mnn_vendor.computed, TIMEOUT_S, path.read_bytes(), FEED, ["out"])
    return found


def kinds(mnn: Worker, path: Path) -> dict[str, str]:
    return mnn.call(mnn_vendor.kinds, TIMEOUT_S, path.read_bytes(), FEED)


def said(path: Path) -> Array:
    onnx_file = path.with_suffix(".said.onnx")
    onnx_file.write_bytes(as_onnx(Artifact(format="mnn", files=(path,))).SerializeToString())
    with ReferenceRunner(onnx_artifact(onnx_file)) as runner:
        return runner.run(FEED)["out"]


def test_it_computes_in_8_bits_and_says_so(mnn: Worker, place: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.mnn"
    done = quantized(mnn, place, path)
    assert done.settings["used_sample_num"] == len(FEEDS)
    whole, rounded = computed(mnn, place / "m.mnn"), computed(mnn, path)
    error = np.abs(rounded - whole).max() / np.abs(whole).max()
    assert 1e-4 < error < ROUNDED
    ran = kinds(mnn, path)
    assert [name for name, kind in ran.items() if kind == "Convolution [ DT_INT8 ]"] == [
        "c3",
        "out",
    ]
    scale = read_mnn(path).scales["out"]["scale"]
    steps = np.abs(said(path) - rounded) / scale
    assert steps.max() < 1.01 and (steps > 0.01).mean() < 0.01  # at most a tie, one step away


def test_max_pooling_stays_in_floats(mnn: Worker, place: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.mnn"
    done = quantized(mnn, place, path)
    assert list(done.kept_fp32) == ["p"]
    ran = kinds(mnn, path)
    assert ran["p"] == "Pooling" and ran["c1"] == "Convolution"


def test_a_layer_stays_in_floats_when_asked_to(mnn: Worker, place: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.mnn"
    quantized(mnn, place, path, "third")
    assert kinds(mnn, path)["c3"] == "Convolution"
    with pytest.raises(UsageError, match="Did you mean 'third'"):
        quantized(mnn, place, path, "thirdd")


def test_nothing_left_to_quantise(mnn: Worker, place: Path, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="nothing of this model"):
        quantized(mnn, place, tmp_path / "q.mnn", "first", "second", "third", "fourth")


def test_half_a_file_is_said_to_be_one(
    mnn: Worker, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole.mnn"
    quantized(mnn, place, whole)

    def disk_full(source: Path, out: Path, *_: object) -> None:
        out.write_bytes(whole.read_bytes()[:-400])

    monkeypatch.setattr("paddleport.convert.precision.mnn_int8._run", disk_full)
    options = TargetOptions(precision="int8")
    with pytest.raises(ConversionError, match="half a file"):
        quantize_mnn(place / "m.mnn", tmp_path / "q.mnn", place / "m.onnx", FEEDS, options)


def test_integers_are_refused(place: Path, tmp_path: Path) -> None:
    feed = {"x": np.zeros((1, 3, 12, 12), np.int32)}
    options = TargetOptions(precision="int8")
    with pytest.raises(UsageError, match="float32 inputs, and x is int32"):
        quantize_mnn(place / "m.mnn", tmp_path / "q.mnn", place / "m.onnx", [feed], options)


def test_a_scale_is_taken_out(mnn: Worker, place: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.mnn"
    quantized(mnn, place, path)
    before = read_mnn(path).scales
    path.write_bytes(without_scales(path.read_bytes(), {"c3"}))
    assert read_mnn(path).scales == {name: scale for name, scale in before.items() if name != "c3"}


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("bits", [8, 4])
def test_a_file_with_narrow_weights_says_what_mnn_computes(
    bits: int, asymmetric: bool, mnn: Worker, place: Path, tmp_path: Path
) -> None:
    options = [f"--weightQuantBits={bits}", *(["--weightQuantAsymmetric"] if asymmetric else [])]
    path = tmp_path / "w.mnn"
    path.write_bytes(mnn.call(mnn_vendor.converted, TIMEOUT_S, network(), *options))
    rounded, whole = computed(mnn, path), computed(mnn, place / "m.mnn")
    largest = np.abs(whole).max()
    assert np.abs(rounded - whole).max() > 1e-4 * largest
    assert np.abs(said(path) - rounded).max() < 1e-5 * largest


def test_a_file_of_halves_says_what_mnn_computes(mnn: Worker, tmp_path: Path) -> None:
    path = tmp_path / "h.mnn"
    path.write_bytes(mnn.call(mnn_vendor.converted, TIMEOUT_S, network(), "--fp16"))
    rounded = computed(mnn, path)
    assert np.abs(said(path) - rounded).max() < 1e-5 * np.abs(rounded).max()
