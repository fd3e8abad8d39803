"""MobileNetV2 for tests: any width and side as a card, seeded weights, and float64 by numpy."""

from dataclasses import replace

import numpy as np

from paddleport.models.zoo import mobilenet_v2 as family
from paddleport.models.zoo import registry as zoo
from paddleport.models.zoo.conv_norm import ConvNorm, convolve, normalise
from paddleport.models.zoo.mobilenet_v2 import MobileNetV2, pooled_features
from paddleport.models.zoo.model_card import ModelCard
from paddleport.models.zoo.network_state import State
from paddleport.models.zoo.seeding import SeededStream
from paddleport.tensors import Array, TensorSpec


def mobilenet_card(scale: float, side: int = 224) -> ModelCard:
    """The card of a width multiplier, fed with pictures of ``side`` pixels."""
    spec = TensorSpec("x", "float32", (None, 3, side, side))
    return replace(zoo.lookup("MobileNetV2"), arguments={"scale": scale}, input=spec)


def seeded_state(name: str, scale: float, classes: int = 1000) -> dict[str, Array]:
    return family.seeded_state({"scale": scale}, classes, SeededStream(name, family.RECIPE))


def forward(model: MobileNetV2, state: State, images: Array) -> Array:
    """Logits in float64, N x classes, of N x 3 x height x width: a second opinion on a state."""

    def apply(layer: ConvNorm, x: Array) -> Array:
        return normalise(layer, state, convolve(layer, state[f"{layer.key}._conv.weight"], x))

    x = np.ascontiguousarray(images.astype(np.float64).transpose(1, 0, 2, 3))
    logits: Array = pooled_features(model, apply, x) @ state["out.weight"].astype(np.float64)
    return logits + state["out.bias"].astype(np.float64)
