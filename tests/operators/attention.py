"""The parts of attention, and products of matrices."""

from collections.abc import Iterator
from typing import Any

from operators.network import Network, normal, parameter


def networks(paddle: Any) -> Iterator[Network]:
    """Yield one network per product and setting."""
    f = paddle.nn.functional
    for tx in (False, True):
        for ty in (False, True):
            feed = {
                "x": normal(2, 3, 5, 4) if tx else normal(2, 3, 4, 5),
                "y": normal(3, 6, 5, seed=1) if ty else normal(3, 5, 6, seed=1),
            }
            yield Network(
                f"matmul {tx} {ty}",
                lambda x, y, tx=tx, ty=ty: paddle.matmul(x, y, tx, ty),
                feed,
                opsets=(7, 11, 17),
            )
    yield Network("matmul vectors", paddle.matmul, {"x": normal(5), "y": normal(5, seed=1)})
    yield Network("matmul vector", paddle.matmul, {"x": normal(3, 5), "y": normal(5, seed=1)})
    yield Network(
        "matmul vector transposed",
        lambda x, y: paddle.matmul(x, y, True, False),
        {"x": normal(5), "y": normal(2, 5, 3, seed=1)},
    )
    yield Network("bmm", paddle.bmm, {"x": normal(2, 3, 5), "y": normal(2, 5, 4, seed=1)})
    yield Network("mm", paddle.mm, {"x": normal(3, 5), "y": normal(5, 4, seed=1)})
    yield Network("mv", paddle.mv, {"x": normal(3, 5), "y": normal(5, seed=1)})
    yield Network("dot", paddle.dot, {"x": normal(5), "y": normal(5, seed=1)})
    yield Network("dot rows", paddle.dot, {"x": normal(3, 5), "y": normal(3, 5, seed=1)})
    yield Network(
        "addmm",
        lambda a, x, y: paddle.addmm(a, x, y, beta=0.3, alpha=1.7),
        {"a": normal(3, 4), "x": normal(3, 5), "y": normal(5, 4, seed=1)},
    )
    yield Network(
        "linear",
        lambda x: f.linear(
            x, parameter(paddle, normal(5, 4, seed=3)), parameter(paddle, normal(4, seed=4))
        ),
        {"x": normal(2, 3, 5)},
        (0,),
    )
    yield Network(
        "bilinear",
        lambda x, y: f.bilinear(x, y, parameter(paddle, normal(4, 5, 3, seed=3))),
        {"x": normal(2, 5), "y": normal(2, 3)},
    )
    for equation in ("bhid,bhjd->bhij", "bhij,bhjd->bihd", "bhid,bhjd->"):
        second = normal(2, 3, 4, 5, seed=1)
        first = normal(2, 3, 4, 4) if equation.startswith("bhij") else normal(2, 3, 4, 5)
        yield Network(
            f"einsum {equation}",
            lambda x, y, e=equation: paddle.einsum(e, x, y),
            {"x": first, "y": second},
        )
    yield Network(
        "attention",
        lambda x: _attention(paddle, x),
        {"x": normal(2, 7, 12)},
        (0, 1),
        opsets=(11, 13, 17, 21),
    )
    qkv = {name: normal(2, 7, 3, 4, seed=seed) for seed, name in enumerate("qkv")}
    for causal in (False,):  # causal needs a GPU
        yield Network(
            f"scaled_dot_product_attention {causal}",
            lambda q, k, v, c=causal: f.scaled_dot_product_attention(
                q, k, v, is_causal=c, training=False
            ),
            qkv,
        )
    yield Network(
        "multi head",
        lambda x: _multi_head(paddle, x),
        {"x": normal(2, 7, 12)},
        (0,),
        formats=("pir",),
    )
    yield Network(
        "transformer layer", lambda x: _layer(paddle, x), {"x": normal(2, 7, 12)}, formats=("pir",)
    )
    yield Network(
        "window attention", lambda x: _windows(paddle, x), {"x": normal(2, 8, 8, 6)}, (0,)
    )
    yield Network("kron", paddle.kron, {"x": normal(2, 3), "y": normal(3, 2)})
    yield Network("outer", paddle.outer, {"x": normal(3), "y": normal(4)})
    yield Network("dist", lambda x, y: paddle.dist(x, y, 2), {"x": normal(3, 4), "y": normal(4)})
    yield Network("inverse", paddle.inverse, {"x": normal(3, 3)})


def _attention(paddle: Any, x: Any) -> Any:
    batch, length = paddle.shape(x)[0], paddle.shape(x)[1]
    weight = parameter(paddle, normal(12, 36, seed=8, scale=0.3))
    split = paddle.matmul(x, weight).reshape([batch, length, 3, 3, 4]).transpose([2, 0, 3, 1, 4])
    query, key, value = split[0], split[1], split[2]
    scores = paddle.matmul(query * 4**-0.5, key, transpose_y=True)
    mixed = paddle.matmul(paddle.nn.functional.softmax(scores, -1), value)
    return mixed.transpose([0, 2, 1, 3]).reshape([batch, length, 12])


def _multi_head(paddle: Any, x: Any) -> Any:
    layer = paddle.nn.MultiHeadAttention(12, 3)
    layer.eval()
    return layer(x, x, x)


def _layer(paddle: Any, x: Any) -> Any:
    layer = paddle.nn.TransformerEncoderLayer(12, 3, 24, activation="gelu", normalize_before=True)
    layer.eval()
    return layer(x)


def _windows(paddle: Any, x: Any) -> Any:
    rolled = paddle.roll(x, [-2, -2], [1, 2])
    cut = rolled.reshape([-1, 2, 4, 2, 4, 6]).transpose([0, 1, 3, 2, 4, 5]).reshape([-1, 16, 6])
    scores = paddle.matmul(cut, cut, transpose_y=True)
    mixed = paddle.matmul(paddle.nn.functional.softmax(scores), cut)
    whole = mixed.reshape([-1, 2, 2, 4, 4, 6]).transpose([0, 1, 3, 2, 4, 5]).reshape([-1, 8, 8, 6])
    return paddle.roll(whole, [2, 2], [1, 2])
