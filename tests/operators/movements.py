"""Reshaping, slicing, gathering, filling: whatever moves or makes values."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from operators.network import Network, evaluated, integers, normal, uniform

X = normal(2, 4, 5, 7)


def shapes() -> Iterator[Network]:
    """Reshape and its kin, with free dimensions."""
    yield Network(
        "reshape_free", lambda p, x: p.reshape(x, [-1, 20, 7]), (X,), modes=("fixed", "batch")
    )
    yield Network("reshape_zero", lambda p, x: p.reshape(x, [0, 4, -1]), (X,))
    yield Network("reshape_zeros", lambda p, x: p.reshape(x, [0, 0, -1]), (X,))
    yield Network(
        "reshape_by_shape",
        lambda p, x: p.reshape(x, [p.shape(x)[0], 4, p.shape(x)[2] * p.shape(x)[3]]),
        (X,),
    )
    yield Network(
        "reshape_by_tensor",
        lambda p, x: p.reshape(x, p.concat([p.shape(x)[:2], p.full([1], -1, "int32")])),
        (X,),
    )
    yield Network("flatten", lambda p, x: p.flatten(x, 1), (X,))
    yield Network("flatten_middle", lambda p, x: p.flatten(x, 1, 2), (X,))
    yield Network("flatten_all", lambda p, x: p.flatten(x), (X,))
    yield Network("transpose", lambda p, x: p.transpose(x, [0, 2, 3, 1]), (X,))
    yield Network("t", lambda p, x: p.t(x), (normal(3, 4),))
    yield Network("moveaxis", lambda p, x: p.moveaxis(x, 1, -1), (X,))
    yield Network("swapaxes", lambda p, x: p.transpose(x, [1, 0]), (normal(3, 4),))
    yield Network(
        "squeeze",
        lambda p, x: p.squeeze(x, [2, -1]),
        (normal(2, 3, 1, 1),),
        opsets=(7, 11, 13, 17),
        modes=("fixed", "batch"),
    )
    yield Network("squeeze_all", lambda p, x: p.squeeze(x), (normal(2, 1, 3, 1),), modes=("fixed",))
    yield Network(
        "squeeze_nothing",
        lambda p, x: p.squeeze(x, 1),
        (X,),
        opsets=(11, 17),
        modes=("fixed", "batch"),
    )
    yield Network("unsqueeze", lambda p, x: p.unsqueeze(x, [0, -1]), (X,), opsets=(7, 11, 13, 17))
    yield Network("unsqueeze_order", lambda p, x: p.unsqueeze(x, [2, 0]), (X,))
    yield Network("unsqueeze_two", lambda p, x: p.unsqueeze(x, [1, 1]), (X,))
    yield Network(
        "expand",
        lambda p, x: p.expand(x, [2, 4, 3]),
        (normal(2, 1, 3),),
        opsets=(8, 11, 17),
        modes=("fixed",),
    )
    yield Network(
        "expand_keep", lambda p, x: p.expand(x, [-1, 4, -1]), (normal(2, 1, 3),), opsets=(8, 17)
    )
    yield Network(
        "expand_rank", lambda p, x: p.expand(x, [3, 2, 4]), (normal(2, 1),), modes=("fixed",)
    )
    yield Network(
        "expand_by_shape",
        lambda p, x, y: p.expand(x, [p.shape(y)[0], 4]),
        (normal(1, 4), normal(3, 2)),
        modes=("batch",),
    )
    yield Network(
        "expand_as",
        lambda p, x, y: p.expand_as(x, y),
        (normal(1, 4), normal(3, 4)),
        modes=("fixed",),
    )
    yield Network(
        "broadcast_to", lambda p, x: p.broadcast_to(x, [2, 3, 4]), (normal(3, 1),), modes=("fixed",)
    )
    yield Network("tile", lambda p, x: p.tile(x, [2, 1, 3]), (normal(2, 3, 4),), opsets=(7, 17))
    yield Network("tile_rank", lambda p, x: p.tile(x, [2, 3]), (normal(4),), modes=("fixed",))
    yield Network("tile_short", lambda p, x: p.tile(x, [3]), (normal(2, 3),))
    yield Network(
        "repeat_interleave", lambda p, x: p.repeat_interleave(x, 3, axis=1), (normal(2, 3, 4),)
    )
    yield Network("repeat_interleave_flat", lambda p, x: p.repeat_interleave(x, 2), (normal(2, 3),))
    for title, shift, axis in (
        ("one", 2, 1),
        ("two", [1, -2], [2, 3]),
        ("long", 12, -1),
        ("flat", 3, None),
    ):
        yield Network(
            f"roll_{title}", lambda p, x, s=shift, a=axis: p.roll(x, s, a), (X,), opsets=(7, 11, 17)
        )
    yield Network("flip", lambda p, x: p.flip(x, [2, 3]), (X,))
    yield Network("flip_negative", lambda p, x: p.flip(x, -1), (X,))
    yield Network("rot90", lambda p, x: p.rot90(x, 1, [2, 3]), (X,))
    yield Network("pixel_shuffle", lambda p, x: p.nn.functional.pixel_shuffle(x, 2), (X,))
    yield Network(
        "pixel_unshuffle", lambda p, x: p.nn.functional.pixel_unshuffle(x, 2), (normal(2, 3, 4, 6),)
    )
    yield Network("channel_shuffle", lambda p, x: p.nn.functional.channel_shuffle(x, 2), (X,))
    yield Network("channel_shuffle_composed", _shuffle, (X,), modes=("fixed", "batch"))
    for settings in ((3, 1, 0, 1), (2, 2, 1, 1), ((3, 2), (1, 2), (1, 0), (1, 2))):
        yield Network(
            f"unfold_{settings}", lambda p, x, s=settings: p.nn.functional.unfold(x, *s), (X,)
        )
    yield Network("fold", lambda p, x: p.nn.functional.fold(x, [4, 5], 2), (normal(2, 12, 12),))
    yield Network("tensor_unfold", lambda p, x: x.unfold(-1, 3, 2), (X,))
    yield Network(
        "temporal_shift",
        lambda p, x: p.nn.functional.temporal_shift(x, 2, 0.25),
        (X,),
        modes=("fixed",),
    )
    yield Network("view", lambda p, x: x.reshape([2, -1]), (X,), modes=("fixed",))
    yield Network("as_complex_free_chunk", lambda p, x: p.chunk(x, 2, axis=1), (X,))


def _shuffle(p: Any, x: Any) -> Any:
    return p.reshape(p.transpose(p.reshape(x, [0, 2, 2, 5, 7]), [0, 2, 1, 3, 4]), [0, 4, 5, 7])


def joins() -> Iterator[Network]:
    """Concat, split, slice, gather."""
    yield Network("concat", lambda p, x: p.concat([x, x * 2, x[:, :1]], axis=1), (X,))
    yield Network(
        "concat_last", lambda p, x, y: p.concat([x, y], axis=-1), (normal(2, 3), normal(2, 4))
    )
    yield Network("stack", lambda p, x: p.stack([x, x * 2], axis=1), (X,), opsets=(7, 13))
    yield Network("stack_last", lambda p, x: p.stack([x, x * 2], axis=-1), (X,))
    yield Network("unstack", lambda p, x: p.unstack(x, axis=1), (X,))
    yield Network(
        "unbind", lambda p, x: p.unbind(x, axis=-1), (normal(2, 3, 3),), modes=("fixed", "batch")
    )
    yield Network("split", lambda p, x: p.split(x, 2, axis=1), (X,), opsets=(7, 11, 13, 18))
    yield Network(
        "split_sections", lambda p, x: p.split(x, [1, 3], axis=1), (X,), opsets=(7, 11, 13, 18)
    )
    yield Network("split_rest", lambda p, x: p.split(x, [1, -1], axis=1), (X,))
    yield Network(
        "split_last", lambda p, x: p.split(x, [3, 4], axis=-1), (X,), modes=("fixed", "batch")
    )
    yield Network("slice", lambda p, x: x[:, 1:3, -3:, :-2], (X,), opsets=(7, 11, 17))
    yield Network("slice_beyond", lambda p, x: x[:, 1:100], (X,))
    yield Network("slice_index", lambda p, x: x[:, 2], (X,), opsets=(7, 13))
    yield Network("slice_index_negative", lambda p, x: x[:, -1, :, -2], (X,))
    yield Network("slice_new_axis", lambda p, x: x[:, None, 1], (X,))
    yield Network("slice_ellipsis", lambda p, x: x[..., 0], (X,))
    yield Network("slice_step", lambda p, x: x[:, ::2, 1::2, ::3], (X,), opsets=(10, 17))
    yield Network("slice_backwards", lambda p, x: x[:, ::-1, 4:1:-2], (X,), opsets=(10, 17))
    yield Network("slice_tensor_bound", lambda p, x: x[:, :, : p.shape(x)[2] - 1], (X,))
    yield Network(
        "strided_slice", lambda p, x: p.strided_slice(x, [1, 3], [0, -5], [3, -1], [2, 2]), (X,)
    )
    yield Network(
        "strided_slice_backwards", lambda p, x: p.strided_slice(x, [1], [-1], [-5], [-1]), (X,)
    )
    yield Network(
        "crop", lambda p, x: p.crop(x, [2, 2, 3, 4], [0, 1, 1, 2]), (X,), modes=("fixed",)
    )
    index = np.array([2, 0, 3], np.int64)
    yield Network("gather", lambda p, x, i: p.gather(x, i, axis=1), (X, index), modes=("fixed",))
    yield Network(
        "gather_int32",
        lambda p, x, i: p.gather(x, i, axis=1),
        (X, index.astype(np.int32)),
        modes=("fixed",),
    )
    yield Network(
        "gather_first", lambda p, x, i: p.gather(x, i), (normal(5, 3), index), modes=("fixed",)
    )
    yield Network(
        "gather_column",
        lambda p, x, i: p.gather(x, i),
        (normal(5, 3), index[:, None]),
        modes=("fixed",),
    )
    yield Network(
        "gather_nd",
        lambda p, x, i: p.gather_nd(x, i),
        (X, integers(3, 2, high=2)),
        opsets=(11, 12, 17),
        modes=("fixed",),
    )
    yield Network(
        "index_select", lambda p, x, i: p.index_select(x, i, axis=2), (X, index), modes=("fixed",)
    )
    yield Network(
        "index_sample", lambda p, x, i: p.index_sample(x, i), (normal(3, 5), integers(3, 2, high=5))
    )
    yield Network(
        "take_along_axis",
        lambda p, x, i: p.take_along_axis(x, i, 1),
        (normal(3, 5), integers(3, 2, high=5)),
        opsets=(11, 17),
        modes=("fixed",),
    )
    yield Network(
        "put_along_axis",
        lambda p, x, i: p.put_along_axis(x, i, 9.0, 1),
        (normal(3, 5), integers(3, 1, high=5)),
        modes=("fixed",),
    )
    yield Network(
        "put_along_axis_add",
        lambda p, x, i: p.put_along_axis(x, i, 9.0, 1, reduce="add"),
        (normal(3, 5), integers(3, 1, high=5)),
        opsets=(17, 18),
        modes=("fixed",),
    )
    yield Network("index_tensor", lambda p, x, i: x[i], (normal(5, 3), index), modes=("fixed",))
    yield Network(
        "scatter",
        lambda p, x, i, u: p.scatter(x, i, u),
        (normal(5, 3), index, normal(3, 3, seed=1)),
        modes=("fixed",),
    )
    yield Network(
        "scatter_add",
        lambda p, x, i, u: p.scatter(x, i, u, overwrite=False),
        (normal(5, 3), np.array([1, 1, 3]), normal(3, 3, seed=1)),
        modes=("fixed",),
    )
    yield Network(
        "scatter_nd_add",
        lambda p, x, i, u: p.scatter_nd_add(x, i, u),
        (normal(5, 3), np.array([[1], [1], [3]]), normal(3, 3, seed=1)),
        modes=("fixed",),
    )
    yield Network("set_value", _set_value, (X,))
    yield Network("set_value_tensor", _set_value_tensor, (X,))
    yield Network("embedding", lambda p, x: evaluated(p.nn.Embedding(9, 4))(x), (integers(2, 5),))
    yield Network(
        "embedding_padding",
        lambda p, x: evaluated(p.nn.Embedding(9, 4, padding_idx=2))(x),
        (integers(2, 9, high=4),),
    )
    yield Network(
        "embedding_int32",
        lambda p, x: evaluated(p.nn.Embedding(9, 4))(x),
        (integers(2, 5, dtype="int32"),),
    )
    yield Network(
        "one_hot", lambda p, x: p.nn.functional.one_hot(x, 9), (integers(2, 5),), opsets=(9, 11, 17)
    )
    yield Network(
        "meshgrid",
        lambda p, x, y: p.meshgrid(x, y),
        (normal(3), normal(4)),
        opsets=(8, 17),
        modes=("fixed",),
    )


def _set_value(p: Any, x: Any) -> Any:
    y = x * 1.0
    y[:, 1:3, 2] = 0.7
    return y


def _set_value_tensor(p: Any, x: Any) -> Any:
    y = x * 1.0
    y[:, 0] = y[:, 1] * 2.0
    return y


def fills() -> Iterator[Network]:
    """Tensors made from a shape, a number or a constant."""
    yield Network("full_like", lambda p, x: p.full_like(x, 0.3) + x, (X,))
    yield Network("zeros_like", lambda p, x: p.zeros_like(x), (X,))
    yield Network("ones_like_int", lambda p, x: p.ones_like(x, dtype="int64"), (X,))
    yield Network(
        "full_by_shape", lambda p, x: p.full([p.shape(x)[0], 3], 0.7), (X,), modes=("batch", "free")
    )
    yield Network("zeros_by_shape", lambda p, x: p.zeros(p.shape(x), "float32") + x, (X,))
    yield Network("full_int", lambda p, x: x + p.full([1], 2**33, "int64"), (integers(2, 3),))
    yield Network("full_bool", lambda p, x: p.logical_and(x > 0, p.full([1], True, "bool")), (X,))
    yield Network(
        "arange_by_shape", lambda p, x: p.arange(p.shape(x)[0]), (X,), modes=("batch", "free")
    )
    yield Network(
        "arange_step",
        lambda p, x: x + p.arange(0.5, 2.6, 0.3),
        (normal(2, 7),),
        modes=("fixed", "batch"),
    )
    yield Network(
        "linspace",
        lambda p, x: x + p.linspace(-1.0, 1.0, 7),
        (normal(2, 7),),
        modes=("fixed", "batch"),
    )
    yield Network("eye", lambda p, x: x + p.eye(4), (normal(4, 4),), modes=("fixed",))
    yield Network("assign", lambda p, x: p.assign(x), (X,))
    values = np.array([0.1, -0.2, 3e-5, 7.0, 1e-9, 0.3, 2.0], np.float32)
    yield Network(
        "constant_float", lambda p, x: x + p.to_tensor(values), (X,), modes=("fixed", "batch")
    )
    yield Network(
        "constant_int", lambda p, x: x * p.to_tensor(np.array([3, -1, 2**40])), (integers(2, 3),)
    )
    yield Network(
        "constant_int32",
        lambda p, x: x * p.to_tensor(np.array([3, -1, 7], np.int32)),
        (integers(2, 3, dtype="int32"),),
    )
    yield Network(
        "constant_bool",
        lambda p, x: p.logical_and(x, p.to_tensor(np.array([True, False, True]))),
        (normal(2, 3) > 0,),
    )
    yield Network(
        "constant_float64",
        lambda p, x: x * p.to_tensor(np.array([0.1, 1e-12, 3.0])),
        (normal(2, 3).astype(np.float64),),
    )
    yield Network("tril", lambda p, x: p.tril(x, -1), (normal(2, 4, 5),), opsets=(14, 17))
    yield Network("triu", lambda p, x: p.triu(x, 1), (normal(2, 4, 5),))
    yield Network("causal_mask", _causal, (normal(2, 4, 4),), modes=("fixed", "batch"))
    yield Network("shape", lambda p, x: p.shape(x), (X,))
    yield Network("numel", lambda p, x: p.numel(x), (X,))
    yield Network("diag", lambda p, x: p.diag(x), (normal(4),), modes=("fixed",))
    yield Network("diag_embed", lambda p, x: p.diag_embed(x), (normal(2, 4),))
    yield Network(
        "increment", lambda p, x: p.increment(x * 1.0, 2.0), (normal(1),), modes=("fixed",)
    )


def _causal(p: Any, x: Any) -> Any:
    mask = p.triu(p.full([4, 4], -1e9), 1)
    return p.nn.functional.softmax(x + mask)


def special() -> Iterator[Network]:
    """Sampling, detection and recurrent layers."""
    grid = uniform(2, 6, 5, 2, low=-1.3, high=1.3)
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border", "reflection"):
            for corners in (True, False):
                yield Network(
                    f"grid_sample_{mode}_{padding}_{corners}",
                    lambda p, x, g, m=mode, pad=padding, c=corners: p.nn.functional.grid_sample(
                        x, g, m, pad, c
                    ),
                    (X, grid),
                    opsets=(16, 17, 20),
                )
    yield Network(
        "affine_grid",
        lambda p, t: p.nn.functional.affine_grid(t, [2, 3, 4, 5]),
        (normal(2, 2, 3),),
        modes=("fixed",),
    )
    boxes = np.array([[0.5, 0.5, 4.2, 3.7], [1.0, 0.0, 6.0, 4.0], [0.2, 1.1, 3.3, 4.4]], np.float32)
    counts = np.array([2, 1], np.int32)
    for aligned in (True, False):
        yield Network(
            f"roi_align_{aligned}",
            lambda p, x, b, n, a=aligned: p.vision.ops.roi_align(x, b, n, 3, 0.5, 2, aligned=a),
            (X, boxes, counts),
            opsets=(10, 16, 17),
            modes=("fixed",),
        )
    yield Network(
        "roi_pool",
        lambda p, x, b, n: p.vision.ops.roi_pool(x, b, n, 3, 1.0),
        (X, boxes, counts),
        modes=("fixed",),
    )
    yield Network(
        "yolo_box",
        lambda p, x, s: p.vision.ops.yolo_box(
            x, s, [10, 13, 16, 30], 2, 0.01, 8, True, scale_x_y=1.1
        ),
        (normal(1, 14, 4, 4), np.array([[32, 32]], np.int32)),
        modes=("fixed",),
    )
    for mode in ("LSTM", "GRU", "SimpleRNN"):
        for direction in ("forward", "bidirect"):
            yield Network(
                f"{mode}_{direction}",
                lambda p, x, m=mode, d=direction: evaluated(getattr(p.nn, m)(4, 5, direction=d))(x)[
                    0
                ],
                (normal(2, 6, 4),),
            )
    yield Network(
        "LSTM_two_layers_states",
        lambda p, x: _flat(evaluated(p.nn.LSTM(4, 5, num_layers=2))(x)),
        (normal(2, 6, 4),),
    )
    yield Network(
        "LSTM_time_major",
        lambda p, x: evaluated(p.nn.LSTM(4, 5, time_major=True))(x)[0],
        (normal(6, 2, 4),),
        modes=("fixed",),
    )
    yield Network(
        "multiclass_nms",
        _nms,
        (
            uniform(1, 6, 4, high=0.4) + np.array([0, 0, 1, 1], np.float32),
            uniform(1, 3, 6, high=1.0),
        ),
        modes=("fixed",),
    )
    yield Network("nms", lambda p, b: p.vision.ops.nms(b, 0.5), (boxes,), modes=("fixed",))
    yield Network(
        "fft_free_real", lambda p, x: p.as_real(p.fft.rfft(x)), (normal(2, 8),), modes=("fixed",)
    )
    yield Network(
        "if_else",
        lambda p, x: p.static.nn.cond(p.mean(x) > 0, lambda: x * 2, lambda: x - 1),
        (X,),
        modes=("fixed",),
    )
    yield Network("while_loop", _while, (normal(3),), modes=("fixed",))


def _flat(result: Any) -> Any:
    output, (hidden, cell) = result
    return output, hidden, cell


def _nms(p: Any, boxes: Any, scores: Any) -> Any:
    return p.vision.ops.matrix_nms(boxes, scores, 0.1, 0.1, 6, 6)[0]


def _while(p: Any, x: Any) -> Any:
    i = p.full([1], 0, "int64")
    return p.static.nn.while_loop(lambda i, x: i < 3, lambda i, x: [i + 1, x * 2.0], [i, x])[1]
