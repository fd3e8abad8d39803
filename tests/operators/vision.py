"""Resizing, sampling, regions and the shuffles of pixels."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from operators.network import Network, normal, parameter, picture


def networks(paddle: Any) -> Iterator[Network]:
    """Yield one network per operator and setting."""
    yield from _resizes(paddle)
    yield from _sampling(paddle)
    yield from _regions(paddle)
    yield from _shuffles(paddle)


def _resizes(paddle: Any) -> Iterator[Network]:
    f = paddle.nn.functional
    settings: dict[str, Any] = {
        "nearest": {"mode": "nearest"},
        "bilinear": {"mode": "bilinear"},
        "bilinear align_corners": {"mode": "bilinear", "align_corners": True},
        "bilinear align_mode 1": {"mode": "bilinear", "align_mode": 1},
        "bicubic": {"mode": "bicubic"},
        "bicubic align_corners": {"mode": "bicubic", "align_corners": True},
        "area": {"mode": "area"},
    }
    targets: dict[str, Any] = {
        "up size": {"size": [11, 15]},
        "down size": {"size": [4, 3]},
        "twice": {"scale_factor": 2},
        "by 1.5 and 0.7": {"scale_factor": [1.5, 0.7]},
        "by 2.6": {"scale_factor": 2.6},
    }
    for name, setting in settings.items():
        for target, size in targets.items():
            if name == "area" and "size" not in size:
                continue
            for free in ((), (0, 2, 3)):
                yield Network(
                    f"interpolate {name} {target}{' free' if free else ''}",
                    lambda x, setting=setting, size=size: f.interpolate(x, **size, **setting),
                    picture(height=7, width=8),
                    free,
                    opsets=(17,) if free else (10, 11, 13, 21),
                )
    yield Network(
        "interpolate nearest align_corners",
        lambda x: paddle._C_ops.nearest_interp(
            x, None, None, None, "NCHW", -1, 11, 15, [], "nearest", True, 1
        ),
        picture(),
        formats=("pir",),
    )
    yield Network(
        "interpolate linear",
        lambda x: f.interpolate(x, size=[13], mode="linear", data_format="NCW"),
        {"x": normal(2, 4, 9)},
    )
    yield Network(
        "interpolate trilinear",
        lambda x: f.interpolate(x, size=[6, 4, 9], mode="trilinear", data_format="NCDHW"),
        {"x": normal(2, 3, 4, 5, 6)},
    )
    yield Network(
        "interpolate to another's size",
        lambda x, y: f.interpolate(x, size=paddle.shape(y)[2:], mode="bilinear"),
        {**picture(), "y": normal(2, 3, 9, 11)},
        (0, 2, 3),
        opsets=(11, 13, 17, 21),
    )
    yield Network(
        "interpolate by tensor scale",
        lambda x, s: f.interpolate(x, scale_factor=s, mode="bilinear"),
        {**picture(), "s": np.array([1.5], np.float32)},
        opsets=(11, 17),
    )
    yield Network(
        "interpolate NHWC",
        lambda x: f.interpolate(x, size=[9, 5], mode="bilinear", data_format="NHWC"),
        picture(),
    )


def _sampling(paddle: Any) -> Iterator[Network]:
    f = paddle.nn.functional
    grid = np.random.default_rng(1).uniform(-1.4, 1.4, (2, 5, 4, 2)).astype(np.float32)
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border", "reflection"):
            for align in (True, False):
                yield Network(
                    f"grid_sample {mode} {padding} {align}",
                    lambda x, g, mode=mode, padding=padding, align=align: f.grid_sample(
                        x, g, mode=mode, padding_mode=padding, align_corners=align
                    ),
                    {**picture(), "g": grid},
                    opsets=(16, 17, 20, 21),
                )
    theta = normal(2, 2, 3, seed=3, scale=0.7)
    for align in (True, False):
        yield Network(
            f"affine_grid {align}",
            lambda t, align=align: f.affine_grid(t, [2, 3, 5, 4], align_corners=align),
            {"t": theta},
        )
    for setting in ({"paddings": 0}, {"paddings": [1, 2], "strides": 2}, {"dilations": 2}):
        yield Network(
            f"unfold {setting}",
            lambda x, setting=setting: f.unfold(x, [3, 2], **setting),
            picture(),
        )
    yield Network(
        "fold",
        lambda x: f.fold(x, [4, 5], [2, 2], strides=1),
        {"x": normal(2, 12, 12)},
    )


def _regions(paddle: Any) -> Iterator[Network]:
    boxes = np.array([[0.5, 0.4, 5.2, 4.9], [1, 0, 3.5, 5], [0, 0, 6, 5.5]], np.float32)
    counts = np.array([1, 2], np.int32)
    for aligned in (True, False):
        for ratio in (2, -1):
            one = {"x": normal(1, 4, 6, 7), "b": boxes, "n": np.array([3], np.int32)}
            yield Network(
                f"roi_align one picture {aligned} {ratio}",
                lambda x, b, n, aligned=aligned, ratio=ratio: paddle.vision.ops.roi_align(
                    x, b, n, (3, 2), 0.8, ratio, aligned
                ),
                one,
                opsets=(16, 21) if aligned else (10, 16, 21),
            )
            yield Network(
                f"roi_align {aligned} {ratio}",
                lambda x, b, n, aligned=aligned, ratio=ratio: paddle.vision.ops.roi_align(
                    x, b, n, (3, 2), 0.8, ratio, aligned
                ),
                {**picture(), "b": boxes, "n": counts},
                opsets=(10, 16, 17),
            )
    yield Network(
        "roi_pool",
        lambda x, b, n: paddle.vision.ops.roi_pool(x, b, n, (2, 2), 1.0),
        {**picture(), "b": boxes, "n": counts},
    )
    for groups in (1, 2):
        yield Network(
            f"deform_conv2d v1 groups {groups}",
            lambda x, o, groups=groups: paddle.vision.ops.deform_conv2d(
                x,
                o,
                parameter(paddle, normal(6, 4, 3, 3, seed=4)),
                padding=1,
                deformable_groups=groups,
            ),
            {**picture(), "o": normal(2, 18 * groups, 6, 7, seed=6)},
            opsets=(17, 19, 21),
        )
    yield Network(
        "deform_conv2d v2",
        lambda x, o, m: paddle.vision.ops.deform_conv2d(
            x, o, parameter(paddle, normal(6, 4, 3, 3, seed=4)), padding=1, mask=m
        ),
        {**picture(), "o": normal(2, 18, 6, 7, seed=6), "m": normal(2, 9, 6, 7, seed=7)},
        opsets=(17, 19, 21),
    )
    corners = np.random.default_rng(3).uniform(0, 20, (12, 2)).astype(np.float32)
    many = np.concatenate([corners, corners + 9], 1)
    scores = np.random.default_rng(4).uniform(0, 1, 12).astype(np.float32)
    yield Network("nms", lambda b: paddle.vision.ops.nms(b, 0.3), {"b": many})
    yield Network(
        "nms scores",
        lambda b, s: paddle.vision.ops.nms(b, 0.3, s),
        {"b": many, "s": scores},
    )
    yield Network(
        "yolo_box",
        lambda x, s: paddle.vision.ops.yolo_box(x, s, [10, 13, 16, 30], 2, 0.01, 32, scale_x_y=1.1),
        {"x": normal(1, 14, 4, 4), "s": np.array([[128, 128]], np.int32)},
        opsets=(11, 17),
    )


def _shuffles(paddle: Any) -> Iterator[Network]:
    f = paddle.nn.functional
    yield Network("pixel_shuffle", lambda x: f.pixel_shuffle(x, 2), picture(channels=8), (0, 2, 3))
    yield Network("pixel_unshuffle", lambda x: f.pixel_unshuffle(x, 2), picture(width=8), (0,))
    yield Network("channel_shuffle", lambda x: f.channel_shuffle(x, 2), picture(), (0,))
    yield Network(
        "space_to_depth by hand",
        lambda x: paddle.concat([x[:, :, ::2, ::2], x[:, :, 1::2, ::2]], 1),
        picture(width=8),
    )
    yield Network("temporal_shift", lambda x: f.temporal_shift(x, 2, 0.25), picture(batch=4))
