"""MobileNetV2 parameter for parameter as PaddleClas has it, as plain data and as a network.

Source: PaddleClas 2.6, ppcls/arch/backbone/model_zoo/mobilenet_v2.py; the paper is
https://arxiv.org/abs/1801.04381. Unlike other implementations: channels are ``int(c * scale)``
and not rounded to multiples of 8, the first block keeps its 1x1 expansion though it expands by
1, every block but a stage's first has the shortcut, and there is no dropout.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paddleport.tensors import Array

if TYPE_CHECKING:
    from paddle import nn

State = Mapping[str, Array]

EPSILON = 1e-5  # of every batch normalisation: the default of paddle.nn.BatchNorm

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


@dataclass(frozen=True)
class ConvNorm:
    """A convolution without bias, padded to keep its size, and its batch normalisation.

    Attributes:
        key: prefix of its keys in a state dict, as in ``conv2._first_block._expand_conv``.
        name: prefix of its parameters' names in a program, as in ``conv2_1_expand``.
        inputs: channels taken.
        outputs: channels given.
        kernel: side of the square kernel, odd.
        stride: in both directions.
        groups: 1, or as many as channels.
        relu6: whether ``min(max(x, 0), 6)`` follows.
    """

    key: str
    name: str
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    relu6: bool = True

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Outputs, inputs per group, height, width."""
        return (self.outputs, self.inputs // self.groups, self.kernel, self.kernel)


@dataclass(frozen=True)
class Block:
    """An inverted residual: expand, depthwise, and a linear projection."""

    expand: ConvNorm
    depthwise: ConvNorm
    linear: ConvNorm
    shortcut: bool


@dataclass(frozen=True)
class Architecture:
    """The whole network: stem, blocks by stage, head, global average pool, linear classifier."""

    stem: ConvNorm
    stages: tuple[tuple[Block, ...], ...]
    head: ConvNorm
    classes: int

    def layers(self) -> Iterator[ConvNorm]:
        """Every convolution, in the order of the state dict."""
        yield self.stem
        for stage in self.stages:
            for block in stage:
                yield from (block.expand, block.depthwise, block.linear)
        yield self.head


def architecture(scale: float, classes: int = 1000) -> Architecture:
    """Describe the network for a width multiplier and a number of classes."""
    width = int(32 * scale)
    stem = ConvNorm("conv1", "conv1_1", 3, width, kernel=3, stride=2)
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
    head = ConvNorm("conv9", "conv9", width, features)
    return Architecture(stem, tuple(stages), head, classes)


def _block(
    key: str, name: str, widths: tuple[int, int, int], stride: int, *, shortcut: bool
) -> Block:
    inputs, inner, outputs = widths
    return Block(
        ConvNorm(f"{key}._expand_conv", f"{name}_expand", inputs, inner),
        ConvNorm(
            f"{key}._bottleneck_conv",
            f"{name}_dwise",
            inner,
            inner,
            kernel=3,
            stride=stride,
            groups=inner,
        ),
        ConvNorm(f"{key}._linear_conv", f"{name}_linear", inner, outputs, relu6=False),
        shortcut,
    )


@dataclass(frozen=True)
class StateEntry:
    """One tensor of the state dict: its key, its name in a program, its shape."""

    key: str
    name: str
    shape: tuple[int, ...]
    trainable: bool = True

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def state_entries(model: Architecture) -> Iterator[StateEntry]:
    """Every tensor of the network's state dict, in PaddleClas's order."""
    for layer in model.layers():
        norm, name, shape = f"{layer.key}._batch_norm", f"{layer.name}_bn", (layer.outputs,)
        yield StateEntry(f"{layer.key}._conv.weight", f"{layer.name}_weights", layer.weight_shape)
        yield StateEntry(f"{norm}.weight", f"{name}_scale", shape)
        yield StateEntry(f"{norm}.bias", f"{name}_offset", shape)
        yield StateEntry(f"{norm}._mean", f"{name}_mean", shape, trainable=False)
        yield StateEntry(f"{norm}._variance", f"{name}_variance", shape, trainable=False)
    yield StateEntry("out.weight", "fc10_weights", (model.head.outputs, model.classes))
    yield StateEntry("out.bias", "fc10_offset", (model.classes,))


def build_network(model: Architecture, *, softmax: bool) -> "nn.Layer":
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
        def __init__(self, block: Block) -> None:
            super().__init__()
            self.shortcut = block.shortcut
            self._expand_conv = ConvNormLayer(block.expand)
            self._bottleneck_conv = ConvNormLayer(block.depthwise)
            self._linear_conv = ConvNormLayer(block.linear)

        def forward(self, x: Any) -> Any:
            y = self._linear_conv(self._bottleneck_conv(self._expand_conv(x)))
            return paddle.add(x, y) if self.shortcut else y

    class Stage(nn.Layer):
        def __init__(self, blocks: tuple[Block, ...]) -> None:
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
