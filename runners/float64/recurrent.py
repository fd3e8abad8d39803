"""LSTM and GRU in float64, both directions, with ONNX's default activations."""

from collections.abc import Callable, Iterator

import numpy as np

from paddleport.runners.float64.node import OperatorNode
from paddleport.runners.float64.pointwise import sigmoid
from paddleport.tensors import Array

Step = Callable[[Array, tuple[Array, ...]], tuple[Array, ...]]


def lstm(
    node: OperatorNode,
    x: Array,
    weight: Array,
    recurrent: Array,
    bias: Array | None = None,
    lengths: Array | None = None,
    hidden: Array | None = None,
    cell: Array | None = None,
    peepholes: Array | None = None,
) -> tuple[Array, ...]:
    """LSTM: x [time, N, inputs], weight [directions, 4 size, inputs]; gates i, o, f, c."""
    if peepholes is not None or node.integer("input_forget", 0):
        raise NotImplementedError("LSTM with peepholes or input_forget")

    def step_of(direction: int) -> Step:
        w, r, b = _parameters(weight, recurrent, bias, direction, 4)

        def step(now: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
            gates = now @ w.T + state[0] @ r.T + b.sum(axis=0)
            i, o, f, c = np.split(gates, 4, axis=-1)
            fresh = sigmoid(node, f) * state[1] + sigmoid(node, i) * np.tanh(c)
            return sigmoid(node, o) * np.tanh(fresh), fresh

        return step

    return _run(node, x, recurrent, step_of, (hidden, cell), lengths)


def gru(
    node: OperatorNode,
    x: Array,
    weight: Array,
    recurrent: Array,
    bias: Array | None = None,
    lengths: Array | None = None,
    hidden: Array | None = None,
) -> tuple[Array, ...]:
    """GRU: x [time, N, inputs], weight [directions, 3 size, inputs]; gates z, r, h."""
    late = bool(node.integer("linear_before_reset", 0))

    def step_of(direction: int) -> Step:
        w, r, b = _parameters(weight, recurrent, bias, direction, 3)
        size = r.shape[1]

        def step(now: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
            (before,) = state
            entering = now @ w.T + b[0]
            z, reset = np.split(
                sigmoid(node, (entering + before @ r.T + b[1])[:, : 2 * size]), 2, axis=-1
            )
            inner = before @ r[2 * size :].T if late else (reset * before) @ r[2 * size :].T
            inner = reset * (inner + b[1, 2 * size :]) if late else inner + b[1, 2 * size :]
            return ((1 - z) * np.tanh(entering[:, 2 * size :] + inner) + z * before,)

        return step

    return _run(node, x, recurrent, step_of, (hidden,), lengths)


def _parameters(
    weight: Array, recurrent: Array, bias: Array | None, direction: int, gates: int
) -> tuple[Array, Array, Array]:
    """Of one direction; the bias as [2, gates * size], of the input and of the recurrence."""
    rows = gates * recurrent.shape[2]
    both = np.zeros((2, rows)) if bias is None else bias[direction].reshape(2, rows)
    return weight[direction], recurrent[direction], both


def _run(
    node: OperatorNode,
    x: Array,
    recurrent: Array,
    step_of: Callable[[int], Step],
    initial: tuple[Array | None, ...],
    lengths: Array | None,
) -> tuple[Array, ...]:
    stated = {"activations", "activation_alpha", "activation_beta", "clip"} & set(node.attributes)
    if stated or node.integer("layout", 0):
        raise NotImplementedError(f"{node.operator} with {', '.join(sorted(stated)) or 'layout'}")
    if lengths is not None and (lengths != len(x)).any():
        raise NotImplementedError(f"{node.operator} with sequences of different length")
    directions, size = recurrent.shape[0], recurrent.shape[2]
    result = np.zeros((len(x), directions, x.shape[1], size))
    last = [np.zeros((directions, x.shape[1], size)) for _ in initial]
    for direction in range(directions):
        state = tuple(
            np.zeros((x.shape[1], size)) if item is None else item[direction] for item in initial
        )
        step = step_of(direction)
        for time in _times(node.text("direction", "forward"), direction, len(x)):
            state = step(x[time], state)
            result[time, direction] = state[0]
        for index, item in enumerate(state):
            last[index][direction] = item
    return (result, *last)


def _times(rule: str, direction: int, count: int) -> Iterator[int]:
    backward = rule == "reverse" or direction == 1
    return iter(range(count - 1, -1, -1) if backward else range(count))
