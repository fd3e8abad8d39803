"""Recurrent layers, and a few whole blocks of image models."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from operators.network import Network, normal, picture


def networks(paddle: Any) -> Iterator[Network]:
    """Yield one network per layer and setting."""
    x = {"x": normal(2, 5, 4)}
    for kind in ("LSTM", "GRU", "SimpleRNN"):
        for direction in ("forward", "bidirect"):
            for layers in (1, 2):
                yield Network(
                    f"{kind} {direction} {layers}",
                    lambda x, k=kind, d=direction, n=layers: _recurrent(paddle, x, k, d, n),
                    x,
                    opsets=(11, 17),
                )
    yield Network(
        "LSTM two layers without states",
        lambda x: _recurrent(paddle, x, "LSTM", "bidirect", 2)[0],
        x,
    )
    yield Network(
        "LSTM time major", lambda x: _recurrent(paddle, x, "LSTM", "forward", 1, True), x, (0, 1)
    )
    yield Network(
        "LSTM lengths",
        lambda x, n: paddle.nn.LSTM(4, 3)(x, sequence_length=n)[0],
        {**x, "n": np.array([5, 3])},
    )
    yield Network(
        "squeeze and excite", lambda x: _excite(paddle, x), picture(channels=8), (0, 2, 3)
    )
    yield Network("residual block", lambda x: _residual(paddle, x), picture(), (0, 2, 3))


def _recurrent(
    paddle: Any, x: Any, kind: str, direction: str, layers: int, time_major: bool = False
) -> Any:
    layer = getattr(paddle.nn, kind)(4, 3, layers, direction, time_major=time_major)
    layer.eval()
    found, last = layer(x)
    return [found, *(last if isinstance(last, tuple) else [last])]


def _excite(paddle: Any, x: Any) -> Any:
    f = paddle.nn.functional
    down, up = paddle.nn.Conv2D(8, 2, 1), paddle.nn.Conv2D(2, 8, 1)
    return x * f.hardsigmoid(up(f.relu(down(f.adaptive_avg_pool2d(x, 1)))), slope=0.2, offset=0.5)


def _residual(paddle: Any, x: Any) -> Any:
    norm = paddle.nn.BatchNorm2D(4)
    norm.eval()
    return paddle.nn.functional.leaky_relu(norm(paddle.nn.Conv2D(4, 4, 3, padding=1)(x)), 0.1) + x
