"""Each of ncnn's layers, as the ONNX graph that it is said to be, against ncnn itself."""

from pathlib import Path

import numpy as np
import pytest
from bare_ncnn import extracted, loaded
from ncnn_layer_cases import CASES, LayerCase, LayerFiles, written

from paddleport.models.ncnn.graph_to_onnx import as_onnx
from paddleport.runners import float64
from paddleport.tensors import Array

pytest.importorskip("ncnn", reason="the extra ncnn is not installed")


def by_onnx(files: LayerFiles) -> list[Array]:
    """What the files say, in float64, of one sample."""
    proto = as_onnx(files.artifact)
    float64.to_double(proto)
    evaluator = float64.evaluator(proto)
    feed = {name: values[None].astype(np.float64) for name, values in files.feed.items()}
    return [np.asarray(item) for item in evaluator.run(None, feed)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_layer_is_what_ncnn_makes_of_it(case: LayerCase, tmp_path: Path) -> None:
    files = written(case, tmp_path)
    said = by_onnx(files)
    net = loaded(files.artifact.path, files.weights)
    for wanted, found in zip(extracted(net, files.feed, files.outputs), said, strict=True):
        assert found.shape == (1, *wanted.shape)
        np.testing.assert_allclose(found[0], wanted, rtol=2e-5, atol=2e-5)
