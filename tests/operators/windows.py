"""Convolutions, pools and paddings."""

from collections.abc import Iterator
from typing import Any

from operators.network import CHANGED, Network, normal, parameter, picture


def networks(paddle: Any) -> Iterator[Network]:
    """Yield one network per window and setting."""
    yield from _convolutions(paddle)
    yield from _transposed(paddle)
    yield from _pools(paddle)
    yield from _pads(paddle)


def _convolutions(paddle: Any) -> Iterator[Network]:
    f = paddle.nn.functional

    def kernel(*shape: int) -> Any:
        return parameter(paddle, normal(*shape, seed=5))

    settings: dict[str, Any] = {
        "plain": {"stride": 1},
        "stride": {"stride": [2, 3], "padding": 1},
        "dilation": {"dilation": [2, 1], "padding": [2, 1]},
        "asymmetric": {"padding": [0, 1, 2, 1]},
        "SAME": {"padding": "SAME", "stride": 2},
        "SAME stride 1": {"padding": "SAME"},
        "SAME dilation": {"padding": "SAME", "dilation": 2},
        "VALID": {"padding": "VALID", "stride": 2},
    }
    for name, setting in settings.items():
        for free in ((), (0, 2, 3)):
            yield Network(
                f"conv2d {name}{' free' if free else ''}",
                lambda x, setting=setting: f.conv2d(
                    x, kernel(6, 4, 3, 3), parameter(paddle, normal(6)), **setting
                ),
                picture(),
                free,
            )
    yield Network("conv2d groups", lambda x: f.conv2d(x, kernel(6, 2, 3, 3), groups=2), picture())
    yield Network(
        "conv2d depthwise",
        lambda x: f.conv2d(x, kernel(4, 1, 3, 3), groups=4, padding=1),
        picture(),
    )
    yield Network(
        "conv2d depthwise times 2", lambda x: f.conv2d(x, kernel(8, 1, 3, 3), groups=4), picture()
    )
    yield Network(
        "conv2d 1x3", lambda x: f.conv2d(x, kernel(6, 4, 1, 3), padding=[0, 1]), picture()
    )
    yield Network(
        "conv2d NHWC",
        lambda x: f.conv2d(x, kernel(6, 7, 3, 3), data_format="NHWC"),
        picture(),
    )
    yield Network(
        "conv1d",
        lambda x: f.conv1d(x, kernel(6, 4, 3), padding=1, stride=2),
        {"x": normal(2, 4, 9)},
    )
    yield Network(
        "conv3d",
        lambda x: f.conv3d(x, kernel(6, 4, 3, 2, 2), padding=1, stride=2, dilation=[1, 2, 1]),
        {"x": normal(2, 4, 5, 6, 7)},
    )


def _transposed(paddle: Any) -> Iterator[Network]:
    f = paddle.nn.functional

    def kernel(*shape: int) -> Any:
        return parameter(paddle, normal(*shape, seed=5))

    settings: dict[str, Any] = {
        "plain": {"stride": 1},
        "stride": {"stride": 2, "padding": 1},
        "output_padding": {"stride": 2, "padding": 1, "output_padding": 1},
        "output_size": {"stride": 2, "padding": 1, "output_size": [12, 14]},
        "dilation": {"stride": [1, 2], "dilation": [2, 1]},
        "asymmetric": {"stride": 2, "padding": [0, 1, 1, 0]},
        "SAME": {"stride": 2, "padding": "SAME"},
        "VALID": {"stride": 2, "padding": "VALID"},
    }
    for name, setting in settings.items():
        yield Network(
            f"conv2d_transpose {name}",
            lambda x, setting=setting: f.conv2d_transpose(x, kernel(4, 6, 3, 3), **setting),
            picture(),
            (0,),
        )
    yield Network(
        "conv2d_transpose groups",
        lambda x: f.conv2d_transpose(x, kernel(4, 3, 3, 3), groups=2, stride=2),
        picture(),
    )
    yield Network(
        "conv2d_transpose depthwise",
        lambda x: f.conv2d_transpose(x, kernel(4, 1, 3, 3), groups=4, stride=2),
        picture(),
    )
    yield Network(
        "conv1d_transpose",
        lambda x: f.conv1d_transpose(x, kernel(4, 6, 3), stride=2, padding=1),
        {"x": normal(2, 4, 9)},
    )
    yield Network(
        "conv3d_transpose",
        lambda x: f.conv3d_transpose(x, kernel(4, 6, 2, 2, 2), stride=2),
        {"x": normal(2, 4, 3, 4, 5)},
    )


def _pools(paddle: Any) -> Iterator[Network]:
    f = paddle.nn.functional
    opsets = (7, 17, 21)
    settings: dict[str, Any] = {
        "plain": {"stride": 2},
        "padding": {"stride": 2, "padding": 1},
        "ceil": {"stride": 2, "ceil_mode": True},
        "ceil padding": {"stride": 2, "padding": 1, "ceil_mode": True},
        "ceil beyond": {"stride": 3, "padding": 1, "ceil_mode": True},
        "asymmetric": {"stride": 2, "padding": [0, 1, 1, 0]},
        "SAME": {"stride": 2, "padding": "SAME"},
        "VALID": {"stride": 2, "padding": "VALID"},
    }
    for name, setting in settings.items():
        for free in ((), (0, 2, 3)):
            tail = name + (" free" if free else "")
            yield Network(
                f"max_pool2d {tail}",
                lambda x, setting=setting: f.max_pool2d(x, 3, **setting),
                picture(height=8),
                free,
                opsets,
            )
            for exclusive in (True, False):
                yield Network(
                    f"avg_pool2d {'exclusive' if exclusive else 'inclusive'} {tail}",
                    lambda x, setting=setting, exclusive=exclusive: f.avg_pool2d(
                        x, 3, exclusive=exclusive, **setting
                    ),
                    picture(height=8),
                    free,
                    opsets,
                )
    for size in (1, 2, (3, 7), 4, (None, 1)):
        for kind in ("avg", "max"):
            yield Network(
                f"adaptive_{kind}_pool2d {size}",
                lambda x, size=size, kind=kind: getattr(f, f"adaptive_{kind}_pool2d")(x, size),
                picture(),
                (0,),
            )
    for kind in ("avg", "max"):
        yield Network(
            f"adaptive_{kind}_pool2d free size 1",
            lambda x, kind=kind: getattr(f, f"adaptive_{kind}_pool2d")(x, 1),
            picture(),
            (0, 2, 3),
        )
        yield Network(
            f"adaptive_{kind}_pool2d free size 2",
            lambda x, kind=kind: getattr(f, f"adaptive_{kind}_pool2d")(x, 2),
            picture(),
            (0, 2, 3),
        )
        yield Network(
            f"{kind}_pool1d",
            lambda x, kind=kind: getattr(f, f"{kind}_pool1d")(x, 3, 2, 1, ceil_mode=True),
            {"x": normal(2, 4, 9)},
        )
        yield Network(
            f"{kind}_pool3d",
            lambda x, kind=kind: getattr(f, f"{kind}_pool3d")(x, 2, 2, 1),
            {"x": normal(2, 4, 5, 6, 7)},
        )
        yield Network(
            f"adaptive_{kind}_pool1d",
            lambda x, kind=kind: getattr(f, f"adaptive_{kind}_pool1d")(x, 3),
            {"x": normal(2, 4, 9)},
        )
        yield Network(
            f"adaptive_{kind}_pool3d",
            lambda x, kind=kind: getattr(f, f"adaptive_{kind}_pool3d")(x, 1),
            {"x": normal(2, 4, 5, 6, 7)},
        )
    yield Network(
        "adaptive_avg_pool3d 2",
        lambda x: f.adaptive_avg_pool3d(x, 3),
        {"x": normal(2, 4, 8, 8, 8)},
    )
    yield Network(
        "max_pool2d mask",
        lambda x: f.max_pool2d(x, 2, 2, return_mask=True),
        picture(),
        opsets=(11, 17),
    )
    yield Network(
        "max_unpool2d",
        lambda x: f.max_unpool2d(*f.max_pool2d(x, 2, 2, return_mask=True), 2, 2),
        picture(height=6, width=8),
    )
    yield Network(
        "avg_pool2d divisor", lambda x: f.avg_pool2d(x, 3, 2, 1, divisor_override=5), picture()
    )
    yield Network(
        "global average", lambda x: paddle.mean(x, [2, 3], keepdim=True), picture(), (0, 2, 3)
    )
    yield Network("lp_pool2d", lambda x: f.lp_pool2d(x, 2, 2), picture())


def _pads(paddle: Any) -> Iterator[Network]:
    f = paddle.nn.functional
    for mode in ("constant", "reflect", "replicate", "circular"):
        yield Network(
            f"pad 4D {mode}",
            lambda x, mode=mode: f.pad(x, [1, 2, 0, 3], mode=mode, value=0.7),
            picture(),
            (0,),
            opsets=CHANGED,
        )
        yield Network(
            f"pad 3D {mode}",
            lambda x, mode=mode: f.pad(x, [1, 2], mode=mode, value=0.7, data_format="NCL"),
            {"x": normal(2, 4, 9)},
            (0,),
            opsets=(11, 17, 21),
        )
        yield Network(
            f"pad 5D {mode}",
            lambda x, mode=mode: f.pad(
                x, [1, 2, 0, 1, 1, 0], mode=mode, value=0.7, data_format="NCDHW"
            ),
            {"x": normal(2, 3, 4, 5, 6)},
        )
    yield Network(
        "pad every axis",
        lambda x: f.pad(x, [0, 1, 2, 0, 1, 1, 0, 2], value=-0.4, pad_from_left_axis=True),
        picture(),
        opsets=CHANGED,
    )
    yield Network("pad 2D", lambda x: f.pad(x, [1, 0, 2, 1], value=0.6), {"x": normal(3, 5)})
    yield Network(
        "zeropad2d",
        lambda x: f.zeropad2d(x, [1, 2, 0, 3]),
        picture(),
        (0, 2, 3),
        opsets=(7, 11, 17),
    )
    yield Network(
        "pad by tensor",
        lambda x, n: f.pad(x, n, value=0.7),
        {**picture(), "n": __import__("numpy").array([1, 2, 0, 1], "int32")},
    )
    yield Network(
        "crop", lambda x: paddle.crop(x, [1, 2, 3, 4], [1, 0, 2, 1]), picture(), opsets=(7, 10, 17)
    )
