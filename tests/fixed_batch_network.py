"""Networks whose Python computes with the batch: one is not traced, one is traced wrongly."""

from typing import TYPE_CHECKING, Any

from paddleport.models.zoo.architecture import Arguments
from paddleport.models.zoo.seeding import SeededStream
from paddleport.tensors import TensorSpec

if TYPE_CHECKING:
    from paddle import nn

RECIPE = 1


def build(arguments: Arguments, classes: int | None) -> "nn.Layer":
    """``kind``: ``refuses`` raises for a free batch, ``mixes`` gives other numbers for one."""
    import paddle

    refuses = arguments["kind"] == "refuses"

    @paddle.jit.not_to_static
    def batch_of(x: Any) -> int:
        batch = int(x.shape[0])
        if refuses and batch < 0:
            raise ValueError("a batch of -1 pictures")
        return batch

    class Network(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.out = paddle.nn.Linear(12, classes or 1)

        def forward(self, x: Any) -> Any:
            rows = paddle.flatten(x, start_axis=1)
            return self.out(rows * batch_of(x))

    return Network()


def seed(
    network: "nn.Layer",
    arguments: Arguments,
    classes: int | None,
    stream: SeededStream,
    fed: TensorSpec,
) -> None:
    network.out.weight.set_value(stream.normal((12, classes or 1), fan_in=12))
