"""Layers of ncnn in int8: what is written, what ncnn makes of it, and which stay in fp32."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from bare_ncnn import extracted, loaded
from ncnn_layer_cases import LayerCase, LayerFiles, written
from ncnn_models import artifact_of, write_graph
from onnx import helper, numpy_helper
from test_ncnn_layers import by_onnx

from paddleport.convert.ncnn.int8_quantizer import quantize_ncnn
from paddleport.convert.ncnn.onnx_counterparts import kept_places
from paddleport.convert.targets import TargetOptions
from paddleport.convert.targets.ncnn_model import NcnnTarget
from paddleport.errors import ConversionError, UsageError
from paddleport.models.ncnn.int8_weights import quantized_layer, reason_against
from paddleport.models.ncnn.ncnn_file import read_ncnn, write_ncnn
from paddleport.models.ncnn.ncnn_graph import INT8_FLAG, NcnnGraph, NcnnLayer, NcnnWeight
from paddleport.runners.ncnn import NcnnRunner
from paddleport.tensors import Array, TensorSpec

pytest.importorskip("ncnn", reason="the extra ncnn is not installed")

INT8 = dict.fromkeys(
    ("use_int8_inference", "use_int8_packed", "use_int8_storage", "use_int8_arithmetic"), True
)
LAYERS = [
    LayerCase("Convolution", "0=16 1=1 5=1 6=512 9=1", ((32, 9, 8),)),
    LayerCase("Convolution", "0=16 1=3 4=1 5=1 6=2304 9=3 -23310=2,0.0,6.0", ((16, 9, 8),)),
    LayerCase("Convolution", "0=8 1=3 3=2 4=1 5=0 6=216", ((3, 9, 8),)),
    LayerCase("ConvolutionDepthWise", "0=16 1=3 4=1 5=1 6=144 7=16 9=1", ((16, 9, 8),)),
    LayerCase("ConvolutionDepthWise", "0=16 1=3 4=1 5=1 6=576 7=4", ((16, 9, 8),)),
    LayerCase("InnerProduct", "0=10 1=1 2=640 9=1", ((64,),)),
]


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_ncnn_computes_in_int8_what_the_file_says(case: LayerCase, tmp_path: Path) -> None:
    files = written(case, tmp_path)
    net = loaded(files.artifact.path, files.weights)
    (exact,) = extracted(net, files.feed, files.outputs)
    _quantize_alone(files)
    net = loaded(files.artifact.path, files.weights, **INT8)
    (found,) = extracted(net, files.feed, files.outputs)
    (said,) = by_onnx(files)
    size = np.abs(exact).max()
    # in channels packed by 4, 8 or 16, a depthwise layer multiplies by the CPU's 12-bit reciprocal
    exactness = 4e-4 if "7=16" in case.parameters else 1e-5
    np.testing.assert_allclose(found, said[0], rtol=0, atol=exactness * size)
    assert 1e-4 * size < np.abs(found - exact).max() < 0.1 * size


def _quantize_alone(files: LayerFiles) -> None:
    graph = read_ncnn(files.artifact.path, files.weights)
    *inputs, layer = graph.layers
    largest = float(np.abs(files.feed["in0"]).max())
    changed = NcnnGraph((*inputs, quantized_layer(layer, largest)))
    write_ncnn(changed, files.artifact.path, files.weights)


def test_weights_are_stored_as_ncnn2int8_does(tmp_path: Path) -> None:
    files = written(LayerCase("Convolution", "0=4 1=1 5=1 6=12", ((3, 4, 5),)), tmp_path)
    layer = read_ncnn(files.artifact.path, files.weights).layers[-1]
    rows = layer.values("weight_data").reshape(4, 3)
    lower = quantized_layer(layer, 2.0)
    assert lower.integer(8) == 2
    names = ["weight_data", "bias_data", "weight_data_int8_scales", "bottom_blob_int8_scales"]
    assert [item.name for item in lower.weights] == names
    assert lower.weights[0].flag == INT8_FLAG
    assert lower.values("bottom_blob_int8_scales") == np.float32(63.5)
    scales = lower.values("weight_data_int8_scales")
    np.testing.assert_allclose(scales, 127 / np.abs(rows).max(axis=1), rtol=1e-6)
    stored = lower.values("weight_data").reshape(4, 3)
    assert (np.abs(stored).max(axis=1) == 127).all()
    assert np.abs(stored / scales[:, None] - rows).max() <= 0.5001 / scales.min()


def test_winograd_takes_six_bits_and_a_channel_of_zeros_is_none(tmp_path: Path) -> None:
    files = written(LayerCase("Convolution", "0=2 1=3 5=0 6=54", ((3, 4, 5),)), tmp_path)
    layer = read_ncnn(files.artifact.path, files.weights).layers[-1]
    stored = layer.weights[0].stored.copy()
    stored[27:] = 0
    layer = replace(layer, weights=(replace(layer.weights[0], stored=stored),))
    lower = quantized_layer(layer, 1.0)
    values = lower.values("weight_data").reshape(2, -1)
    assert np.abs(values[0]).max() == 31 and not values[1].any()
    assert np.isfinite(lower.values("weight_data_int8_scales")).all()


def test_what_ncnn_can_not_quantise_stays(tmp_path: Path) -> None:
    padded = LayerCase("Convolution", "0=2 1=3 4=1 18=0.5 5=0 6=54", ((3, 4, 5),))
    files = written(padded, tmp_path)
    layer = read_ncnn(files.artifact.path, files.weights).layers[-1]
    assert "padded with other values" in reason_against(layer)
    feed = {"in0": files.feed["in0"][None]}
    artifact = replace(
        files.artifact,
        inputs=(TensorSpec("in0", "float32", (1, 3, 4, 5)),),
        outputs=(TensorSpec("out0", "float32", (1, 2, 4, 5)),),
        provenance={
            "steps": [{"step": "ncnn", "options": {"without_batch_axis": ["in0", "out0"]}}]
        },
    )
    with pytest.raises(ConversionError, match="no layer of this model becomes int8"):
        quantize_ncnn(artifact, tmp_path / "lower.ncnn.param", [feed])


@pytest.mark.parametrize("odd", [0.0, np.nan])
def test_the_largest_value_of_all_feeds_becomes_127(tmp_path: Path, odd: float) -> None:
    files = written(LayerCase("InnerProduct", "0=3 1=1 2=12", ((4,),)), tmp_path)
    artifact = replace(
        files.artifact,
        inputs=(TensorSpec("in0", "float32", (None, 4)),),
        outputs=(TensorSpec("out0", "float32", (None, 3)),),
        provenance={
            "steps": [{"step": "ncnn", "options": {"without_batch_axis": ["in0", "out0"]}}]
        },
    )
    feeds = [
        {"in0": np.array([[1, -2.5, odd, 0.5]], np.float32)},
        {"in0": np.array([[2, 0, 1, 0.5], [0, 0, 0, 1]], np.float32)},
    ]
    done = quantize_ncnn(artifact, tmp_path / "lower.ncnn.param", feeds)
    assert done.settings["layers_in_int8"] == 1 and not done.kept_fp32
    layer = read_ncnn(tmp_path / "lower.ncnn.param", tmp_path / "lower.ncnn.bin").layers[-1]
    assert layer.values("bottom_blob_int8_scales") == np.float32(127 / 2.5)
    with pytest.raises(ConversionError, match="no layer of this model becomes int8"):
        zeros = [{"in0": np.zeros((1, 4), np.float32)}]
        quantize_ncnn(artifact, tmp_path / "none.ncnn.param", zeros)


def _named_network() -> tuple[onnx.ModelProto, NcnnGraph]:
    random = np.random.default_rng(0)
    kernel = random.standard_normal((4, 3, 1, 1)).astype(np.float32)
    table = random.standard_normal((4, 5)).astype(np.float32)
    factors = np.array([1.5, -0.2, 3, 1], np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["y"], name="first"),
        helper.make_node("Relu", ["y"], ["z"], name="middle"),
        helper.make_node("MatMul", ["z", "t"], ["w"], name="last"),
        helper.make_node("MatMul", ["w", "lost"], ["v"], name="gone"),
    ]
    initializers = [
        numpy_helper.from_array(kernel, "k"),
        numpy_helper.from_array(table, "t"),
        numpy_helper.from_array(np.ones((5, 5), np.float32), "lost"),
    ]
    graph = helper.make_graph(nodes, "g", [], [], initializer=initializers)
    layers = (
        _layer("Input", "in0", ()),
        _layer("InnerProduct", "fc_0", (table.T,), 5),
        _layer("Convolution", "conv_0", (kernel * factors[:, None, None, None],), 4),
    )
    return helper.make_model(graph), NcnnGraph(layers)


def _layer(operator: str, name: str, values: tuple[Array, ...], outputs: int = 0) -> NcnnLayer:
    weights = tuple(
        NcnnWeight(name="weight_data", flag=0, stored=np.ascontiguousarray(item).ravel())
        for item in values
    )
    return NcnnLayer(
        operator=operator,
        name=name,
        inputs=(),
        outputs=(name,),
        parameters={0: str(outputs)},
        weights=weights,
    )


def test_layers_to_keep_are_named_as_in_either_file() -> None:
    proto, graph = _named_network()
    assert kept_places(["last"], proto, graph) == {1}
    assert kept_places(["first", "middle"], proto, graph) == {2}
    assert kept_places(["conv_0"], proto, graph) == {2}
    with pytest.raises(UsageError, match=r"Did you mean 'conv_0'"):
        kept_places(["conv_9"], proto, graph)
    with pytest.raises(UsageError, match="gone of the ONNX file is not found again"):
        kept_places(["gone"], proto, graph)


def test_a_node_to_keep_is_kept_by_the_target(tmp_path: Path) -> None:
    """In the file that pnnx made, where it is called otherwise; the rest is int8, as evaluated."""
    random = np.random.default_rng(0)
    weights = {
        "k": random.standard_normal((8, 3, 3, 3)).astype(np.float32),
        "l": random.standard_normal((8, 8, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="middle"),
        helper.make_node("Conv", ["b", "l"], ["y"], name="last"),
    ]
    model = write_graph(
        tmp_path / "m.onnx", nodes, {"x": ["N", 3, 8, 8]}, {"y": ["N", 8, 8, 8]}, weights
    )
    target, path = NcnnTarget(), tmp_path / "m.ncnn.param"
    options = target.check(model, TargetOptions(precision="int8", keep_fp32=("first",)))
    feed = {"x": random.standard_normal((2, 3, 8, 8)).astype(np.float32)}
    made = target.make(model, path, options, [feed])
    layers = read_ncnn(path, path.with_suffix(".bin")).layers
    terms = [layer.integer(8) for layer in layers if layer.operator == "Convolution"]
    assert terms == [0, 2] and made.settings["layers_in_int8"] == 1
    file = artifact_of(made)
    with NcnnRunner(file) as runner:
        assert runner.computes_in == "int8"
        found = runner.run(feed)["y"]
    said = target.evaluate(file, [feed])[0]["y"]
    np.testing.assert_allclose(found, said, rtol=0, atol=2e-2 * np.abs(said).max())
    assert np.median(np.abs(found - said)) < 1e-5 * np.abs(said).max()
