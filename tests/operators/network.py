"""What a small network of the operator matrix is, and the inputs that they share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddleport.tensors import Array


@dataclass(frozen=True)
class Network:
    """One operator in one setting.

    Attributes:
        name: what is special about it.
        forward: takes Paddle's values of the inputs, in order, and gives one or more results.
        feed: input name to tensor; chosen so that the setting changes the result.
        free: per input the dimensions that are left open in the program.
        opsets: what it is converted at.
        formats: in which this Paddle can save and run it.
    """

    name: str
    forward: Callable[..., Any]
    feed: Mapping[str, Array]
    free: tuple[int, ...] = ()
    opsets: tuple[int, ...] = (17,)
    formats: tuple[str, ...] = ("pir", "protobuf")


CHANGED = (7, 11, 13, 17, 18, 21)
"""Opsets at which the form of an operator may have changed."""


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Normal values, float32."""
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def positive(*shape: int, seed: int = 0) -> Array:
    """Uniform values in [0.1, 2), float32."""
    return np.random.default_rng(seed).uniform(0.1, 2, size=shape).astype(np.float32)


def picture(batch: int = 2, channels: int = 4, height: int = 6, width: int = 7) -> dict[str, Array]:
    """Input ``x``, NCHW, sides that differ, values that reach over every bend of an activation."""
    return {"x": normal(batch, channels, height, width, scale=3)}


def integers(*shape: int, low: int = -9, high: int = 10, seed: int = 0) -> Array:
    """Uniform integers in [low, high), int64."""
    return np.random.default_rng(seed).integers(low, high, size=shape, dtype=np.int64)


def parameter(paddle: Any, value: Array) -> Any:
    """A parameter of the network that is built, with these values."""
    initial = paddle.nn.initializer.Assign(value)
    return paddle.create_parameter(list(value.shape), str(value.dtype), default_initializer=initial)
