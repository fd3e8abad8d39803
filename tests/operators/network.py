"""What one small network of the matrix is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from paddleport.tensors import Array

Mode = Literal["fixed", "batch", "free"]
"""Which dimensions the saved program leaves open: none, the first, or all but the channels'."""


@dataclass(frozen=True)
class Network:
    """One operator with one setting.

    Attributes:
        name: unique.
        build: takes the paddle module and the inputs, gives one output or several.
        inputs: the feed, chosen so that the setting matters.
        refused: words of the error, if it is to be refused; empty if it is to agree.
        opsets: to convert at.
        modes: the shapes it can be saved with.
    """

    name: str
    build: Callable[..., Any]
    inputs: tuple[Array, ...]
    refused: str = ""
    opsets: tuple[int, ...] = (17,)
    modes: tuple[Mode, ...] = ("fixed", "batch", "free")


def normal(*shape: int, seed: int = 0) -> Array:
    """Standard normal float32."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def uniform(*shape: int, low: float = 0.1, high: float = 2.0, seed: int = 0) -> Array:
    """Uniform float32."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def integers(
    *shape: int, low: int = 0, high: int = 9, seed: int = 0, dtype: str = "int64"
) -> Array:
    """Uniform integers, ``high`` excluded."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def evaluated(layer: Any) -> Any:
    """A layer in inference mode."""
    layer.eval()
    return layer
