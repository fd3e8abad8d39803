"""Normalisations with epsilons that matter, and the ways to write them by hand."""

from collections.abc import Iterator
from typing import Any

from operators.network import CHANGED, Network, normal, parameter, picture, positive


def networks(paddle: Any) -> Iterator[Network]:
    """Yield one network per normalisation and setting."""
    f = paddle.nn.functional

    def weight(count: int) -> Any:
        return parameter(paddle, positive(count, seed=2))

    def bias(count: int) -> Any:
        return parameter(paddle, normal(count, seed=3))

    def batch_norm(x: Any, epsilon: float) -> Any:
        mean, variance = parameter(paddle, normal(4, seed=4)), parameter(paddle, positive(4) * 2e-3)
        mean.stop_gradient = variance.stop_gradient = True
        return f.batch_norm(x, mean, variance, weight(4), bias(4), epsilon=epsilon)

    for epsilon in (1e-5, 1e-3):
        yield Network(
            f"batch_norm {epsilon}",
            lambda x, e=epsilon: batch_norm(x, e),
            picture(),
            (0, 2, 3),
            opsets=CHANGED,
        )
        yield Network(
            f"group_norm {epsilon}",
            lambda x, e=epsilon: f.group_norm(x, 2, e, weight(4), bias(4)),
            picture(),
            (0,),
            opsets=(7, 11, 17, 18, 21),
        )
        yield Network(
            f"layer_norm {epsilon}",
            lambda x, e=epsilon: f.layer_norm(x * 0.03, [6, 7], epsilon=e),
            picture(),
            opsets=(7, 11, 17, 21),
        )
        yield Network(
            f"instance_norm {epsilon}",
            lambda x, e=epsilon: f.instance_norm(x, weight=weight(4), bias=bias(4), eps=e),
            picture(),
            (0,),
            opsets=(7, 11, 17, 21),
        )
    yield Network(
        "batch_norm 2D", lambda x: batch_norm(x, 1e-3), {"x": normal(5, 4)}, (0,), opsets=(7, 17)
    )
    yield Network(
        "batch_norm NHWC",
        lambda x: paddle._C_ops.batch_norm_(
            x,
            parameter(paddle, normal(4, seed=4)),
            parameter(paddle, positive(4)),
            weight(4),
            bias(4),
            True,
            0.9,
            1e-3,
            "NHWC",
            True,
            False,
        )[0],
        {"x": normal(2, 4, 4, 4)},
        formats=("pir",),
    )
    yield Network("batch_norm 3D", lambda x: batch_norm(x, 1e-3), {"x": normal(5, 4, 6)}, (0,))
    yield Network(
        "batch_norm 5D", lambda x: batch_norm(x, 1e-3), {"x": normal(2, 4, 3, 3, 2)}, (0,)
    )
    yield Network(
        "layer_norm affine last",
        lambda x: f.layer_norm(x * 0.03, 7, weight(7), bias(7), 1e-3),
        picture(),
        (0, 2),
        opsets=(7, 11, 17, 21),
    )
    yield Network(
        "layer_norm affine two axes",
        lambda x: paddle.nn.LayerNorm([6, 7], 1e-3)(x * 0.03),
        picture(),
    )
    yield Network(
        "layer_norm weight only",
        lambda x: f.layer_norm(x * 0.03, 7, weight(7), None, 1e-3),
        picture(),
    )
    yield Network("instance_norm plain", lambda x: f.instance_norm(x, eps=0.2), picture())
    yield Network(
        "instance_norm 3D",
        lambda x: f.instance_norm(x, weight=weight(4), bias=bias(4), eps=0.2),
        {"x": normal(2, 4, 9)},
    )
    yield Network("group_norm plain", lambda x: f.group_norm(x, 4, 0.2), picture())
    yield Network(
        "group_norm 3D",
        lambda x: f.group_norm(x, 2, 0.2, weight(4), bias(4)),
        {"x": normal(2, 4, 9)},
    )
    yield Network(
        "group_norm free size",
        lambda x: f.group_norm(x, 2, 0.2, weight(4), bias(4)),
        picture(),
        (0, 2, 3),
    )
    yield Network(
        "rms norm by hand",
        lambda x: x * paddle.rsqrt(paddle.mean(x * x, -1, keepdim=True) + 0.1) * weight(7),
        picture(),
        opsets=(7, 11, 17, 21),
    )
    yield Network(
        "local_response_norm",
        lambda x: f.local_response_norm(x, 3, alpha=0.3, beta=0.6, k=1.5),
        picture(),
    )
    yield Network("normalize", lambda x: f.normalize(x, axis=1), picture(), opsets=(7, 11, 17, 21))
    yield Network("normalize p 1", lambda x: f.normalize(x, p=1, axis=1, epsilon=5.0), picture())
    for p in (1, 2, 3, 0.5, float("inf"), float("-inf"), 0):
        yield Network(
            f"norm p {p}", lambda x, p=p: paddle.norm(x, p, axis=1), picture(), opsets=(11, 17, 21)
        )
    yield Network("norm p 2 keepdim", lambda x: paddle.norm(x, 2, axis=-1, keepdim=True), picture())
    yield Network("norm all", lambda x: paddle.norm(x), picture())
    yield Network("norm p 3 all", lambda x: paddle.norm(x, 3), picture())
    yield Network(
        "cosine_similarity",
        lambda x, y: f.cosine_similarity(x, y, axis=1),
        {"x": normal(3, 5), "y": normal(3, 5, seed=1)},
    )
    yield Network(
        "spectral statistics", lambda x: [paddle.var(x, [2, 3]), paddle.std(x, 1)], picture()
    )
