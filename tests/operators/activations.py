"""Activations with parameters that are not their defaults."""

from collections.abc import Iterator
from typing import Any

from operators.network import CHANGED, Network, normal, parameter, picture


def networks(paddle: Any) -> Iterator[Network]:
    """Yield one network per activation and setting."""
    f = paddle.nn.functional
    settings = {
        "leaky_relu 0.3": lambda x: f.leaky_relu(x, 0.3),
        "leaky_relu default": lambda x: f.leaky_relu(x),
        "elu 0.4": lambda x: f.elu(x, 0.4),
        "celu 0.4": lambda x: f.celu(x, 0.4),
        "selu": lambda x: f.selu(x),
        "selu scale alpha": lambda x: f.selu(x, scale=1.3, alpha=0.7),
        "relu": lambda x: f.relu(x),
        "relu6": lambda x: f.relu6(x),
        "hardsigmoid": lambda x: f.hardsigmoid(x),
        "hardsigmoid slope offset": lambda x: f.hardsigmoid(x, slope=0.2, offset=0.3),
        "hardswish": lambda x: f.hardswish(x),
        "hardtanh": lambda x: f.hardtanh(x, min=-0.7, max=1.4),
        "hardshrink": lambda x: f.hardshrink(x, 0.8),
        "softshrink": lambda x: f.softshrink(x, 0.8),
        "tanhshrink": lambda x: f.tanhshrink(x),
        "thresholded_relu": lambda x: f.thresholded_relu(x, 0.6),
        "thresholded_relu value": lambda x: f.thresholded_relu(x, 0.6, 0.25),
        "swish": lambda x: f.swish(x),
        "silu": lambda x: f.silu(x),
        "mish": lambda x: f.mish(x),
        "gelu erf": lambda x: f.gelu(x),
        "gelu tanh": lambda x: f.gelu(x, approximate=True),
        "softplus": lambda x: f.softplus(x),
        "softplus beta threshold": lambda x: f.softplus(x, beta=0.5, threshold=1.0),
        "softsign": lambda x: f.softsign(x),
        "sigmoid": lambda x: f.sigmoid(x),
        "log_sigmoid": lambda x: f.log_sigmoid(x),
        "tanh": lambda x: f.tanh(x),
        "stanh": lambda x: paddle.stanh(x, 0.5, 1.3),
        "maxout": lambda x: f.maxout(x, 2),
        "glu": lambda x: f.glu(x, axis=1),
        "logit": lambda x: paddle.logit(f.sigmoid(x), eps=0.2),
    }
    for name, forward in settings.items():
        yield Network(name, forward, picture(), (0,))
    far = {"x": normal(2, 9, scale=200)}
    yield Network("log_sigmoid far", lambda x: f.log_sigmoid(x), far, (0,))
    for mode, size in (("one", 1), ("channel", 4)):
        weight = normal(size, seed=1, scale=0.3)
        yield Network(
            f"prelu {mode}",
            lambda x, weight=weight: f.prelu(x, parameter(paddle, weight)),
            picture(),
        )
    element = normal(1, 4, 6, 7, seed=1, scale=0.3)
    yield Network(
        "prelu element",
        lambda x: paddle._C_ops.prelu(x, parameter(paddle, element), "NCHW", "element"),
        picture(),
        formats=("pir",),
    )
    for axis in (-1, 1, 2, 0):
        yield Network(
            f"softmax axis {axis}",
            lambda x, axis=axis: f.softmax(x, axis),
            picture(),
            opsets=CHANGED,
        )
        yield Network(
            f"log_softmax axis {axis}",
            lambda x, axis=axis: f.log_softmax(x, axis),
            picture(),
            opsets=CHANGED,
        )
    for mode in ("upscale_in_train", "downscale_in_infer"):
        yield Network(
            f"dropout {mode}",
            lambda x, mode=mode: f.dropout(x, 0.3, training=False, mode=mode),
            picture(),
            opsets=CHANGED,
        )
    yield Network("clip", lambda x: paddle.clip(x, -0.6, 1.2), picture(), opsets=CHANGED)
    yield Network("clip min", lambda x: paddle.clip(x, min=-0.6), picture(), opsets=CHANGED)
    yield Network("clip max", lambda x: paddle.clip(x, max=0.4), picture(), opsets=CHANGED)
    yield Network("relu6 by opset", lambda x: f.relu6(x), picture(), opsets=CHANGED)
    yield Network(
        "clip by tensors",
        lambda x: paddle.clip(x, paddle.mean(x) - 0.5, paddle.mean(x) + 0.5),
        picture(),
        opsets=CHANGED,
    )
