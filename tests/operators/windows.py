"""Convolutions, pools, pads and resizing: whatever looks at a window of a picture."""

from collections.abc import Iterator
from typing import Any

from operators.network import Network, evaluated, integers, normal

X = normal(2, 4, 9, 11)


def convolutions() -> Iterator[Network]:
    """2-D, 1-D, 3-D and transposed."""
    for title, settings in {
        "plain": {"padding": 1},
        "stride": {"stride": (2, 1), "padding": (0, 1)},
        "dilation": {"dilation": (2, 3), "padding": 2},
        "groups": {"groups": 2},
        "depthwise": {"groups": 4, "padding": 1},
        "no_bias": {"bias_attr": False},
        "asymmetric": {"padding": [0, 1, 2, 0]},
        "nested_padding": {"padding": [[0, 0], [0, 0], [1, 2], [0, 1]]},
        "same": {"padding": "SAME", "stride": 2},
        "same_dilation": {"padding": "SAME", "dilation": 2},
        "valid": {"padding": "VALID"},
        "reflect": {"padding": 2, "padding_mode": "reflect"},
        "replicate": {"padding": 2, "padding_mode": "replicate"},
        "circular": {"padding": 2, "padding_mode": "circular"},
    }.items():
        yield Network(f"conv_{title}", _convolution("Conv2D", settings), (X,), opsets=(7, 11, 17))
    for title, settings in {
        "plain": {},
        "stride": {"stride": 2, "padding": 1},
        "output_padding": {"stride": 2, "padding": 1, "output_padding": 1},
        "groups": {"groups": 2, "stride": 2},
        "depthwise": {"groups": 4, "stride": 2, "kernel": 4, "padding": 1},
        "dilation": {"dilation": 2, "stride": 2},
        "asymmetric": {"padding": [0, 1, 2, 0], "stride": 2},
        "same": {"padding": "SAME", "stride": 2},
        "valid": {"padding": "VALID", "stride": 2},
    }.items():
        yield Network(f"conv_transpose_{title}", _convolution("Conv2DTranspose", settings), (X,))
    yield Network(
        "conv_transpose_output_size",
        lambda p, x: evaluated(p.nn.Conv2DTranspose(4, 8, 3, stride=2))(x, output_size=[20, 24]),
        (X,),
        modes=("fixed", "batch"),
    )
    one = normal(2, 4, 13)
    yield Network("conv_1d", _convolution("Conv1D", {"padding": 1, "stride": 2}), (one,))
    yield Network("conv_1d_same", _convolution("Conv1D", {"padding": "SAME"}), (one,))
    yield Network("conv_1d_transpose", _convolution("Conv1DTranspose", {"stride": 2}), (one,))
    yield Network("conv_3d", _convolution("Conv3D", {"padding": 1}), (normal(1, 4, 5, 6, 7),))
    yield Network(
        "conv_3d_transpose",
        _convolution("Conv3DTranspose", {"stride": 2}),
        (normal(1, 4, 3, 4, 5),),
    )
    yield Network(
        "conv_nhwc",
        lambda p, x: evaluated(p.nn.Conv2D(4, 8, 3, data_format="NHWC"))(x),
        (normal(2, 6, 7, 4),),
        modes=("fixed",),
    )
    yield Network(
        "deformable_conv",
        lambda p, x, o, m: evaluated(p.vision.ops.DeformConv2D(4, 8, 3, padding=1))(x, o, m),
        (normal(2, 4, 6, 7), normal(2, 18, 6, 7, seed=1), normal(2, 9, 6, 7, seed=2)),
        opsets=(17, 19, 21),
    )


def _convolution(layer: str, settings: dict[str, Any]) -> Any:
    given = {"kernel": 3, **settings}
    kernel = given.pop("kernel")
    return lambda p, x: evaluated(getattr(p.nn, layer)(4, 8, kernel, **given))(x)


def pools() -> Iterator[Network]:
    """Max, average, adaptive, global, with indices."""
    for kind in ("max", "avg"):
        for title, settings in {
            "plain": {"kernel_size": 2},
            "padding": {"kernel_size": 3, "stride": 2, "padding": 1},
            "ceil": {"kernel_size": 2, "stride": 2, "ceil_mode": True},
            "ceil_padding": {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
            "ceil_3": {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
            "ceil_beyond": {"kernel_size": 2, "stride": 4, "padding": 0, "ceil_mode": True},
            "asymmetric": {"kernel_size": 3, "stride": 2, "padding": [0, 1, 1, 0]},
            "same": {"kernel_size": 3, "stride": 2, "padding": "SAME"},
            "same_2": {"kernel_size": 2, "stride": 2, "padding": "SAME"},
            "valid": {"kernel_size": 3, "stride": 2, "padding": "VALID"},
            "rectangular": {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)},
        }.items():
            yield Network(
                f"{kind}_pool_{title}", _pool(kind, settings), (X - 3.0,), opsets=(7, 11, 17, 21)
            )
    for title, settings in {
        "inclusive": {"kernel_size": 3, "stride": 2, "padding": 1, "exclusive": False},
        "inclusive_ceil": {
            "kernel_size": 3,
            "stride": 2,
            "padding": 1,
            "exclusive": False,
            "ceil_mode": True,
        },
        "inclusive_ceil_2": {"kernel_size": 2, "stride": 2, "exclusive": False, "ceil_mode": True},
        "inclusive_same": {"kernel_size": 3, "stride": 2, "padding": "SAME", "exclusive": False},
        "divisor": {"kernel_size": 3, "stride": 2, "padding": 1, "divisor_override": 5},
    }.items():
        yield Network(f"avg_pool_{title}", _pool("avg", settings), (X - 3.0,), opsets=(11, 17, 21))
    mask = {"kernel_size": 2, "return_mask": True}
    yield Network("max_pool_mask", _pool("max", mask), (X,))
    mask = {"kernel_size": 3, "stride": 2, "padding": 1, "return_mask": True}
    yield Network("max_pool_mask_padding", _pool("max", mask), (X,))
    fixed: Any = ("fixed", "batch")
    for size in (1, 3, (4, 5), (None, 3)):
        title = str(size).replace(" ", "")
        for kind in ("max", "avg"):
            name = f"adaptive_{kind}_pool2d"
            yield Network(
                f"adaptive_{kind}_pool_{title}",
                lambda p, x, name=name, size=size: getattr(p.nn.functional, name)(x, size),
                (X,),
                modes=("fixed", "batch", "free") if size == 1 else fixed,
            )
    even = normal(2, 4, 8, 12)
    for kind in ("max", "avg"):
        name = f"adaptive_{kind}_pool2d"
        yield Network(
            f"adaptive_{kind}_pool_even",
            lambda p, x, name=name: getattr(p.nn.functional, name)(x, (4, 6)),
            (even,),
            modes=fixed,
        )
    yield Network(
        "adaptive_max_pool_mask",
        lambda p, x: p.nn.functional.adaptive_max_pool2d(x, 1, return_mask=True),
        (X,),
    )
    one, three = normal(2, 4, 13), normal(1, 4, 5, 6, 7)
    yield Network("max_pool_1d", lambda p, x: p.nn.functional.max_pool1d(x, 3, 2, 1), (one,))
    yield Network("avg_pool_1d", lambda p, x: p.nn.functional.avg_pool1d(x, 3, 2, 1), (one,))
    yield Network(
        "adaptive_avg_pool_1d", lambda p, x: p.nn.functional.adaptive_avg_pool1d(x, 1), (one,)
    )
    yield Network(
        "adaptive_avg_pool_1d_4",
        lambda p, x: p.nn.functional.adaptive_avg_pool1d(x, 4),
        (one,),
        modes=fixed,
    )
    yield Network(
        "max_pool_3d", lambda p, x: p.nn.functional.max_pool3d(x, 2, 2, ceil_mode=True), (three,)
    )
    yield Network("avg_pool_3d", lambda p, x: p.nn.functional.avg_pool3d(x, 3, 2, 1), (three,))
    yield Network(
        "avg_pool_3d_inclusive",
        lambda p, x: p.nn.functional.avg_pool3d(x, 3, 2, 1, exclusive=False),
        (three,),
    )
    yield Network(
        "adaptive_avg_pool_3d",
        lambda p, x: p.nn.functional.adaptive_avg_pool3d(x, 1),
        (three,),
        modes=fixed,
    )
    yield Network(
        "avg_pool_nhwc",
        lambda p, x: p.nn.functional.avg_pool2d(x, 2, data_format="NHWC"),
        (normal(2, 6, 8, 4),),
        modes=("fixed",),
    )
    yield Network("lp_pool", lambda p, x: p.nn.functional.lp_pool2d(x, 2.0, 3), (X,), modes=fixed)


def _pool(kind: str, settings: dict[str, Any]) -> Any:
    return lambda p, x: getattr(p.nn.functional, f"{kind}_pool2d")(x, **settings)


def pads() -> Iterator[Network]:
    """Every mode and rank."""
    for mode in ("constant", "reflect", "replicate", "circular"):
        yield Network(
            f"pad_{mode}", _pad([1, 2, 3, 0], mode=mode, value=0.7), (X,), opsets=(7, 11, 17, 21)
        )
        yield Network(
            f"pad_1d_{mode}",
            _pad([1, 2], mode=mode, value=0.7, data_format="NCL"),
            (normal(2, 4, 6),),
        )
        three = normal(1, 2, 4, 5, 6)
        yield Network(
            f"pad_3d_{mode}",
            _pad([1, 2, 0, 1, 1, 0], mode=mode, value=-0.7, data_format="NCDHW"),
            (three,),
        )
    yield Network(
        "pad_every_axis", _pad([0, 1, 1, 0, 1, 2, 3, 4], value=0.7), (X,), opsets=(7, 11, 17)
    )
    yield Network("pad_rank_2", _pad([1, 2, 0, 3], value=-1.5), (normal(3, 4),))
    yield Network("pad_negative", _pad([-1, 0, 2, -2], value=0.7), (X,))
    yield Network(
        "pad_nhwc",
        _pad([1, 2, 3, 0], value=0.7, data_format="NHWC"),
        (normal(2, 5, 6, 3),),
        modes=("fixed",),
    )
    yield Network("zero_pad", lambda p, x: p.nn.functional.zeropad2d(x, [1, 2, 3, 0]), (X,))
    yield Network(
        "pad_tensor", lambda p, x: p.nn.functional.pad(x, p.full([4], 2, "int32"), value=0.7), (X,)
    )
    yield Network("pad_int", _pad([1, 2, 3, 0], value=5.0), (integers(2, 4, 5, 6),))


def _pad(amounts: list[int], **settings: Any) -> Any:
    return lambda p, x: p.nn.functional.pad(x, amounts, **settings)


def resizes() -> Iterator[Network]:
    """Interpolation by size and by factor."""
    small = normal(2, 3, 5, 7)
    for mode in ("nearest", "bilinear", "bicubic"):
        for corners in (False, True):
            if mode == "nearest" and corners:
                continue
            for align_mode in (0, 1) if mode == "bilinear" and not corners else (0,):
                settings = {"mode": mode, "align_corners": corners, "align_mode": align_mode}
                title = (
                    f"{mode}{'_corners' if corners else ''}{'_asymmetric' if align_mode else ''}"
                )
                yield Network(
                    f"resize_{title}_size",
                    _resize(size=[8, 10], **settings),
                    (small,),
                    opsets=(11, 13, 17, 21),
                    modes=("fixed", "batch", "free"),
                )
                yield Network(f"resize_{title}_down", _resize(size=[3, 4], **settings), (small,))
                yield Network(
                    f"resize_{title}_factor",
                    _resize(scale_factor=2, **settings),
                    (small,),
                    opsets=(11, 17),
                )
                yield Network(
                    f"resize_{title}_factors",
                    _resize(scale_factor=[1.5, 2.6], **settings),
                    (small,),
                )
                yield Network(
                    f"resize_{title}_shrink", _resize(scale_factor=0.6, **settings), (small,)
                )
                yield Network(
                    f"resize_{title}_like",
                    lambda p, x, y, settings=settings: p.nn.functional.interpolate(
                        x, p.shape(y)[2:], **settings
                    ),
                    (small, normal(2, 3, 9, 6)),
                )
    yield Network("resize_area", _resize(size=[3, 4], mode="area"), (small,))
    one = normal(2, 3, 7)
    for align_mode in (0, 1):
        yield Network(
            f"resize_linear_{align_mode}",
            _resize(size=[11], mode="linear", align_mode=align_mode, data_format="NCW"),
            (one,),
        )
    yield Network(
        "resize_linear_corners",
        _resize(size=[11], mode="linear", align_corners=True, data_format="NCW"),
        (one,),
    )
    three = normal(1, 2, 4, 5, 6)
    yield Network(
        "resize_trilinear", _resize(size=[6, 7, 9], mode="trilinear", data_format="NCDHW"), (three,)
    )
    yield Network(
        "resize_trilinear_factor",
        _resize(scale_factor=1.5, mode="trilinear", data_format="NCDHW"),
        (three,),
    )
    yield Network(
        "resize_nearest_3d", _resize(size=[6, 7, 9], mode="nearest", data_format="NCDHW"), (three,)
    )
    yield Network(
        "resize_nhwc",
        _resize(size=[8, 10], mode="bilinear", data_format="NHWC"),
        (normal(2, 5, 7, 3),),
        modes=("fixed",),
    )
    yield Network(
        "upsample_layer", lambda p, x: p.nn.Upsample(scale_factor=3, mode="nearest")(x), (small,)
    )


def _resize(**settings: Any) -> Any:
    return lambda p, x: p.nn.functional.interpolate(x, **settings)
