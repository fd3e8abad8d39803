"""Networks whose weights Paddle2ONNX can do without, or not; saved inside a worker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from paddleport.models.artifact import Artifact, paddle_artifact

Spec = tuple[list[int | None], Any]


def _convolutions(paddle: Any) -> Any:
    nn = paddle.nn
    return nn.Sequential(
        nn.Conv2D(3, 8, 3),
        nn.BatchNorm2D(8),
        nn.Conv2D(8, 8, 3, groups=8),
        nn.BatchNorm2D(8),
        nn.ReLU(),
        nn.Conv2DTranspose(8, 4, 3, stride=2),
        nn.BatchNorm2D(4),
        nn.Conv2DTranspose(4, 4, 3, groups=4),
        nn.Flatten(),
        nn.Linear(4 * 15 * 15, 6),
    )


def _equal_weights(paddle: Any) -> Any:
    """Equal weights on one input, and one weight used twice."""

    class EqualWeights(paddle.nn.Layer):  # type: ignore[misc]  # Paddle has no types
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = paddle.nn.Linear(9, 5), paddle.nn.Linear(9, 5)
            self.second.weight.set_value(self.first.weight)
            self.square = paddle.nn.Linear(5, 5)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            y = self.first(x) * 2 + self.second(x)
            return self.square(paddle.nn.functional.relu(self.square(y)))

    return EqualWeights()


def _equal_kernels(paddle: Any) -> Any:
    """Equal kernels on one picture, which come to one operator."""

    class Kernels(paddle.nn.Layer):  # type: ignore[misc]  # Paddle has no types
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.third = (
                paddle.nn.Conv2D(3, 4, 3, bias_attr=False) for _ in range(3)
            )
            self.third.weight.set_value(self.first.weight)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            return self.first(x) * self.second(x) * paddle.nn.functional.relu(self.third(x))

    return Kernels()


def _words(paddle: Any) -> Any:
    """A table that is used as a matrix too, one with padding, and an LSTM."""

    class Words(paddle.nn.Layer):  # type: ignore[misc]  # Paddle has no types
        def __init__(self) -> None:
            super().__init__()
            self.table = paddle.nn.Embedding(11, 6)
            self.padded = paddle.nn.Embedding(11, 6, padding_idx=2)
            self.lstm = paddle.nn.LSTM(6, 6)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            y, _ = self.lstm(self.table(x) + self.padded(x))
            return paddle.matmul(y, self.table.weight, transpose_y=True)

    return Words()


def _attention(paddle: Any) -> Any:
    return paddle.nn.TransformerEncoderLayer(8, 2, 16)


def _doubles(paddle: Any) -> Any:
    network = paddle.nn.Sequential(paddle.nn.Linear(9, 5), paddle.nn.ReLU(), paddle.nn.Linear(5, 5))
    return network.to(dtype="float64")


def _halves(paddle: Any) -> Any:
    return paddle.nn.Linear(9, 5).to(dtype="float16")


def _branches(paddle: Any) -> Any:
    """One weight in the main block, one in a branch, one in both."""

    class Branches(paddle.nn.Layer):  # type: ignore[misc]  # Paddle has no types
        def __init__(self) -> None:
            super().__init__()
            self.main, self.inner, self.both = (paddle.nn.Linear(9, 9) for _ in range(3))

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            y = self.both(self.main(x))
            if y.sum() > 0:
                y = self.inner(self.both(y))
            return y

    return Branches()


NETWORKS: dict[str, tuple[Callable[[Any], Any], Spec, set[str]]] = {
    "convolutions": (
        _convolutions,
        ([2, 3, 10, 10], "float32"),
        {
            "conv2d_0.w_0",
            "conv2d_1.w_0",
            "conv2d_transpose_0.w_0",
            "conv2d_transpose_1.w_0",
            "linear_0.w_0",
        },
    ),
    "equal weights": (
        _equal_weights,
        ([2, 9], "float32"),
        {"linear_0.w_0", "linear_1.w_0", "linear_2.w_0"},
    ),
    "equal kernels": (
        _equal_kernels,
        ([2, 3, 8, 8], "float32"),
        {"conv2d_0.w_0", "conv2d_1.w_0", "conv2d_2.w_0"},
    ),
    "words": (_words, ([2, 7], "int64"), {"embedding_0.w_0"}),
    "attention": (
        _attention,
        ([2, 5, 8], "float32"),
        {f"linear_{number}.w_0" for number in range(6)},
    ),
    "doubles": (_doubles, ([2, 9], "float64"), {"linear_0.w_0", "linear_1.w_0"}),
    "halves": (_halves, ([2, 9], "float16"), {"linear_0.w_0"}),
    "branches": (_branches, ([2, 9], "float32"), {"linear_0.w_0"}),
}
"""Network, input, and the weights that are kept out of Paddle2ONNX."""


def save(name: str, folder: Path, seed: int = 7) -> Artifact:
    """Save one in the format of this process."""
    import paddle

    make, (shape, dtype), _ = NETWORKS[name]
    paddle.seed(seed)
    with paddle.utils.unique_name.guard():
        network = make(paddle)
        network.eval()
        spec = [paddle.static.InputSpec(shape, dtype, name="x")]
        prefix = folder / "inference"
        static = paddle.jit.to_static(network, input_spec=spec, full_graph=True)
        paddle.jit.save(static, str(prefix))
    params = prefix.with_suffix(".pdiparams")
    if prefix.with_suffix(".json").is_file():
        return paddle_artifact(prefix.with_suffix(".json"), params, "pir")
    return paddle_artifact(prefix.with_suffix(".pdmodel"), params, "protobuf")
