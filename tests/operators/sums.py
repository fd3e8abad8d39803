"""Norms, reductions, sorting: whatever looks along an axis."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from operators.network import Network, evaluated, integers, normal, uniform

X = normal(2, 4, 5, 7)


def norms() -> Iterator[Network]:
    """With epsilons that matter."""
    small = X * 0.1  # so that an epsilon of 0.1 is no small change
    layers: dict[str, tuple[Any, ...]] = {
        "BatchNorm2D": (4,),
        "InstanceNorm2D": (4,),
        "GroupNorm": (2, 4),
        "LayerNorm": ([5, 7],),
    }
    for name, arguments in layers.items():
        for epsilon in (1e-5, 0.1):
            fixed = {"modes": ("fixed", "batch")} if name == "LayerNorm" else {}
            yield Network(
                f"{name}_{epsilon}",
                lambda p, x, n=name, a=arguments, e=epsilon: evaluated(
                    getattr(p.nn, n)(*a, epsilon=e)
                )(x),
                (small,),
                opsets=(7, 11, 14, 17, 18, 21),
                **fixed,  # type: ignore[arg-type]
            )
    yield Network(
        "batch_norm_rank_2",
        lambda p, x: evaluated(p.nn.BatchNorm1D(4, epsilon=0.1))(x),
        (normal(3, 4),),
    )
    yield Network(
        "batch_norm_rank_3", lambda p, x: evaluated(p.nn.BatchNorm1D(4))(x), (normal(3, 4, 5),)
    )
    yield Network(
        "batch_norm_no_affine",
        lambda p, x: evaluated(p.nn.BatchNorm2D(4, weight_attr=False, bias_attr=False))(x),
        (X,),
    )
    yield Network(
        "batch_norm_old",
        lambda p, x: evaluated(p.nn.BatchNorm(4, act="relu", epsilon=0.01))(x),
        (X,),
    )
    yield Network(
        "batch_norm_nhwc",
        lambda p, x: evaluated(p.nn.BatchNorm2D(4, data_format="NHWC"))(x),
        (normal(2, 5, 6, 4),),
        modes=("fixed",),
    )
    yield Network(
        "instance_norm_no_affine",
        lambda p, x: evaluated(p.nn.InstanceNorm2D(4, weight_attr=False, bias_attr=False))(x),
        (X,),
    )
    yield Network(
        "instance_norm_1d",
        lambda p, x: evaluated(p.nn.InstanceNorm1D(4, epsilon=0.1))(x),
        (normal(2, 4, 9) * 0.1,),
    )
    yield Network(
        "group_norm_no_affine",
        lambda p, x: evaluated(p.nn.GroupNorm(2, 4, weight_attr=False, bias_attr=False))(x),
        (X,),
    )
    yield Network(
        "group_norm_rank_3", lambda p, x: evaluated(p.nn.GroupNorm(2, 4))(x), (normal(2, 4, 9),)
    )
    tokens = normal(2, 5, 8)
    yield Network(
        "layer_norm_tokens",
        lambda p, x: evaluated(p.nn.LayerNorm(8, epsilon=1e-6))(x),
        (tokens,),
        opsets=(7, 13, 17, 21),
    )
    yield Network(
        "layer_norm_no_affine",
        lambda p, x: evaluated(p.nn.LayerNorm(8, weight_attr=False, bias_attr=False))(x),
        (tokens,),
        opsets=(11, 17),
    )
    yield Network(
        "layer_norm_channels",
        lambda p, x: evaluated(p.nn.LayerNorm([4, 5, 7]))(x),
        (X,),
        modes=("fixed", "batch"),
    )
    yield Network(
        "local_response_norm",
        lambda p, x: evaluated(p.nn.LocalResponseNorm(3, 0.1, 0.6, 2.0))(x),
        (X,),
    )
    yield Network("rms_norm_composed", _rms_norm, (tokens,))
    yield Network("normalize", lambda p, x: p.nn.functional.normalize(x, p=2, axis=1), (X,))
    for order in (0.5, 1, 2, 3, float("inf"), float("-inf")):
        yield Network(f"norm_{order}", lambda p, x, o=order: p.linalg.norm(x, p=o, axis=1), (X,))
    yield Network("norm_keep", lambda p, x: p.linalg.norm(x, p=2, axis=-1, keepdim=True), (X,))
    yield Network("norm_all", lambda p, x: p.linalg.norm(x), (X,))
    yield Network("norm_frobenius", lambda p, x: p.linalg.norm(x, p="fro", axis=[2, 3]), (X,))
    yield Network(
        "spectral_free_standardise",
        lambda p, x: (x - x.mean([2, 3], keepdim=True)) / x.std([2, 3], keepdim=True),
        (X,),
    )
    yield Network("variance", lambda p, x: x.var(axis=-1, unbiased=False), (X,))


def _rms_norm(p: Any, x: Any) -> Any:
    return x * p.rsqrt(p.mean(p.square(x), axis=-1, keepdim=True) + 1e-6)


def reductions() -> Iterator[Network]:
    """Over every kind of axis."""
    for name in ("sum", "mean", "max", "min", "prod", "logsumexp", "amax", "amin"):
        for title, settings in {
            "all": {},
            "last": {"axis": -1},
            "two": {"axis": [2, 3]},
            "keep": {"axis": [1, -1], "keepdim": True},
            "first": {"axis": 0},
        }.items():
            opsets = (7, 11, 13, 18, 21) if title in ("all", "two", "keep") else (17,)
            yield Network(f"{name}_{title}", _reduction(name, settings), (X,), opsets=opsets)
    logical = X > 0.9
    for name in ("any", "all"):
        yield Network(f"{name}_last", _reduction(name, {"axis": -1}), (logical,))
        yield Network(f"{name}_all", _reduction(name, {}), (logical,))
        yield Network(
            f"{name}_keep", _reduction(name, {"axis": [2, 3], "keepdim": True}), (logical,)
        )
    yield Network("sum_int", _reduction("sum", {"axis": 1}), (integers(2, 3, 4),))
    yield Network("sum_int32", _reduction("sum", {"axis": 1}), (integers(2, 3, 4, dtype="int32"),))
    yield Network("sum_bool", _reduction("sum", {"axis": 1}), (logical,))
    yield Network("mean_dtype", lambda p, x: p.sum(x, axis=1, dtype="float64"), (X,))
    yield Network("max_int", _reduction("max", {"axis": 1}), (integers(2, 3, 4),))
    yield Network("count_nonzero", lambda p, x: p.count_nonzero(x > 0, axis=1), (X,))
    yield Network("median", lambda p, x: p.median(x, axis=-1), (X,))


def _reduction(name: str, settings: dict[str, Any]) -> Any:
    return lambda p, x: getattr(p, name)(x, **settings)


def sorting() -> Iterator[Network]:
    """argmax, topk, sort, cumsum."""
    ties = integers(3, 8, high=4).astype(np.float32)
    for name in ("argmax", "argmin"):
        for title, settings in {
            "all": {},
            "last": {"axis": -1},
            "keep": {"axis": 1, "keepdim": True},
            "int32": {"axis": 1, "dtype": "int32"},
        }.items():
            yield Network(f"{name}_{title}", _reduction(name, settings), (X,), opsets=(11, 13, 17))
        yield Network(f"{name}_ties", _reduction(name, {"axis": 1}), (ties,), opsets=(11, 13))
    for title, settings in {
        "last": {"k": 3},
        "axis": {"k": 2, "axis": 1},
        "smallest": {"k": 2, "largest": False},
        "one": {"k": 1},
    }.items():
        yield Network(f"topk_{title}", _reduction("topk", settings), (X,), opsets=(11, 17))
    yield Network(
        "topk_tensor", lambda p, x, k: p.topk(x, k), (X, np.array([3], np.int32)), modes=("fixed",)
    )
    for descending in (False, True):
        settings = {"axis": 1, "descending": descending}
        yield Network(f"argsort_{descending}", _reduction("argsort", settings), (X,))
        yield Network(f"sort_{descending}", _reduction("sort", settings), (X,))
    yield Network("cumsum", lambda p, x: p.cumsum(x, axis=1), (X,), opsets=(11, 17))
    yield Network("cumsum_flat", lambda p, x: p.cumsum(x), (X,))
    yield Network("cumsum_int", lambda p, x: p.cumsum(x, axis=-1), (integers(2, 5),))
    yield Network("cumprod", lambda p, x: p.cumprod(x, dim=1), (X,))
    yield Network("kthvalue", lambda p, x: p.kthvalue(x, 2, axis=-1), (X,))
    yield Network(
        "mode_free_unique", lambda p, x: p.unique(x), (integers(9, high=5),), modes=("fixed",)
    )
    yield Network(
        "searchsorted",
        lambda p, x, y: p.searchsorted(x, y),
        (np.arange(6, dtype=np.float32), uniform(4, high=7.0)),
        modes=("fixed",),
    )
