"""MobileNetV2 parameter for parameter as PaddleClas has it, as plain data and as a network.

Source: PaddleClas 2.6, ppcls/arch/backbone/model_zoo/mobilenet_v2.py; the paper is
https://arxiv.org/abs/1801.04381. Unlike other implementations: channels are ``int(c * scale)``
and not rounded to multiples of 8, the first block keeps its 1x1 expansion though it expands by
1, every block but a stage's first has the shortcut, and there is no dropout.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paddleport.errors import ModelFileError
from paddleport.models.zoo.architecture import Arguments
from paddleport.models.zoo.conv_norm import EPSILON, ConvNorm, seed_conv_norm
from paddleport.models.zoo.network_state import set_state
from paddleport.models.zoo.seeding import SeededStream, sample_input, seed_classifier
from paddleport.tensors import Array, TensorSpec

if TYPE_CHECKING:
    from paddle import nn

RECIPE = 1

Layer = Callable[[ConvNorm, Array], Array]

# expansion, channels at scale 1, blocks, stride of the first block: table 2 of the paper
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@dataclass(frozen=True, kw_only=True)
class InvertedResidual:
    """An inverted residual: expand, depthwise, and a linear projection."""

    expand: ConvNorm
    depthwise: ConvNorm
    linear: ConvNorm
    shortcut: bool


@dataclass(frozen=True, kw_only=True)
class MobileNetV2:
    """The whole network: stem, blocks by stage, head, global average pool, linear classifier."""

    stem: ConvNorm
    stages: tuple[tuple[InvertedResidual, ...], ...]
    head: ConvNorm
    classes: int

    def layers(self) -> Iterator[ConvNorm]:
        """Every convolution, in the order of the state dict."""
        yield self.stem
        for stage in self.stages:
            for block in stage:
                yield from (block.expand, block.depthwise, block.linear)
        yield self.head


def build(arguments: Arguments, classes: int | None) -> "nn.Layer":
    """The network in Paddle with a softmax behind it, as PaddleClas exports it.

    Args:
        arguments: ``scale``, the width multiplier.
        classes: of the classifier.
    """
    return build_network(mobilenet_v2(_scale(arguments), _counted(classes)), softmax=True)


def seed(
    network: "nn.Layer",
    arguments: Arguments,
    classes: int | None,
    stream: SeededStream,
    fed: TensorSpec,
) -> None:
    """Set the network to ``seeded_state``."""
    state = seeded_state(arguments, _counted(classes), stream)
    set_state(network, state, "the seeded state does not fit")


def seeded_state(arguments: Arguments, classes: int, stream: SeededStream) -> dict[str, Array]:
    """Make the state dict: float32, keys as PaddleClas has them.

    Layer by layer, the statistics of the normalisations are those of sample pictures passing
    through in float64.
    """
    state: dict[str, Array] = {}

    def calibrate(layer: ConvNorm, x: Array) -> Array:
        return seed_conv_norm(layer, x, stream, state)

    model = mobilenet_v2(_scale(arguments), classes)
    features = pooled_features(model, calibrate, sample_input())
    state["out.weight"], state["out.bias"] = seed_classifier(features, classes, stream)
    return state


def pooled_features(model: MobileNetV2, apply: Layer, x: Array) -> Array:
    """Channels x N x height x width through ``apply``, layer by layer, pooled to N x channels."""
    x = apply(model.stem, x)
    for stage in model.stages:
        for block in stage:
            y = apply(block.linear, apply(block.depthwise, apply(block.expand, x)))
            x = y + x if block.shortcut else y
    pooled: Array = apply(model.head, x).mean(axis=(2, 3)).T
    return pooled


def _scale(arguments: Arguments) -> float:
    scale = arguments.get("scale")
    if not isinstance(scale, int | float) or not 0 < scale < 100 or len(arguments) != 1:
        raise ModelFileError(
            f"MobileNetV2 takes one argument, the number scale, and its card has {arguments!r}"
        )
    return float(scale)


def _counted(classes: int | None) -> int:
    if classes is None:
        raise ModelFileError("MobileNetV2 is a classifier, and its card says no number of classes")
    return classes


def mobilenet_v2(scale: float, classes: int = 1000) -> MobileNetV2:
    """Describe the network for a width multiplier and a number of classes."""
    width = int(32 * scale)
    stem = ConvNorm(key="conv1", name="conv1_1", inputs=3, outputs=width, kernel=3, stride=2)
    stages = []
    for number, (expansion, channels, blocks, stride) in enumerate(_STAGES, start=2):
        outputs = int(channels * scale)
        stage = []
        for index in range(blocks):
            first = index == 0
            child = "_first_block" if first else f"conv{number}_{index + 1}"
            stage.append(
                _block(
                    f"conv{number}.{child}",
                    f"conv{number}_{index + 1}",
                    (width, width * expansion, outputs),
                    stride if first else 1,
                    shortcut=not first,
                )
            )
            width = outputs
        stages.append(tuple(stage))
    features = int(1280 * scale) if scale > 1 else 1280
    head = ConvNorm(key="conv9", name="conv9", inputs=width, outputs=features)
    return MobileNetV2(stem=stem, stages=tuple(stages), head=head, classes=classes)


def _block(
    key: str, name: str, widths: tuple[int, int, int], stride: int, *, shortcut: bool
) -> InvertedResidual:
    inputs, inner, outputs = widths
    return InvertedResidual(
        expand=ConvNorm(
            key=f"{key}._expand_conv", name=f"{name}_expand", inputs=inputs, outputs=inner
        ),
        depthwise=ConvNorm(
            key=f"{key}._bottleneck_conv",
            name=f"{name}_dwise",
            inputs=inner,
            outputs=inner,
            kernel=3,
            stride=stride,
            groups=inner,
        ),
        linear=ConvNorm(
            key=f"{key}._linear_conv",
            name=f"{name}_linear",
            inputs=inner,
            outputs=outputs,
            relu6=False,
        ),
        shortcut=shortcut,
    )


def build_network(model: MobileNetV2, *, softmax: bool) -> "nn.Layer":
    """The network in Paddle, which this imports; with ``softmax`` as PaddleClas exports it."""
    import paddle
    from paddle import ParamAttr, nn

    class ConvNormLayer(nn.Layer):
        def __init__(self, layer: ConvNorm) -> None:
            super().__init__()
            self.relu6 = layer.relu6
            self._conv = nn.Conv2D(
                layer.inputs,
                layer.outputs,
                layer.kernel,
                stride=layer.stride,
                padding=layer.kernel // 2,
                groups=layer.groups,
                weight_attr=ParamAttr(name=f"{layer.name}_weights"),
                bias_attr=False,
            )
            self._batch_norm = nn.BatchNorm(
                layer.outputs,
                epsilon=EPSILON,
                param_attr=ParamAttr(name=f"{layer.name}_bn_scale"),
                bias_attr=ParamAttr(name=f"{layer.name}_bn_offset"),
                moving_mean_name=f"{layer.name}_bn_mean",
                moving_variance_name=f"{layer.name}_bn_variance",
            )

        def forward(self, x: Any) -> Any:
            y = self._batch_norm(self._conv(x))
            return nn.functional.relu6(y) if self.relu6 else y

    class BlockLayer(nn.Layer):
        def __init__(self, block: InvertedResidual) -> None:
            super().__init__()
            self.shortcut = block.shortcut
            self._expand_conv = ConvNormLayer(block.expand)
            self._bottleneck_conv = ConvNormLayer(block.depthwise)
            self._linear_conv = ConvNormLayer(block.linear)

        def forward(self, x: Any) -> Any:
            y = self._linear_conv(self._bottleneck_conv(self._expand_conv(x)))
            return paddle.add(x, y) if self.shortcut else y

    class Stage(nn.Layer):
        def __init__(self, blocks: tuple[InvertedResidual, ...]) -> None:
            super().__init__()
            self.chain = [  # a plain list: the layers are registered under PaddleClas's names
                self.add_sublayer(block.expand.key.split(".")[1], BlockLayer(block))
                for block in blocks
            ]

        def forward(self, x: Any) -> Any:
            for block in self.chain:
                x = block(x)
            return x

    class Network(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = ConvNormLayer(model.stem)
            self.chain = [
                self.add_sublayer(f"conv{number}", Stage(blocks))
                for number, blocks in enumerate(model.stages, start=2)
            ]
            self.conv9 = ConvNormLayer(model.head)
            self.pool2d_avg = nn.AdaptiveAvgPool2D(1)
            self.out = nn.Linear(
                model.head.outputs,
                model.classes,
                weight_attr=ParamAttr(name="fc10_weights"),
                bias_attr=ParamAttr(name="fc10_offset"),
            )

        def forward(self, x: Any) -> Any:
            x = self.conv1(x)
            for stage in self.chain:
                x = stage(x)
            x = self.pool2d_avg(self.conv9(x))
            logits = self.out(paddle.flatten(x, start_axis=1, stop_axis=-1))
            return nn.functional.softmax(logits, axis=-1) if softmax else logits

    with paddle.utils.unique_name.guard():  # the names may be taken by a network built before
        return Network()
