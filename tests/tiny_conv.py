"""A family of the zoo as a plug-in adds it: one convolution and a classifier."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from paddleport.models.zoo.architecture import Arguments, StateEntry
from paddleport.models.zoo.conv_norm import ConvNorm, seed_conv_norm
from paddleport.models.zoo.seeding import SeededStream, sample_input, seed_classifier
from paddleport.tensors import Array

if TYPE_CHECKING:
    from paddle import nn

RECIPE = 3
CLASSES_KEY = "out.bias"


def state_entries(arguments: Arguments, classes: int) -> Iterator[StateEntry]:
    yield from layer_of(arguments).entries()
    yield StateEntry(key="out.weight", name="out_weights", shape=(arguments["channels"], classes))
    yield StateEntry(key=CLASSES_KEY, name="out_offset", shape=(classes,))


def seeded_state(arguments: Arguments, classes: int, stream: SeededStream) -> dict[str, Array]:
    state: dict[str, Array] = {}
    features = seed_conv_norm(layer_of(arguments), sample_input(64), stream, state)
    pooled = features.mean(axis=(2, 3)).T
    state["out.weight"], state[CLASSES_KEY] = seed_classifier(pooled, classes, stream)
    return state


def build(arguments: Arguments, classes: int) -> "nn.Layer":
    from paddle import nn

    layer = layer_of(arguments)

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
            self.out = nn.Linear(layer.outputs, classes)

        def forward(self, x: Any) -> Any:
            pooled = self.stem(x).mean(axis=(2, 3))
            return nn.functional.softmax(self.out(pooled), axis=-1)

    return Network()


def layer_of(arguments: Arguments) -> ConvNorm:
    return ConvNorm(
        key="stem", name="stem", inputs=3, outputs=arguments["channels"], kernel=3, stride=2
    )
