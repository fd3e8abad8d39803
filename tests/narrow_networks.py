"""Networks of which Paddle2ONNX's file takes less than Paddle does, or Paddle less than it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from paddleport.models.artifact import Artifact, paddle_artifact

Shape = tuple[int | None, ...]
ANCHORS = [10, 13, 16, 30, 33, 23]
STRIDE = 32


def save(name: str, folder: Path) -> Artifact:
    """A network of ``NETWORKS``, saved by Paddle in ``folder``."""
    import paddle

    paddle.seed(7)
    build, inputs = NETWORKS[name]
    network = build()
    network.eval()
    specs = [
        paddle.static.InputSpec(list(shape), "float32", input) for input, shape in inputs.items()
    ]
    static = paddle.jit.to_static(network, input_spec=specs, full_graph=True)
    paddle.jit.save(static, str(folder / "it"))
    return paddle_artifact(folder / "it.json", folder / "it.pdiparams", "pir")


def _sorted_out(boxes: Any, scores: Any) -> Any:
    from paddle import _C_ops

    operators: Any = _C_ops
    settings = (0.01, 100, 50, 0.5, True, 1.0, -1)
    kept, _, count = operators.multiclass_nms3(boxes, scores, None, *settings)
    return kept, count


def yolo() -> Any:
    """A detector that is told the picture's size: its file declares a free batch, and takes 1."""
    import paddle
    from paddle import nn

    class Yolo(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2D(3, 3 * (5 + 4), STRIDE, stride=STRIDE)

        def forward(self, image, im_shape, scale_factor):  # type: ignore[no-untyped-def]
            found = self.convolution(image)
            size = paddle.cast(im_shape / scale_factor, "int32")
            boxes, scores = paddle.vision.ops.yolo_box(found, size, ANCHORS, 4, 0.01, STRIDE)
            return _sorted_out(boxes, paddle.transpose(scores, [0, 2, 1]))

    return Yolo()


def head() -> Any:
    """A detector fed with pictures alone: Paddle2ONNX itself declares a batch of 1."""
    import paddle
    from paddle import nn

    class Head(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2D(3, 8, 16, stride=16)

        def forward(self, x):  # type: ignore[no-untyped-def]
            found = paddle.transpose(paddle.flatten(self.convolution(x), 2), [0, 2, 1])
            scores = nn.functional.sigmoid(paddle.transpose(found[:, :, 4:], [0, 2, 1]))
            centre = nn.functional.sigmoid(found[:, :, :2]) * 100
            half = nn.functional.sigmoid(found[:, :, 2:4]) * 50
            kept, _ = _sorted_out(paddle.concat([centre - half, centre + half], -1), scores)
            return kept

    return Head()


def one_row() -> Any:
    """Its batch is free by its declaration, and 1 by a reshape: nothing of the converter's."""
    from paddle import nn

    class OneRow(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.linear(x.reshape([1, 8]))

    return OneRow()


def pooled() -> Any:
    """Adaptive pooling, which Paddle2ONNX converts for a fixed size only."""
    import paddle
    from paddle import nn

    class Pooled(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.pool = nn.Conv2D(3, 4, 3, padding=1), nn.AdaptiveAvgPool2D(7)
            self.linear = nn.Linear(4 * 7 * 7, 5)

        def forward(self, x):  # type: ignore[no-untyped-def]
            pooled = self.pool(nn.functional.relu(self.convolution(x)))
            return self.linear(paddle.flatten(pooled, 1))

    return Pooled()


def repeated() -> Any:
    """repeat_interleave, which comes out as an invalid Tile where the batch is free."""
    import paddle
    from paddle import nn

    class Repeated(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return paddle.repeat_interleave(self.linear(x), 3, axis=1)

    return Repeated()


def in_fives() -> Any:
    """It takes rows in fives, which the made-up feed has not."""
    from paddle import nn

    class InFives(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.linear(x.reshape([5, -1, 8]))

    return InFives()


def plain() -> Any:
    """A network whose file takes what Paddle takes."""
    from paddle import nn

    class Plain(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2D(3, 4, 3, stride=2)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return nn.functional.relu(self.convolution(x)).mean([2, 3])

    return Plain()


def assigned() -> Any:
    """An assignment to a slice of two axes, which comes out with sequences of constants."""
    import paddle
    from paddle import nn

    class Assigned(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x):  # type: ignore[no-untyped-def]
            mask = paddle.zeros([4, 8])
            mask[1:3, 2:5] = 1.5
            return self.linear(x) + mask

    return Assigned()


SIDE_INPUTS: dict[str, Shape] = {"im_shape": (None, 2), "scale_factor": (None, 2)}


def strided() -> Any:
    """A network whose second convolution finds nothing in a picture of 2x2."""
    from paddle import nn

    class Strided(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2D(3, 4, 3, stride=2)
            self.second = nn.Conv2D(4, 4, 3, stride=2)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.second(nn.functional.relu(self.first(x))).mean([2, 3])

    return Strided()


NETWORKS: dict[str, tuple[Callable[[], Any], dict[str, Shape]]] = {
    "yolo": (yolo, {"image": (None, 3, 64, 64), **SIDE_INPUTS}),
    "head": (head, {"x": (None, 3, 64, 64)}),
    "one row": (one_row, {"x": (None, 8)}),
    "pooled": (pooled, {"x": (None, 3, None, None)}),
    "repeated": (repeated, {"x": (None, 8)}),
    "in fives": (in_fives, {"x": (None, None)}),
    "plain": (plain, {"x": (None, 3, None, None)}),
    "strided": (strided, {"x": (None, 3, None, None)}),
    "assigned": (assigned, {"x": (None, 4, 8)}),
}
