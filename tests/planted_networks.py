"""Small networks in which a fault can be planted at a known place, in ONNX and by Paddle."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from paddleport.tensors import Array

WIDTH = 16


def _orthogonal(generator: np.random.Generator) -> Array:
    """Keeps the scale of what goes through it, so that no depth washes a fault out."""
    found: Array = np.linalg.qr(generator.normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)
    return found


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: dict[str, Array],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "planted",
        inputs,
        outputs,
        [numpy_helper.from_array(item, name) for name, item in weights.items()],
    )
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    return path


def floats(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def save_chain(path: Path, *, nodes: int = 100) -> Path:
    """x [4, 16] → t1 → ... → t100: products and LeakyRelu in turn, named n1 to n100."""
    generator = np.random.default_rng(1)
    made, weights = [], {}
    for index in range(1, nodes + 1):
        before, after = "x" if index == 1 else f"t{index - 1}", f"t{index}"
        if index % 2:
            weights[f"w{index}"] = _orthogonal(generator)
            made.append(
                helper.make_node("MatMul", [before, f"w{index}"], [after], name=f"n{index}")
            )
        else:
            made.append(
                helper.make_node("LeakyRelu", [before], [after], name=f"n{index}", alpha=0.5)
            )
    return _save(path, made, [floats("x", 4, WIDTH)], [floats(f"t{nodes}", 4, WIDTH)], weights)


def save_residual(path: Path, *, blocks: int = 12) -> Path:
    """x → blocks of s + tanh(s w); block k gives m{k}, h{k} (the branch) and s{k} (the sum).

    No node has a name.
    """
    generator = np.random.default_rng(2)
    made, weights, before = [], {}, "x"
    for index in range(1, blocks + 1):
        weights[f"w{index}"] = _orthogonal(generator)
        made += [
            helper.make_node("MatMul", [before, f"w{index}"], [f"m{index}"]),
            helper.make_node("Tanh", [f"m{index}"], [f"h{index}"]),
            helper.make_node("Add", [before, f"h{index}"], [f"s{index}"]),
        ]
        before = f"s{index}"
    return _save(path, made, [floats("x", "N", WIDTH)], [floats(before, "N", WIDTH)], weights)


def save_two_in_two_out(path: Path) -> Path:
    """x and y go their own ways, meet in z, and part again: outputs u (of x alone) and v."""
    generator = np.random.default_rng(3)
    weights = {name: _orthogonal(generator) for name in ("wx", "wy", "wz")}
    made = [
        helper.make_node("MatMul", ["x", "wx"], ["a"], name="first"),
        helper.make_node("MatMul", ["y", "wy"], ["b"], name="second"),
        helper.make_node("Tanh", ["a"], ["u"], name="third"),
        helper.make_node("Sigmoid", ["b"], ["c"], name="fourth"),
        helper.make_node("Mul", ["a", "c"], ["d"], name="meet"),
        helper.make_node("MatMul", ["d", "wz"], ["v"], name="last"),
    ]
    inputs = [floats("x", 2, WIDTH), floats("y", 2, WIDTH)]
    return _save(path, made, inputs, [floats("u", 2, WIDTH), floats("v", 2, WIDTH)], weights)


def save_whole_numbers(path: Path) -> Path:
    """x [4, 16] → ArgMax → Gather of rows; Greater → Where between two paths."""
    generator = np.random.default_rng(4)
    weights = {
        "w": _orthogonal(generator),
        "rows": _orthogonal(generator),
        "zero": np.zeros(1, np.float32),
    }
    made = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="product"),
        helper.make_node("ArgMax", ["a"], ["best"], name="argmax", axis=1, keepdims=0),
        helper.make_node("Gather", ["rows", "best"], ["row"], name="gather"),
        helper.make_node("Greater", ["a", "zero"], ["positive"], name="greater"),
        helper.make_node("Where", ["positive", "a", "row"], ["mixed"], name="where"),
        helper.make_node("Tanh", ["mixed"], ["y"], name="tanh"),
    ]
    return _save(path, made, [floats("x", 4, WIDTH)], [floats("y", 4, WIDTH)], weights)


def save_branching(path: Path) -> Path:
    """An If whose branches read outer values; the node is ``choice``, its condition of x."""
    half = np.array(0.5, np.float32)
    then = helper.make_graph(
        [helper.make_node("Tanh", ["a"], ["yes"])], "then", [], [floats("yes", 2, WIDTH)]
    )
    other = helper.make_graph(
        [helper.make_node("Mul", ["a", "half"], ["no"])], "else", [], [floats("no", 2, WIDTH)]
    )
    weights = {"w": _orthogonal(np.random.default_rng(5)), "half": half}
    made = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="product"),
        helper.make_node("ReduceSum", ["x"], ["sum"], name="sum", keepdims=0),
        helper.make_node("Less", ["sum", "half"], ["small"], name="less"),
        helper.make_node(
            "If", ["small"], ["b"], name="choice", then_branch=then, else_branch=other
        ),
        helper.make_node("Sigmoid", ["b"], ["y"], name="sigmoid"),
    ]
    return _save(path, made, [floats("x", 2, WIDTH)], [floats("y", 2, WIDTH)], weights)


def save_cancelling(path: Path) -> Path:
    """y = 10 (relu(tanh(x) + 10000) - 10000): right in every node, and ill-conditioned."""
    weights = {
        name: np.array(value, np.float32) for name, value in (("big", 10000.3), ("factor", 10.0))
    }
    made = [
        helper.make_node("Tanh", ["x"], ["a"], name="tanh"),
        helper.make_node("Add", ["a", "big"], ["b"], name="lift"),
        helper.make_node("Relu", ["b"], ["c"], name="relu"),
        helper.make_node("Sub", ["c", "big"], ["d"], name="cancel"),
        helper.make_node("Mul", ["d", "factor"], ["y"], name="scale"),
    ]
    return _save(path, made, [floats("x", 4, WIDTH)], [floats("y", 4, WIDTH)], weights)


def save_amplifying(path: Path) -> Path:
    """x → t1 ... t9, then the same way twice, t10 ... t20 and b10 ... b20; y = t20 - 0.99 b20.

    An error in one of the two ways is 100 times as large in y, against y's own scale.
    """
    generator = np.random.default_rng(6)
    weights = {f"w{index}": _orthogonal(generator) for index in range(1, 21)}
    weights["most"] = np.array(0.99, np.float32)
    made = []
    for way in "tb":
        for index in range(10 if way == "b" else 1, 21):
            before = "x" if index == 1 else f"{way}{index - 1}" if index != 10 else "t9"
            inputs, name = [before, f"w{index}"], f"{way}{index}"
            made.append(helper.make_node("MatMul", inputs, [name], name=f"n{name}"))
    made += [
        helper.make_node("Mul", ["b20", "most"], ["near"], name="near"),
        helper.make_node("Sub", ["t20", "near"], ["y"], name="difference"),
    ]
    return _save(path, made, [floats("x", 4, WIDTH)], [floats("y", 4, WIDTH)], weights)


def feed(*names: str, rows: int = 4, seed: int = 0) -> dict[str, Array]:
    """Standard normal float32 [rows, 16] for each name."""
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=(rows, WIDTH)).astype(np.float32) for name in names}


def untelling() -> Callable[[str], str]:
    """New names that tell nothing, and that a terminal, a file system or a shell trips over."""
    given: dict[str, str] = {}
    return lambda name: given.setdefault(name, f"[bold]{len(given)} /ü$(:>\n\x1b")


def rename(proto: onnx.ModelProto, new: Callable[[str], str] | None = None) -> None:
    """Give every tensor but the inputs another name, the nodes none; without subgraphs."""
    kept = {"", *(item.name for item in proto.graph.input)}
    new = new or untelling()

    def names(given: Iterable[str]) -> list[str]:
        return [name if name in kept else new(name) for name in given]

    for node in proto.graph.node:
        node.name = ""
        node.input[:] = names(node.input)
        node.output[:] = names(node.output)
    for item in (*proto.graph.initializer, *proto.graph.output):
        (item.name,) = names([item.name])
    del proto.graph.value_info[:]


def save_by_paddle(prefix: str) -> None:
    """The network of the converter's tests, in the format of this process.

    conv → batch norm → leaky_relu(0.3) → dropout(0.2, downscale_in_infer) → conv → relu, plus
    what came out of leaky_relu; the mean over the picture, a linear layer; outputs are its
    logits, and the sum of another input and the logits' softmax.
    """
    import paddle
    from paddle import nn

    class Planted(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2D(3, 8, 3, padding=1)
            self.norm = nn.BatchNorm2D(8)
            self.second = nn.Conv2D(8, 8, 3, padding=1, bias_attr=False)
            self.linear = nn.Linear(8, 5)

        def forward(self, x, offset):  # type: ignore[no-untyped-def]  # to_static reads it
            functional = nn.functional
            hidden = functional.leaky_relu(self.norm(self.first(x)), 0.3)
            thinned = functional.dropout(hidden, 0.2, training=False, mode="downscale_in_infer")
            summed = functional.relu(self.second(thinned)) + hidden
            logits = self.linear(summed.mean([2, 3]))
            return logits, offset + functional.softmax(logits)

    network = Planted()
    generator = np.random.default_rng(7)
    for parameter in network.parameters():
        values = generator.normal(0, 0.5, parameter.shape).astype(np.float32)
        parameter.set_value(values)
    network.norm._mean.set_value(generator.normal(size=8).astype(np.float32))
    network.norm._variance.set_value(generator.uniform(0.5, 2, 8).astype(np.float32))
    network.eval()
    spec = [
        paddle.static.InputSpec([None, 3, 10, 10], "float32", name="x"),
        paddle.static.InputSpec([None, 5], "float32", name="offset"),
    ]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)


def save_sequence_by_paddle(prefix: str) -> None:
    """Whole numbers and a weight for each → LSTM both ways → attention → norm → gelu → linear.

    Both lengths are free. The outputs are the linear layer's and the mean of what it reads.
    """
    import paddle
    from paddle import nn

    class Sequence(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(32, 16)
            self.lstm = nn.LSTM(16, 8, direction="bidirect")
            self.attention = nn.MultiHeadAttention(16, 2)
            self.norm = nn.LayerNorm(16)
            self.head = nn.Linear(16, 5)

        def forward(self, ids, weight):  # type: ignore[no-untyped-def]  # to_static reads it
            hidden, _ = self.lstm(self.embedding(ids))
            hidden = self.norm(hidden + self.attention(hidden))
            hidden = nn.functional.gelu(hidden * weight.unsqueeze(-1))
            return self.head(hidden), hidden.mean(1)

    network = Sequence()
    generator = np.random.default_rng(8)
    for parameter in network.parameters():
        parameter.set_value(generator.normal(0, 0.4, parameter.shape).astype(np.float32))
    network.eval()
    spec = [
        paddle.static.InputSpec([None, None], "int64", name="ids"),
        paddle.static.InputSpec([None, None], "float32", name="weight"),
    ]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)


def save_branching_by_paddle(prefix: str) -> None:
    """A linear layer, an if on the sum of what it gives, and another linear layer."""
    import paddle
    from paddle import nn

    class Branching(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads it
            hidden = self.first(x)
            hidden = paddle.static.nn.cond(  # type: ignore[no-untyped-call]  # Paddle's
                hidden.sum() > 0, lambda: paddle.tanh(hidden) * 2, lambda: hidden * 0.5
            )
            return self.second(hidden)

    network = Branching()
    generator = np.random.default_rng(9)
    for parameter in network.parameters():
        parameter.set_value(generator.normal(0, 0.4, parameter.shape).astype(np.float32))
    network.eval()
    spec = [paddle.static.InputSpec([None, 8], "float32", name="x")]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)


def paddle_feed(*, seed: int = 0) -> dict[str, Array]:
    """Standard normal x [2, 3, 10, 10] and offset [2, 5]."""
    generator = np.random.default_rng(seed)
    shapes = {"x": (2, 3, 10, 10), "offset": (2, 5)}
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
