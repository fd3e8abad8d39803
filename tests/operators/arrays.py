"""Cutting, joining, indexing and making arrays."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from operators.network import CHANGED, Network, integers, normal, parameter


def networks(paddle: Any) -> Iterator[Network]:
    """Yield one network per operator and setting."""
    yield from _shapes(paddle)
    yield from _slices(paddle)
    yield from _indices(paddle)
    yield from _orders(paddle)
    yield from _made(paddle)


def _shapes(paddle: Any) -> Iterator[Network]:
    x = {"x": normal(2, 3, 4, 5)}
    one = {"x": normal(2, 1, 4, 1)}
    yield Network("reshape", lambda x: paddle.reshape(x, [2, -1, 5]), x)
    yield Network("reshape zeros", lambda x: paddle.reshape(x, [0, 0, -1]), x, (0,))
    yield Network("reshape free batch", lambda x: paddle.reshape(x, [-1, 60]), x, (0,))
    yield Network(
        "reshape by shape",
        lambda x: paddle.reshape(x, [paddle.shape(x)[0], 3, -1]),
        x,
        (0, 2, 3),
    )
    yield Network("flatten", lambda x: paddle.flatten(x, 1), x, (0,), opsets=(7, 11, 17))
    yield Network("flatten middle", lambda x: paddle.flatten(x, 1, 2), x, (0, 2))
    yield Network("flatten all", lambda x: paddle.flatten(x), x, (0,))
    yield Network("transpose", lambda x: paddle.transpose(x, [0, 2, 3, 1]), x, (0,))
    yield Network("squeeze", lambda x: paddle.squeeze(x, [1, -1]), one, opsets=CHANGED)
    yield Network("squeeze all", lambda x: paddle.squeeze(x), one, opsets=(11, 13, 17))
    yield Network(
        "squeeze wide axis", lambda x: paddle.squeeze(x, [0, 1]), one, opsets=(11, 13, 17)
    )
    yield Network("unsqueeze", lambda x: paddle.unsqueeze(x, [0, 3]), x, opsets=CHANGED)
    yield Network("unsqueeze unsorted", lambda x: paddle.unsqueeze(x, [2, 0]), x, opsets=(11, 17))
    yield Network("unsqueeze twice", lambda x: paddle.unsqueeze(x, [1, 1]), x, opsets=(11, 17))
    yield Network(
        "stack of scalars", lambda x: paddle.stack([paddle.mean(x), paddle.sum(x), x.max()]), x
    )
    yield Network(
        "scalar in the middle", lambda x: x - paddle.max(x) / (paddle.sum(x).reshape([1]) + 1), x
    )
    yield Network("unsqueeze negative", lambda x: paddle.unsqueeze(x, [-1, 1]), x, opsets=CHANGED)
    yield Network("expand", lambda x: paddle.expand(x, [3, 2, 5, 4, 6]), one, opsets=(8, 11, 17))
    yield Network("expand keep", lambda x: paddle.expand(x, [-1, 3, -1, 5]), one, (0,))
    yield Network(
        "expand_as", lambda x, y: paddle.expand_as(x, y), {**one, "y": normal(2, 3, 4, 5)}
    )
    yield Network("broadcast_to", lambda x: paddle.broadcast_to(x, [2, 3, 4, 5]), one)
    yield Network("tile", lambda x: paddle.tile(x, [2, 1, 3]), x, opsets=(7, 11, 17))
    yield Network("tile longer", lambda x: paddle.tile(x, [2, 1, 1, 2, 1]), x)
    yield Network("concat", lambda x: paddle.concat([x, x * 2, x], 1), x)
    yield Network("concat negative", lambda x: paddle.concat([x, x * 2], -1), x)
    yield Network("stack", lambda x: paddle.stack([x, x * 2], 1), x, opsets=(11, 13, 17))
    yield Network("stack last", lambda x: paddle.stack([x, x * 2], -1), x)
    yield Network("unstack", lambda x: paddle.unstack(x, 1), x)
    yield Network("unbind", lambda x: paddle.unbind(x, 2), x, opsets=(11, 13, 17, 18))
    yield Network("split", lambda x: paddle.split(x, [1, 3], 2), x, opsets=CHANGED)
    yield Network("split rest", lambda x: paddle.split(x, [1, -1], 2), x, opsets=(11, 13, 17, 18))
    yield Network("split even", lambda x: paddle.split(x, 2, -2), x, opsets=CHANGED)
    yield Network("chunk", lambda x: paddle.chunk(x, 3, 1), x)
    yield Network("flip", lambda x: paddle.flip(x, [1, 3]), x)
    yield Network("roll", lambda x: paddle.roll(x, [1, -2], [2, 3]), x)
    yield Network("roll all", lambda x: paddle.roll(x, 3), x)
    yield Network("roll far", lambda x: paddle.roll(x, [9, -7], [2, 3]), x)
    yield Network("roll far free", lambda x: paddle.roll(x, [9, -7], [2, -1]), x, (0, 2, 3))
    yield Network("one over free batch", lambda x: 1.0 / (x * x + 1.0), x, (0,), (9, 11, 17))
    yield Network("rot90", lambda x: paddle.rot90(x, 1, [2, 3]), x)
    yield Network("t", lambda x: x.t(), {"x": normal(3, 4)})
    yield Network("moveaxis", lambda x: paddle.moveaxis(x, 1, -1), x)
    yield Network("shape", lambda x: paddle.shape(x), x, (0, 2))
    yield Network("as_strided view", lambda x: x.reshape([2, 12, 5]).transpose([0, 2, 1]), x)


def _slices(paddle: Any) -> Iterator[Network]:
    x = {"x": normal(4, 6, 7, 5)}
    cuts = {
        "plain": lambda x: x[1:3, :, 2:],
        "negative": lambda x: x[:, -3:-1, :, :-2],
        "beyond": lambda x: x[:, 2:100],
        "step": lambda x: x[:, ::2, 1:6:3],
        "step negative": lambda x: x[:, ::-1],
        "step negative range": lambda x: x[:, 4:1:-2],
        "index": lambda x: x[1, :, 2],
        "index negative": lambda x: x[:, -1],
        "new axis": lambda x: x[:, None, 1],
        "ellipsis": lambda x: x[..., 1:3],
        "paddle.slice": lambda x: paddle.slice(x, [1, 3], [1, -3], [4, 5]),
        "strided_slice": lambda x: paddle.strided_slice(x, [1, 2], [1, -1], [6, -7], [2, -2]),
        "by shape": lambda x: x[:, : paddle.shape(x)[1] // 2],
        "by list": lambda x: x[:, [0, 3, 2]],
    }
    for name, cut in cuts.items():
        yield Network(f"slice {name}", cut, x, (0,), opsets=(7, 10, 11, 13, 17))
    yield Network("slice free", lambda x: x[1:3, -2:, :, 1:-1], x, (0, 1, 2, 3))
    yield Network("slice mask", lambda x: x[x > 0.3], x)
    yield Network("set_value", _set_value(paddle, slice(1, 3)), x)
    yield Network("set_value step", _set_value(paddle, slice(None, None, 2)), x)


def _set_value(paddle: Any, where: slice) -> Any:
    def forward(x: Any) -> Any:
        y = x * 1.0
        return paddle.static.setitem(y, (slice(None), where), 0.7)

    return forward


def _indices(paddle: Any) -> Iterator[Network]:
    f = paddle.nn.functional
    x = {"x": normal(4, 6, 5)}
    index = {"i": np.array([3, 0, 2, 2], np.int64)}
    for axis in (0, 1, -1):
        yield Network(f"gather {axis}", lambda x, i, a=axis: paddle.gather(x, i, a), {**x, **index})
        yield Network(
            f"index_select {axis}",
            lambda x, i, a=axis: paddle.index_select(x, i, a),
            {**x, **index},
        )
    yield Network("gather column", paddle.gather, {**x, "i": np.array([[3], [1]], np.int64)})
    yield Network(
        "gather int32", lambda x, i: paddle.gather(x, i), {**x, "i": np.array([3, 1], np.int32)}
    )
    pairs = np.array([[[1, 2], [3, 4]], [[0, 0], [2, 5]]], np.int64)
    yield Network("gather_nd", paddle.gather_nd, {**x, "i": pairs}, opsets=(11, 12, 17))
    yield Network("gather_nd one", paddle.gather_nd, {**x, "i": pairs[..., :1]})
    along = integers(4, 3, 5, low=0, high=6)
    yield Network(
        "take_along_axis", lambda x, i: paddle.take_along_axis(x, i, 1), {**x, "i": along}
    )
    put = integers(4, 1, 5, low=0, high=6)
    yield Network(
        "put_along_axis", lambda x, i: paddle.put_along_axis(x, i, 0.7, 1), {**x, "i": put}
    )
    yield Network(
        "put_along_axis add",
        lambda x, i: paddle.put_along_axis(x, i, 0.7, 1, reduce="add"),
        {**x, "i": put},
    )
    yield Network(
        "scatter",
        lambda x, i, u: paddle.scatter(x, i, u),
        {**x, "i": np.array([2, 0], np.int64), "u": normal(2, 6, 5, seed=1)},
    )
    yield Network(
        "scatter add",
        lambda x, i, u: paddle.scatter(x, i, u, overwrite=False),
        {**x, "i": np.array([2, 2], np.int64), "u": normal(2, 6, 5, seed=1)},
    )
    yield Network(
        "scatter_nd_add",
        paddle.scatter_nd_add,
        {**x, "i": np.array([[1, 2], [1, 2]], np.int64), "u": normal(2, 5, seed=1)},
    )
    yield Network("one_hot", lambda i: f.one_hot(i, 6), index, opsets=(9, 11, 17))
    table = normal(8, 3, seed=5)
    yield Network("embedding", lambda i: f.embedding(i, parameter(paddle, table)), index)
    yield Network(
        "embedding padding",
        lambda i: f.embedding(i, parameter(paddle, table), padding_idx=2),
        index,
    )
    yield Network(
        "where", lambda x, y: paddle.where(x > y, x, y * 2), {**x, "y": normal(5, seed=2)}
    )
    yield Network("where same", lambda x: paddle.where(x > 0, x, -x * 0.2), x, opsets=(9, 17))
    yield Network("nonzero", lambda x: paddle.nonzero(x > 0), x)
    yield Network("masked_fill", lambda x: paddle.masked_fill(x, x > 0.4, -1.5), x)
    yield Network("masked_select", lambda x: paddle.masked_select(x, x > 0.4), x)
    yield Network("index_sample", paddle.index_sample, {"x": normal(4, 6), "i": along[:, :, 0]})


def _orders(paddle: Any) -> Iterator[Network]:
    x = {"x": normal(3, 7, 4)}
    for axis in (1, -1):
        for largest in (True, False):
            yield Network(
                f"topk {axis} {largest}",
                lambda x, a=axis, largest=largest: paddle.topk(x, 2, a, largest),
                x,
                opsets=(10, 11, 17),
            )
        for down in (True, False):
            yield Network(
                f"argsort {axis} {down}", lambda x, a=axis, d=down: paddle.argsort(x, a, d), x
            )
            yield Network(f"sort {axis} {down}", lambda x, a=axis, d=down: paddle.sort(x, a, d), x)
    yield Network("topk free", lambda x: paddle.topk(x, 3), x, (0, 1, 2))
    yield Network(
        "unique", lambda x: paddle.unique(x), {"x": integers(9, low=0, high=4)}, formats=("pir",)
    )
    yield Network(
        "searchsorted", paddle.searchsorted, {"s": np.arange(5, dtype="f"), "x": normal(4)}
    )
    yield Network("kthvalue", lambda x: paddle.kthvalue(x, 2, 1)[0], x)
    yield Network("mode", lambda x: paddle.mode(x)[0], x)
    yield Network("triu", lambda x: paddle.triu(x, 1), x)
    yield Network("tril", lambda x: paddle.tril(x, -1), x, opsets=(13, 14, 17))
    yield Network("diag", lambda x: paddle.diag(x), {"x": normal(4)})
    yield Network("diagonal", lambda x: paddle.diagonal(x, 0, 0, 1), x)


def _made(paddle: Any) -> Iterator[Network]:
    x = {"x": normal(3, 5)}
    yield Network("full_like", lambda x: paddle.full_like(x, 0.3) + x, x, (0,), opsets=(9, 11, 17))
    yield Network("zeros_like", lambda x: paddle.zeros_like(x), x, (0,))
    yield Network("ones_like integers", lambda x: paddle.ones_like(x, "int64"), x, (0,))
    yield Network("full", lambda x: x + paddle.full([5], 0.1), x)
    yield Network("full by shape", lambda x: paddle.full([paddle.shape(x)[0], 2], 0.1), x, (0,))
    yield Network(
        "full integers",
        lambda x: paddle.full([2], 7, "int64") + x.astype("int64"),
        {"x": normal(2)},
    )
    yield Network("arange by shape", lambda x: paddle.arange(0, paddle.shape(x)[0], 1), x, (0,))
    yield Network("arange", lambda x: x + paddle.arange(0.5, 3, 0.5), x)
    yield Network("arange integers", lambda x: x + paddle.arange(1, 10, 2).astype("float32"), x)
    yield Network("linspace", lambda x: x + paddle.linspace(0.1, 2, 5), x)
    yield Network("eye", lambda x: x @ paddle.eye(5, 4), x)
    yield Network("meshgrid", lambda x, y: paddle.meshgrid(x, y), {"x": normal(3), "y": normal(4)})
    yield Network("constant", lambda x: x + paddle.assign(np.array([0.1, 2, 3, -4, 5], "f")), x)
    yield Network(
        "constant integers",
        lambda x: x + paddle.assign(np.array([1, -2], "int64")),
        {"x": integers(2)},
    )
    yield Network(
        "constant double",
        lambda x: x + paddle.assign(np.array([0.1, 0.2])),
        {"x": normal(2).astype("d")},
    )
    yield Network(
        "constant int32",
        lambda x: x + paddle.assign(np.array([1, -2], "int32")),
        {"x": integers(2).astype("int32")},
    )
    yield Network(
        "constant bool",
        lambda x: paddle.logical_and(x, paddle.assign(np.array([True, False]))),
        {"x": np.array([True, True])},
    )
    yield Network("assign", lambda x: paddle.assign(x) + 1, x)
    yield Network("two of one", lambda x: [x * 2, x * 2 + 1], x)
