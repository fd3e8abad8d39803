"""What a parsed network says of itself: its tensors, and the types that it computes in."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from paddleport.runners.base import Precision
from paddleport.tensors import TensorSpec

_PRODUCTS = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY", "EINSUM")
_QUANTIZING = ("QUANTIZE", "DEQUANTIZE")
_COARSEST_FIRST: tuple[tuple[str, Precision], ...] = (("HALF", "fp16"), ("BF16", "bf16"))
_DTYPES = {"HALF": "float16", "BF16": "bfloat16", "FLOAT": "float32"}


@dataclass(frozen=True)
class EngineFacts:
    """What the library says of the network that it built.

    Attributes:
        library: name and version, as ``tensorrt-rtx 1.7.1.116``.
        inputs, outputs: of the parsed network, in its order.
        computes_in: the coarsest type among the network's products, read back after parsing.
        tf32: read back from the builder's configuration.
        layers: of the parsed network, before fusion.
        capabilities: read back; empty where the library builds for what is there.
        profiles: optimisation profiles in the configuration.
        notes: what was kept in float32, or clamped.
    """

    library: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    computes_in: Precision
    tf32: bool
    layers: int
    capabilities: tuple[str, ...]
    profiles: int
    notes: tuple[str, ...] = ()


def computes_in(network: Any) -> Precision:
    """The coarsest type among a network's products, or among all layers where there are none."""
    if any(layer.type.name in _QUANTIZING for layer in network):
        return "int8"
    found = {layer.get_output(0).dtype.name for layer in products(network) or network}
    return next((precision for name, precision in _COARSEST_FIRST if name in found), "fp32")


def products(network: Any) -> list[Any]:
    """The layers whose precision is meant when one speaks of a network's."""
    return [layer for layer in network if layer.type.name in _PRODUCTS]


def inputs_of(network: Any) -> tuple[TensorSpec, ...]:
    """What it takes, in order."""
    return tuple(_spec(network.get_input(index)) for index in range(network.num_inputs))


def outputs_of(network: Any) -> tuple[TensorSpec, ...]:
    """What it gives, in order."""
    return tuple(_spec(network.get_output(index)) for index in range(network.num_outputs))


def _spec(tensor: Any) -> TensorSpec:
    name = tensor.dtype.name
    dtype = _DTYPES.get(name) or np.dtype(name.lower()).name
    return TensorSpec(
        tensor.name, dtype, tuple(None if size < 0 else int(size) for size in tensor.shape)
    )
