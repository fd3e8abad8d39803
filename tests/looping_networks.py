"""Networks with loops and branches, saved by Paddle with what they give on a feed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.tensors import Array

X = np.random.default_rng(5).standard_normal((3, 8)).astype(np.float32)
TOKENS = 11


def save(name: str, folder: Path) -> tuple[Artifact, list[Array]]:
    """A network of ``NETWORKS`` in ``folder``, and its outputs on ``X``."""
    import paddle

    paddle.seed(7)
    network = _layer(NETWORKS[name])
    network.eval()
    expected = network(paddle.to_tensor(X))
    found = expected if isinstance(expected, list | tuple) else [expected]
    spec = [paddle.static.InputSpec([None, 8], "float32", "x")]
    static = paddle.jit.to_static(network, input_spec=spec, full_graph=True)
    paddle.jit.save(static, str(folder / "it"))
    model = paddle_artifact(folder / "it.json", folder / "it.pdiparams", "pir")
    return model, [item.numpy() for item in found]


def _layer(forward: Callable[[Any, Any], Any]) -> Any:
    from paddle import nn

    class Network(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.other = nn.Linear(8, 8), nn.Linear(8, TOKENS)
            self.embedding, self.cell = nn.Embedding(TOKENS, 8), nn.GRUCell(8, 8)

    Network.forward = forward  # type: ignore[assignment]  # of one input
    return Network()


# The functions are read by to_static, which wants the first parameter to be called self.
def counted(self, x):  # type: ignore[no-untyped-def]
    """A loop whose body Paddle2ONNX gets right, but for the names in it."""
    import paddle

    step, count, hidden = paddle.zeros([1], "int64"), paddle.full([1], 4, "int64"), x
    while step < count:
        hidden = paddle.tanh(self.linear(hidden))
        step = step + 1
    return hidden


def numbers(self, x):  # type: ignore[no-untyped-def]
    """It carries a number without axes, which becomes a vector of one on the way."""
    import paddle

    def body(step, hidden):  # type: ignore[no-untyped-def]
        return [step + 1, paddle.tanh(self.linear(hidden))]

    start = paddle.full([], 0, "int64")
    static: Any = paddle.static
    return static.nn.while_loop(lambda step, hidden: step < 5, body, [start, x])[1]


def read_inside(self, x):  # type: ignore[no-untyped-def]
    """The body reads the value that went in, besides what the loop has made of it."""
    import paddle

    step, hidden = paddle.zeros([1], "int64"), x
    while step < 4:
        hidden = paddle.tanh(self.linear(hidden)) * 0.5 + x
        step = step + 1
    return hidden


def until_done(self, x):  # type: ignore[no-untyped-def]
    """The condition is carried as well, and computed from the values."""
    import paddle

    step, hidden = paddle.zeros([1], "int64"), x
    going_on = paddle.full([1], True, "bool")
    while going_on:
        hidden = hidden * 0.5 + paddle.tanh(self.linear(hidden)) * 0.1
        step = step + 1
        large = paddle.max(paddle.abs(hidden)).reshape([1]) > 0.2
        going_on = paddle.logical_and(large, step < 20)
    return hidden, step


def swapped(self, x):  # type: ignore[no-untyped-def]
    """The body hands on what it was given, which ended Paddle2ONNX."""
    import paddle

    def body(step, one, other):  # type: ignore[no-untyped-def]
        return [step + 1, other, paddle.tanh(self.linear(one))]

    start = paddle.full([1], 0, "int64")
    static: Any = paddle.static
    _, one, other = static.nn.while_loop(
        lambda step, one, other: step < 3, body, [start, x, self.linear(x)]
    )
    return one + 2 * other


def loop_in_loop(self, x):  # type: ignore[no-untyped-def]
    import paddle

    outer, hidden = paddle.zeros([1], "int64"), x
    while outer < 3:
        inner = paddle.zeros([1], "int64")
        while inner < 2:
            hidden = paddle.tanh(self.linear(hidden))
            inner = inner + 1
        outer = outer + 1
    return hidden


def branch_in_loop(self, x):  # type: ignore[no-untyped-def]
    """A mean over everything inside, whose axes have to be written out there too."""
    import paddle

    step, hidden = paddle.zeros([1], "int64"), x
    while step < 4:
        if paddle.mean(hidden) > 0:  # noqa: SIM108  # a branch is what this is about
            hidden = self.linear(hidden)
        else:
            hidden = paddle.tanh(hidden) - 0.1
        step = step + 1
    return hidden


def replaced_inside(self, x):  # type: ignore[no-untyped-def]
    """Operators that are written in ONNX here, inside a body and after it."""
    import paddle

    step, hidden = paddle.zeros([1], "int64"), x
    functional = paddle.nn.functional
    while step < 3:
        bent = functional.gelu(self.linear(hidden), approximate=True)
        hidden = bent + functional.hardtanh(hidden, -0.3, 0.7)
        step = step + 1
    return functional.celu(hidden)


def stacked_numbers(self, x):  # type: ignore[no-untyped-def]
    """Numbers without axes are stacked inside: a vector of one would make it a matrix."""
    import paddle

    step, hidden = paddle.full([], 0, "int64"), x
    while step < 3:
        ends = paddle.stack([paddle.max(hidden), paddle.min(hidden)])
        hidden = paddle.tanh(self.linear(hidden)) + paddle.max(ends) - ends[0] * 0.5
        step = step + 1
    return hidden


def decoder(self, x):  # type: ignore[no-untyped-def]
    """Greedy decoding: what it carries grows with every step."""
    import paddle

    softmax, hidden = paddle.nn.functional.softmax, x
    token = paddle.argmax(self.other(hidden), axis=-1)
    scores = paddle.unsqueeze(softmax(self.other(hidden)), 1)
    step = paddle.zeros([1], "int64")
    while step < 6:
        hidden, _ = self.cell(self.embedding(token), hidden)
        logits = self.other(hidden)
        token = paddle.argmax(logits, axis=-1)
        scores = paddle.concat([scores, paddle.unsqueeze(softmax(logits), 1)], axis=1)
        step = step + 1
    return scores


def branch(self, x):  # type: ignore[no-untyped-def]
    """One branch computes nothing of its own."""
    import paddle

    hidden = self.linear(x)
    if paddle.mean(hidden) > 0:  # noqa: SIM108  # likewise
        result = hidden
    else:
        result = paddle.nn.functional.relu(hidden) + 1
    return result * 2


NETWORKS: dict[str, Callable[[Any, Any], Any]] = {
    "counted": counted,
    "numbers": numbers,
    "read inside": read_inside,
    "until done": until_done,
    "swapped": swapped,
    "loop in loop": loop_in_loop,
    "branch in loop": branch_in_loop,
    "replaced inside": replaced_inside,
    "stacked numbers": stacked_numbers,
    "decoder": decoder,
    "branch": branch,
}
