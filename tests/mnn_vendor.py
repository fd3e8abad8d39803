"""MNN itself, to hold the reader against: its converter, its dump and its runtime, in a worker."""

import importlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from paddleport.tensors import Array
from paddleport.worker import Worker

OPSET = 17


def install_or_skip() -> None:
    """Skip the tests of a module where MNN is not installed."""
    if importlib.util.find_spec("MNN") is None:
        pytest.skip("MNN is not installed", allow_module_level=True)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Array],
    outputs: Sequence[str],
    constants: Mapping[str, Array],
    opset: int = OPSET,
) -> bytes:
    """An ONNX file of nodes that take ``inputs``."""
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(item.dtype), item.shape)
        for name, item in inputs.items()
    ]
    graph = helper.make_graph(
        nodes,
        "made",
        infos,
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(item, name) for name, item in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    found: bytes = onnx.shape_inference.infer_shapes(made).SerializeToString()
    return found


def converted(file: bytes, *options: str) -> bytes:
    """What MNN's converter makes of an ONNX file; runs in a worker."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "m.onnx"), Path(folder, "m.mnn")
        source.write_bytes(file)
        _tools().mnnconvert(
            [
                "mnnconvert", "-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target),
                "--bizCode", "test", "--useGeluApproximation", "0", *options,
            ]
        )  # fmt: skip
        return target.read_bytes()


def dumped(file: bytes) -> str:
    """The JSON that MNN writes of a file; runs in a worker."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "m.mnn"), Path(folder, "m.json")
        source.write_bytes(file)
        _tools().mnnconvert(
            ["mnnconvert", "-f", "MNN", "--modelFile", str(source), "--JsonFile", str(target)]
        )
        return target.read_text("utf-8", "replace")


def computed(file: bytes, feed: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
    """What MNN computes, in fp32 on one thread; runs in a worker."""
    mnn = importlib.import_module("MNN")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.mnn")
        path.write_bytes(file)
        interpreter = mnn.Interpreter(str(path))
    interpreter.setSessionHint(3, 1)  # the small tiles of Winograd's convolution: the exact ones
    session = interpreter.createSession({"precision": "high", "numThread": 1, "backend": "CPU"})
    for name, item in feed.items():
        narrow = item.astype(np.float32 if item.dtype.kind == "f" else np.int32)
        interpreter.getSessionInput(session, name).copyFrom(_tensor(mnn, narrow))
    interpreter.runSession(session)
    return [_read(mnn, interpreter.getSessionOutput(session, name)) for name in outputs]


def worker() -> Worker:
    """A child process for the functions above."""
    return Worker(preload=["onnx"])


def _tools() -> Any:
    return importlib.import_module("_tools")  # MNN's wheel has it beside the package


def _tensor(mnn: Any, item: Array) -> Any:
    kind = mnn.Halide_Type_Float if item.dtype == np.float32 else mnn.Halide_Type_Int
    return mnn.Tensor(item.shape, kind, item, mnn.Tensor_DimensionType_Caffe)


def _read(mnn: Any, tensor: Any) -> Array:
    shape = tensor.getShape()
    dtype = np.float32 if tensor.getDataType() == mnn.Halide_Type_Float else np.int32
    host = _tensor(mnn, np.zeros(shape, dtype))
    tensor.copyToHostTensor(host)
    found: Array = host.getNumpyData().reshape(shape).copy()
    return found
