"""One small network three times: in numpy, as an ONNX file, and saved by Paddle.

A 3x3 convolution with stride 2, relu, the mean over the picture, a linear layer; its logits
and their softmax are the outputs, so that swapped outputs have the right shapes.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from paddleport.tensors import Array

INPUT = "x"
SHAPE = (3, 9, 9)
OUTPUTS = ("logits", "scores")


def weights() -> dict[str, Array]:
    """Kernel [4, 3, 3, 3], kernel bias [4], linear [4, 5], linear bias [5], all float32."""
    random = np.random.default_rng(20)
    shapes = {"kernel": (4, 3, 3, 3), "kernel_bias": (4,), "linear": (4, 5), "linear_bias": (5,)}
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def feed(batch: int, *, seed: int = 0) -> dict[str, Array]:
    """Standard normal float32 [batch, 3, 9, 9]."""
    return {INPUT: np.random.default_rng(seed).normal(size=(batch, *SHAPE)).astype(np.float32)}


def expected(x: Array) -> tuple[Array, Array]:
    """Logits and scores [N, 5] in float64, by the definition of each layer."""
    given = {name: item.astype(np.float64) for name, item in weights().items()}
    hidden = np.zeros((len(x), 4, 4, 4))
    for place in np.ndindex(hidden.shape):
        sample, channel, row, column = place
        window = x[sample, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        hidden[place] = (window * given["kernel"][channel]).sum() + given["kernel_bias"][channel]
    logits = np.maximum(hidden, 0).mean(axis=(2, 3)) @ given["linear"] + given["linear_bias"]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return logits, scores


def save_onnx(path: Path) -> None:
    """Write it as an ONNX file."""
    nodes = [
        helper.make_node("Conv", [INPUT, "kernel", "kernel_bias"], ["c"], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("ReduceMean", ["r"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["m", "linear", "linear_bias"], ["g"]),
        helper.make_node("Identity", ["g"], [OUTPUTS[0]]),  # as Paddle2ONNX ends its graphs
        helper.make_node("Softmax", ["g"], [OUTPUTS[1]], axis=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [value(INPUT, TensorProto.FLOAT, ["N", *SHAPE])],
        [value(name, TensorProto.FLOAT, ["N", 5]) for name in OUTPUTS],
        [numpy_helper.from_array(item, name) for name, item in weights().items()],
    )
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))


def save_paddle(prefix: str) -> None:
    """Save it with Paddle, in the format that FLAGS_enable_pir_api of this process chooses."""
    import paddle
    from paddle import nn

    class Small(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2D(3, 4, 3, stride=2)
            self.linear = nn.Linear(4, 5)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            hidden = nn.functional.relu(self.convolution(x)).mean([2, 3])
            logits = self.linear(hidden)
            return logits, nn.functional.softmax(logits)

    network = Small()
    given = weights()
    network.convolution.weight.set_value(given["kernel"])
    network.convolution.bias.set_value(given["kernel_bias"])
    network.linear.weight.set_value(given["linear"])
    network.linear.bias.set_value(given["linear_bias"])
    network.eval()
    spec = [paddle.static.InputSpec([None, *SHAPE], "float32", name=INPUT)]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)


def save_paddle_without_parameters(prefix: str) -> None:
    """Save relu(x), which has no parameters, with Paddle."""
    import paddle

    def forward(x):  # type: ignore[no-untyped-def]  # to_static reads this source
        return paddle.nn.functional.relu(x)

    spec = [paddle.static.InputSpec([None, *SHAPE], "float32", name=INPUT)]
    paddle.jit.save(paddle.jit.to_static(forward, input_spec=spec, full_graph=True), prefix)
