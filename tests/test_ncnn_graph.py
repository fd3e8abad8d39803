"""Whole networks as what ncnn's files say, and what a fault in the files changes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import planted_ncnn
import pytest
from bare_ncnn import extracted, loaded
from ncnn_layer_cases import LayerCase, LayerFiles, write_network, written
from test_ncnn_layers import by_onnx

from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.models.ncnn.graph_to_onnx import as_onnx
from paddleport.models.ncnn.ncnn_graph import NcnnLayer
from paddleport.models.ncnn.ncnn_names import BATCHED
from paddleport.runners import float64
from paddleport.tensors import TensorSpec

pytest.importorskip("ncnn", reason="the extra ncnn is not installed")

SMALL = """\
7767517
12 14
Input in0 0 1 in0
Convolution conv_0 1 1 in0 1 0=6 1=3 3=2 4=1 14=1 5=1 6=162 9=3 -23310=2,-0.5,0.5
Split split_0 1 2 1 2 3
ConvolutionDepthWise conv_1 1 1 2 4 0=6 1=3 4=1 5=1 6=54 7=6
BinaryOp add_0 2 1 3 4 5 0=0
Split split_1 1 2 5 6 7
ReLU relu_0 1 1 7 8
Concat cat_0 2 1 6 8 9 0=0
Reshape turn_0 1 1 9 10 0=16 1=12 12=233 13=1
Reshape turn_1 1 1 10 11 0=4 1=4 2=12 12=0 13=233
InnerProduct fc_0 1 1 11 12 0=5 1=1 2=960
Softmax prob 1 1 12 out0 0=0 1=1
"""


@pytest.fixture
def small(tmp_path: Path) -> LayerFiles:
    """A network of eleven layers, some of which move the samples to another axis and back."""
    return write_network(SMALL, {"in0": (3, 8, 8)}, tmp_path)


def test_a_network_is_what_ncnn_makes_of_it(small: LayerFiles) -> None:
    net = loaded(small.artifact.path, small.weights)
    (wanted,) = extracted(net, small.feed, small.outputs)
    (found,) = by_onnx(small)
    assert found.shape == (1, 5)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-5, atol=1e-6)


def test_every_blob_keeps_its_name(small: LayerFiles) -> None:
    made = {name for node in as_onnx(small.artifact).graph.node for name in node.output}
    assert {"1", "4", "5", "9", "11", "12"} <= made


def test_inputs_and_outputs_have_the_artifacts_names_and_shapes(small: LayerFiles) -> None:
    artifact = replace(
        small.artifact,
        inputs=(TensorSpec("x", "float32", (None, 3, 8, 8)),),
        outputs=(TensorSpec("y", "float32", (None, 5, 1)),),
    )
    proto = as_onnx(artifact)
    assert [item.name for item in proto.graph.input] == ["x"]
    assert [item.name for item in proto.graph.output] == ["y"]
    float64.to_double(proto)
    feed = {"x": small.feed["in0"][None].astype(np.float64)}
    (found,) = float64.evaluator(proto).run(None, feed)
    assert found.shape == (1, 5, 1)


def test_a_tensor_without_a_batch_is_given_as_it_is(tmp_path: Path) -> None:
    files = written(LayerCase("ReLU", "", ((4, 5),)), tmp_path)
    steps = {"steps": [{"step": "ncnn", "options": {BATCHED: []}}]}
    specs = (TensorSpec("in0", "float32", (4, 5)),), (TensorSpec("out0", "float32", (4, 5)),)
    artifact = replace(files.artifact, inputs=specs[0], outputs=specs[1], provenance=steps)
    proto = as_onnx(artifact)
    float64.to_double(proto)
    x = files.feed["in0"].astype(np.float64)
    (found,) = float64.evaluator(proto).run(None, {"in0": x})
    np.testing.assert_array_equal(found, np.maximum(x, 0))


def test_a_layer_that_is_not_known_is_named(tmp_path: Path) -> None:
    files = written(LayerCase("Spectrogram", "0=8", ((64,),)), tmp_path)
    with pytest.raises(BackendUnavailableError, match=r"Spectrogram \(tested\)"):
        as_onnx(files.artifact)


def test_lost_and_added_outputs_are_said(small: LayerFiles) -> None:
    more = (*small.artifact.outputs, TensorSpec("other", "float32", (1,)))
    with pytest.raises(ModelFileError, match=r"has 1 outputs \(out0\) and should have 2"):
        as_onnx(replace(small.artifact, outputs=more))


@pytest.mark.parametrize(
    ("fault", "operator", "least"),
    [
        (planted_ncnn.other_weight, "Convolution", 1e-2),
        (planted_ncnn.lost_bias, "ConvolutionDepthWise", 1e-3),
        (planted_ncnn.other_padding, "Convolution", 1e-2),
        (planted_ncnn.other_activation, "Convolution", 1e-4),
        (planted_ncnn.swapped_inputs, "Concat", 1e-3),
    ],
)
def test_a_planted_fault_is_what_the_file_says(
    small: LayerFiles,
    fault: Callable[[NcnnLayer], NcnnLayer],
    operator: str,
    least: float,
) -> None:
    (right,) = by_onnx(small)
    planted_ncnn.plant(small.artifact.path, fault, operator)
    (found,) = by_onnx(small)
    assert np.abs(found - right).max() > least
    net = loaded(small.artifact.path, small.weights)
    (wanted,) = extracted(net, small.feed, small.outputs)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-5, atol=1e-6)
