"""Tensors that an int8 file holds as integers: the numbers that those integers stand for."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from paddleport.models.mnn.onnx_builder import OnnxBuilder


def on_grid(builder: OnnxBuilder, name: str, grid: Mapping[str, Any]) -> str:
    """A tensor rounded as its scale says: what an 8-bit integer can be, times the scale."""
    scale, zero = np.float32(grid["scale"]), np.float32(grid["zero"])
    divided = builder.add("Div", [name, builder.constant(np.array(scale))])
    moved = builder.add("Add", [divided, builder.constant(np.array(zero))])
    bounds = [builder.number(grid[side]) for side in ("min", "max")]
    whole = builder.add("Clip", [builder.add("Round", [moved]), *bounds])
    back = builder.add("Sub", [whole, builder.constant(np.array(zero))])
    return builder.add("Mul", [back, builder.constant(np.array(scale))])
