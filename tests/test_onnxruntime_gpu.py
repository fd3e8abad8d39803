"""ONNX Runtime built for GPUs where there is none: refused with the reason, never run on the CPU.

Needs onnxruntime-gpu, which takes onnxruntime's place, so an environment of its own; and no Paddle.
"""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import skip_or_fail
from fake_cuda import fake_driver
from onnx import TensorProto, helper, numpy_helper

from paddleport.models.onnx.onnx_file import write_metadata
from paddleport.models.preprocess import Preprocess
from paddleport.runners.gpu import find_driver

GPU = (("--device", "cuda"), ("-o", "provider=cuda"), ("-o", "provider=tensorrt"))


@pytest.fixture(autouse=True)
def _gpu_build_without_gpu() -> None:
    try:
        version("onnxruntime-gpu")
    except PackageNotFoundError:
        skip_or_fail("onnxruntime-gpu", "not installed")
    if not find_driver().missing:
        pytest.skip("there is a GPU")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mean colour times a matrix, and how it is fed."""
    weight = numpy_helper.from_array(np.eye(3, 6, dtype=np.float32), "w")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("MatMul", ["f", "w"], ["m"]),
            helper.make_node("Softmax", ["m"], ["y"]),
        ],
        "colours",
        [value("x", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [value("y", TensorProto.FLOAT, ["N", 6])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    rule = Preprocess(resize_short=36, crop=(32, 32))
    write_metadata(model, preprocess=rule, labels=None, provenance={})
    path = tmp_path_factory.mktemp("gpu") / "colours.onnx"
    onnx.save(model, str(path))
    return path


def paddleport(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paddleport", *arguments],
        env={**os.environ, "COLUMNS": "400", **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("options", GPU, ids=" ".join)
def test_without_a_gpu(options: tuple[str, str], classifier: Path) -> None:
    done = paddleport("run", str(classifier), "-b", "onnxruntime", *options)
    assert_refused(done, "needs a GPU", "libcuda.so.1", "onnxruntime on cuda")


@pytest.mark.parametrize("options", GPU, ids=" ".join)
def test_a_gpu_without_the_cuda_libraries(
    options: tuple[str, str], classifier: Path, tmp_path: Path
) -> None:
    """Left alone, ONNX Runtime goes on with its CPU provider here."""
    driver = str(fake_driver(tmp_path))
    done = paddleport("run", str(classifier), "-b", "onnxruntime", *options, LD_LIBRARY_PATH=driver)
    assert_refused(done, "libcublas", "cannot open shared object", "onnxruntime-gpu[cuda,cudnn]")


@pytest.mark.parametrize("options", [(), ("--device", "cpu"), ("-o", "provider=cpu")], ids=" ".join)
def test_the_cpu_is_there_as_ever(options: tuple[str, ...], classifier: Path) -> None:
    done = paddleport("run", str(classifier), "-b", "onnxruntime", *options)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime fp32" in done.stdout


def test_openvino_is_of_another_package(classifier: Path) -> None:
    done = paddleport("run", str(classifier), "-b", "onnxruntime", "-o", "provider=openvino")
    assert_refused(done, "pip uninstall -y onnxruntime-gpu", "pip install onnxruntime-openvino")


def test_the_backends_name_the_gpu() -> None:
    done = paddleport("backends")
    assert done.returncode == 0, done.stderr
    (row,) = (line for line in done.stdout.splitlines() if "onnxruntime" in line)
    assert "cuda" in row
