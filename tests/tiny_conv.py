"""A family of the zoo as a plug-in adds it: one convolution and a classifier."""

from typing import TYPE_CHECKING, Any

from paddleport.models.zoo.architecture import Arguments
from paddleport.models.zoo.conv_norm import ConvNorm, seed_conv_norm
from paddleport.models.zoo.network_state import set_state
from paddleport.models.zoo.seeding import SeededStream, sample_input, seed_classifier
from paddleport.tensors import Array, TensorSpec

if TYPE_CHECKING:
    from paddle import nn

RECIPE = 3


def seed(
    network: "nn.Layer",
    arguments: Arguments,
    classes: int | None,
    stream: SeededStream,
    fed: TensorSpec,
) -> None:
    assert classes is not None
    state: dict[str, Array] = {}
    features = seed_conv_norm(layer_of(arguments), sample_input(64), stream, state)
    pooled = features.mean(axis=(2, 3)).T
    state["out.weight"], state["out.bias"] = seed_classifier(pooled, classes, stream)
    set_state(network, state, "the seeded state does not fit")


def build(arguments: Arguments, classes: int | None) -> "nn.Layer":
    from paddle import nn

    layer, outputs = layer_of(arguments), classes or 0

    class Stem(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self._conv = nn.Conv2D(3, layer.outputs, 3, stride=2, padding=1, bias_attr=False)
            self._batch_norm = nn.BatchNorm(layer.outputs)

        def forward(self, x: Any) -> Any:
            return nn.functional.relu6(self._batch_norm(self._conv(x)))

    class Network(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.stem = Stem()
            self.out = nn.Linear(layer.outputs, outputs)

        def forward(self, x: Any) -> Any:
            pooled = self.stem(x).mean(axis=(2, 3))
            return nn.functional.softmax(self.out(pooled), axis=-1)

    return Network()


def layer_of(arguments: Arguments) -> ConvNorm:
    return ConvNorm(
        key="stem", name="stem", inputs=3, outputs=arguments["channels"], kernel=3, stride=2
    )
