"""Networks whose outputs are no table of classes, saved by Paddle: scalars, counts, lists."""

from typing import Any

SIDE = 32
FEATURES = 6


def save(kind: str, prefix: str) -> None:
    """Save one of the networks below; runs in a worker."""
    import paddle

    paddle.seed(7)
    network, shape = _KINDS[kind]()
    network.eval()
    spec = [paddle.static.InputSpec(shape, "float32", name="x")]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)


def _numbers() -> tuple[Any, list[int | None]]:
    """Logits spread over more than 64, a mean, a count that never changes, and a list of none."""
    import paddle
    from paddle import nn

    class Numbers(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(FEATURES, 20)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            logits = self.layer(x) * 60
            return (
                nn.functional.softmax(logits, axis=-1),
                nn.functional.log_softmax(logits, axis=-1),
                logits.square().mean(),
                (logits > -1e6).astype("int64").sum(),
                paddle.nonzero(logits > 1e6),
                logits.argmax(axis=-1),
            )

    return Numbers(), [None, FEATURES]


def _ties() -> tuple[Any, list[int | None]]:
    """TopK of what is mostly zero."""
    import paddle
    from paddle import nn

    class Ties(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(FEATURES, 12)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return paddle.topk(nn.functional.relu(self.layer(x) - 0.3), 8)

    return Ties(), [None, FEATURES]


def _detector(least_score: float) -> tuple[Any, list[int | None]]:
    """Boxes after suppression, and their number."""
    import paddle
    from paddle import _C_ops, nn

    class Detector(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2D(3, 8, 3, stride=4, padding=1)
            self.boxes = nn.Conv2D(8, 4, 1)
            self.scores = nn.Conv2D(8, 3, 1)

        def forward(self, x):  # type: ignore[no-untyped-def]
            hidden = nn.functional.relu(self.stem(x))
            found = nn.functional.sigmoid(self.boxes(hidden)).flatten(2).transpose([0, 2, 1]) * 30.0
            corners = paddle.concat([found[:, :, :2], found[:, :, :2] + found[:, :, 2:]], -1)
            scores = nn.functional.sigmoid(self.scores(hidden)).flatten(2)
            suppress: Any = _C_ops.multiclass_nms3
            arguments = (least_score, 100, 20, 0.5, True, 1.0, -1)
            boxes, _, count = suppress(corners, scores, None, *arguments)
            return boxes, count

    return Detector(), [1, 3, SIDE, SIDE]


def _undefined() -> tuple[Any, list[int | None]]:
    """The root of what is negative."""
    import paddle
    from paddle import nn

    class Undefined(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(FEATURES, 5)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return paddle.sqrt(-1 - self.layer(x).square())

    return Undefined(), [None, FEATURES]


_KINDS = {
    "numbers": _numbers,
    "ties": _ties,
    "detector": lambda: _detector(0.3),
    "no boxes": lambda: _detector(0.9999999),
    "undefined": _undefined,
}
