"""Activations with parameters that are not their defaults."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from operators.network import Network, evaluated, normal

X = normal(2, 4, 5, 7) * 3
EDGES = np.concatenate([X.ravel()[:256], np.linspace(-9, 9, 24, dtype=np.float32)]).reshape(
    2, 4, 5, 7
)


def activations() -> Iterator[Network]:
    """Every activation of paddle.nn.functional that has an inference form."""
    for name, arguments in (
        ("leaky_relu", (0.3,)),
        ("elu", (0.7,)),
        ("celu", (0.7,)),
        ("selu", (1.5, 1.2)),
        ("hardsigmoid", (0.25, 0.4)),
        ("hardswish", ()),
        ("hardtanh", (-0.7, 1.3)),
        ("hardshrink", (0.8,)),
        ("softshrink", (0.8,)),
        ("thresholded_relu", (0.8,)),
        ("softplus", (2.0, 3.0)),
        ("softplus", (1.0, 20.0)),
        ("gelu", (False,)),
        ("gelu", (True,)),
        ("swish", ()),
        ("silu", ()),
        ("mish", ()),
        ("relu", ()),
        ("relu6", ()),
        ("sigmoid", ()),
        ("log_sigmoid", ()),
        ("softsign", ()),
        ("tanh", ()),
        ("tanhshrink", ()),
        ("maxout", (2,)),
        ("glu", (1,)),
        ("softmax", (1,)),
        ("softmax", (-1,)),
        ("softmax", (2,)),
        ("log_softmax", (1,)),
        ("log_softmax", (-1,)),
    ):
        title = "_".join([name, *map(str, arguments)])
        yield Network(title, _functional(name, arguments), (EDGES,), opsets=(7, 11, 17, 21))
    yield Network(
        "thresholded_relu_value",
        lambda p, x: p.nn.functional.thresholded_relu(x, 0.5, 0.25),
        (EDGES,),
    )
    for mode, weights in (("one", 1), ("channel", 4)):
        yield Network(
            f"prelu_{mode}",
            lambda p, x, n=weights: evaluated(p.nn.PReLU(n, init=0.3))(x),
            (EDGES,),
            opsets=(7, 17),
        )
    yield Network(
        "prelu_channel_rank_3",
        lambda p, x: evaluated(p.nn.PReLU(4, init=0.3))(x),
        (EDGES.reshape(2, 4, 35),),
    )
    yield Network(
        "prelu_channel_rank_2",
        lambda p, x: evaluated(p.nn.PReLU(4, init=0.3))(x),
        (EDGES.reshape(-1, 4),),
    )
    yield Network(
        "rrelu", lambda p, x: p.nn.functional.rrelu(x, 0.1, 0.5, training=False), (EDGES,)
    )
    yield Network(
        "swish_layer_relu6_chain", lambda p, x: p.nn.functional.relu6(x + 3.0) * x / 6.0, (EDGES,)
    )
    yield Network(
        "softmax_rank_2",
        lambda p, x: p.nn.functional.softmax(x),
        (normal(3, 6),),
        opsets=(7, 11, 13),
    )
    yield Network(
        "softmax_rank_3_middle",
        lambda p, x: p.nn.functional.softmax(x, 1),
        (normal(2, 5, 6),),
        opsets=(7, 11, 13),
    )
    yield Network("logit", lambda p, x: p.logit(p.nn.functional.sigmoid(x), 0.1), (EDGES,))
    yield Network("stanh", lambda p, x: p.stanh(x, 0.5, 1.3), (EDGES,))
    yield Network(
        "gumbel_free_softmax_temperature",
        lambda p, x: p.nn.functional.softmax(x / 0.3),
        (normal(3, 6),),
    )


def _functional(name: str, arguments: tuple[Any, ...]) -> Any:
    return lambda p, x: getattr(p.nn.functional, name)(x, *arguments)
