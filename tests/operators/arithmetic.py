"""Element by element, reductions, comparisons, casts."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from operators.network import CHANGED, Network, integers, normal, picture, positive

HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.2, -0.7], np.float32)


def networks(paddle: Any) -> Iterator[Network]:
    """Yield one network per operator and setting."""
    yield from _binary(paddle)
    yield from _unary(paddle)
    yield from _reductions(paddle)
    yield from _logic(paddle)


def _binary(paddle: Any) -> Iterator[Network]:
    floats = {"x": normal(2, 3, 4, 5, scale=3), "y": positive(4, 1, seed=1)}
    whole = {
        "x": integers(3, 4),
        "y": integers(4, low=1, high=5, seed=1) * np.array([1, -1, 1, -1]),
    }
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        yield Network(f"{name} broadcast", getattr(paddle, name), floats, opsets=(7, 11, 17, 21))
        if name != "divide":
            yield Network(f"{name} integers", getattr(paddle, name), whole, opsets=(11, 13, 17))
    yield Network("pow tensors", paddle.pow, {"x": positive(3, 4), "y": normal(4)})
    for power in (2, 3, 0.5, -1, -0.5, 2.0):
        feed = {"x": positive(3, 4)}
        yield Network(f"pow {power}", lambda x, p=power: paddle.pow(x, p), feed, opsets=(7, 12, 17))
    yield Network("pow integers", lambda x: paddle.pow(x, 2), {"x": integers(3, 4)})
    yield Network("square by operator", lambda x: x**2, picture())
    for name in ("floor_divide", "remainder"):
        yield Network(
            f"{name} floats",
            getattr(paddle, name),
            {**floats, "y": normal(4, 1, seed=1)},
            opsets=(10, 17),
        )
        yield Network(f"{name} integers", getattr(paddle, name), whole, opsets=(10, 17))
        yield Network(
            f"{name} int32",
            getattr(paddle, name),
            {key: value.astype(np.int32) for key, value in whole.items()},
        )
    yield Network("divide integers", paddle.divide, whole)
    yield Network("scalars", lambda x: (2 - x) * 0.3 / (x * x + 1.5) - 7, picture())
    yield Network("reflected division", lambda x: 3.0 / (x * x + 1), picture())
    yield Network("integer scalars", lambda x: (2 - x) * 3 + x // 2 + x % 3, {"x": integers(3, 4)})
    yield Network("scale bias after", lambda x: paddle.scale(x, 1.7, 0.4), picture())
    yield Network(
        "scale bias before",
        lambda x: paddle.scale(x, 1.7, 0.4, bias_after_scale=False),
        picture(),
        opsets=(7, 17),
    )
    yield Network("scale integers", lambda x: paddle.scale(x, 2, 3), {"x": integers(3, 4)})
    yield Network(
        "scale integers far",
        lambda x: x + (2**40 + 1),
        {"x": integers(3, 4)},
        formats=("protobuf",),
    )
    yield Network(
        "scale integers by fraction", lambda x: paddle.scale(x, 1.5, 0), {"x": integers(3, 4)}
    )
    yield Network(
        "lerp", lambda x, y: paddle.lerp(x, y, 0.3), {"x": normal(3, 4), "y": normal(3, 4, seed=1)}
    )
    yield Network(
        "add_n", lambda x, y: paddle.add_n([x, y, x]), {"x": normal(3), "y": normal(3, seed=1)}
    )
    yield Network("fmax", paddle.fmax, {"x": normal(3, 4), "y": normal(4, seed=1)})
    yield Network("atan2", paddle.atan2, {"x": normal(3, 4), "y": normal(3, 4, seed=1)})
    yield Network(
        "elementwise axis", lambda x, y: x + y.reshape([1, 4, 1, 1]), {**picture(), "y": normal(4)}
    )


def _unary(paddle: Any) -> Iterator[Network]:
    anywhere = (
        "abs",
        "exp",
        "floor",
        "ceil",
        "sign",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "atan",
        "asinh",
        "square",
        "neg",
        "expm1",
        "erf",
        "trunc",
        "sigmoid",
        "tanh",
        "frac",
        "rad2deg",
        "isfinite",
        "isnan",
        "isinf",
    )
    for name in anywhere:
        yield Network(name, getattr(paddle, name), {"x": normal(3, 4)}, opsets=(9, 17))
    for name in (
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "acosh",
        "digamma",
        "lgamma",
    ):
        feed = {"x": positive(3, 4) + np.float32(1 if name == "acosh" else 0)}
        yield Network(name, getattr(paddle, name), feed)
    for name in ("asin", "acos", "atanh"):
        yield Network(name, getattr(paddle, name), {"x": (positive(3, 4) / 2.1 - 0.5).astype("f")})
    yield Network("round halves", lambda x: paddle.round(x), {"x": HALVES}, opsets=(11, 17))
    yield Network("abs integers", lambda x: paddle.abs(x), {"x": integers(3, 4)})
    yield Network("sign integers", lambda x: paddle.sign(x), {"x": integers(3, 4)})
    yield Network("square integers", lambda x: paddle.square(x), {"x": integers(3, 4)})
    yield Network(
        "clip integers", lambda x: paddle.clip(x, -2, 5), {"x": integers(3, 4)}, opsets=(11, 12, 17)
    )
    for target in ("int32", "int64", "bool", "uint8", "float64", "int8"):
        source = np.abs(HALVES) if target == "uint8" else HALVES
        yield Network(
            f"cast {target}", lambda x, t=target: paddle.cast(x, t), {"x": source * np.float32(3)}
        )
    yield Network("cast integers", lambda x: paddle.cast(x, "float32"), {"x": integers(3, 4)})
    yield Network("cast bool", lambda x: paddle.cast(x, "float32"), {"x": integers(3, 4) > 0})
    yield Network(
        "float16 between", lambda x: (x.astype("float16")).astype("float32"), {"x": normal(3, 4)}
    )
    yield Network(
        "double", lambda x: x * 0.1 + paddle.exp(x), {"x": normal(3, 4).astype("float64")}
    )


def _reductions(paddle: Any) -> Iterator[Network]:
    for name in ("sum", "mean", "max", "min", "prod", "logsumexp", "amax", "amin"):
        reduce = getattr(paddle, name)
        for axis in (None, 1, -1, [0, 2], [-1, -2]):
            if name == "prod" and axis == [-1, -2]:
                continue
            for keep in (True, False):
                yield Network(
                    f"{name} {axis} {keep}",
                    lambda x, reduce=reduce, axis=axis, keep=keep: reduce(x, axis, keepdim=keep),
                    {"x": normal(2, 3, 4, 3)},
                    (0,),
                    opsets=CHANGED if axis == [0, 2] and keep else (17,),
                )
    for name in ("sum", "max", "min", "prod"):
        yield Network(
            f"{name} integers", lambda x, n=name: getattr(paddle, n)(x, 1), {"x": integers(3, 4)}
        )
    yield Network(
        "mean integers", lambda x: paddle.mean(x.astype("float32"), 1), {"x": integers(3, 4)}
    )
    yield Network("sum booleans", lambda x: paddle.sum(x, 1), {"x": integers(3, 4) > 0})
    yield Network("sum to dtype", lambda x: paddle.sum(x, 1, dtype="float64"), {"x": normal(3, 4)})
    for name in ("any", "all"):
        for axis in (None, 1, [0, 2]):
            yield Network(
                f"{name} {axis}",
                lambda x, n=name, axis=axis: getattr(paddle, n)(x, axis, keepdim=axis == 1),
                {"x": integers(2, 3, 4, low=0, high=4) > (2 if name == "any" else 0)},
                opsets=(11, 13, 17, 18),
            )
    for keep in (True, False):
        for axis in (None, 1, -1):
            for name in ("argmax", "argmin"):
                yield Network(
                    f"{name} {axis} {keep}",
                    lambda x, n=name, axis=axis, keep=keep: getattr(paddle, n)(x, axis, keep),
                    picture(),
                    opsets=(11, 17),
                )
    yield Network("argmax int32", lambda x: paddle.argmax(x, 1, dtype="int32"), picture())
    yield Network(
        "argmax ties",
        lambda x: paddle.argmax(x, 1),
        {"x": integers(5, 9, low=0, high=3).astype("f")},
    )
    for axis in (0, 1, -1, None):
        yield Network(f"cumsum {axis}", lambda x, a=axis: paddle.cumsum(x, a), {"x": normal(3, 4)})
    yield Network(
        "cumsum flip",
        lambda x: paddle.flip(paddle.cumsum(paddle.flip(x, [1]), 1), [1]),
        {"x": normal(3, 4)},
    )
    yield Network("cumsum integers", lambda x: paddle.cumsum(x, 1), {"x": integers(3, 4)})
    yield Network("cumprod", lambda x: paddle.cumprod(x, 1), {"x": normal(3, 4)})
    yield Network("median", lambda x: paddle.median(x, 1), {"x": normal(3, 5)}, formats=("pir",))
    yield Network("squared_l2", lambda x: paddle.sum(paddle.square(x)), picture())
    yield Network("count", lambda x: paddle.numel(x), picture(), (0,))


def _logic(paddle: Any) -> Iterator[Network]:
    pair = {"x": integers(3, 4, low=0, high=4), "y": integers(4, low=0, high=4, seed=1)}
    floats = {key: value.astype(np.float32) for key, value in pair.items()}
    for name in ("equal", "not_equal", "less_than", "less_equal", "greater_than", "greater_equal"):
        yield Network(f"{name} integers", getattr(paddle, name), pair, opsets=(7, 11, 17))
        yield Network(f"{name} floats", getattr(paddle, name), floats, opsets=(7, 11, 17))
    booleans = {"x": integers(3, 4) > 0, "y": integers(4, seed=1) > 0}
    for name in ("logical_and", "logical_or", "logical_xor"):
        yield Network(name, getattr(paddle, name), booleans)
    yield Network("logical_not", paddle.logical_not, {"x": integers(3, 4) > 0})
    yield Network("equal booleans", paddle.equal, booleans)
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        yield Network(name, getattr(paddle, name), booleans, opsets=(17, 18))
        yield Network(f"{name} integers", getattr(paddle, name), pair, opsets=(17, 18))
    yield Network("compare scalar", lambda x: (x > 0.5).astype("float32") * x, picture())
    yield Network("equal_all", paddle.equal_all, pair)
    yield Network("allclose", lambda x: paddle.allclose(x, x + 1e-9), picture())
