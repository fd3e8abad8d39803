"""A convolution's weights as float32, out of the forms that an MNN file has for them.

Source: MNN's ``ConvolutionCommon::load``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.models.mnn.mnn_file import MnnOp
from paddleport.tensors import Array

_INDEXED, _HALF = 1, 3  # of IDSTQuan.type
_CLAMP_MIN = -128  # where a file does not say it


def convolution_weights(op: MnnOp) -> Array:
    """A convolution's or deconvolution's weights, flat, float32.

    Quantised ones are what the runtime multiplies with when it computes in fp32: each integer
    times the scale of its output channel or block, plus its minimum where there is one.

    Raises:
        BackendUnavailableError: a form that is not read here.
        ModelFileError: they are damaged.
    """
    stored: Mapping[str, Any] | None = op.parameters.get("quanParameter")
    if stored is None or stored["buffer"] is None:
        weight: Array | None = op.parameters["weight"]
        if weight is None:
            raise BackendUnavailableError(f"MNN's {op.type} {op.name} has no weights of its own")
        return weight
    try:
        if stored["type"] == _HALF:
            return np.frombuffer(stored["buffer"].tobytes(), "<f2").astype(np.float32)
        integers = quantized_weights(op)
        return _scaled(integers, stored)
    except (ValueError, IndexError) as error:
        raise ModelFileError(f"the weights of {op.name} are damaged ({error})") from None


def quantized_weights(op: MnnOp) -> Array:
    """The integers of a quantised convolution, flat, int8.

    Raises:
        BackendUnavailableError: a form that is not read here.
        ValueError, IndexError: they are damaged.
    """
    stored = op.parameters["quanParameter"]
    if stored["type"] != _INDEXED:
        raise BackendUnavailableError(
            f"MNN's {op.type} {op.name} has weights of form {stored['type']}, which is not read"
        )
    data = stored["buffer"].view(np.uint8)
    rank, position = int(data[0]), 1
    size = 4 if stored["shapeInt32"] else 2
    shape = data[position : position + rank * size].view(f"<u{size}").astype(np.int64)
    count, position = int(shape.prod()), position + rank * size
    samples = int(data[position]) or 256
    position += 1
    table = np.sort(data[position : position + samples].view(np.int8))
    bits = max(1, (samples - 1).bit_length())
    packed = data[position + samples : position + samples + -(-bits * count // 8)]
    found: Array = table[_unpacked(packed, bits, count)]
    return found


def _unpacked(packed: Array, bits: int, count: int) -> Array:
    """``count`` unsigned integers of ``bits`` bits, the highest bit first."""
    if bits == 8:
        return packed[:count]
    each = np.unpackbits(packed, count=bits * count).reshape(count, bits)
    result: Array = each @ (1 << np.arange(bits)[::-1])
    return result


def weight_scales(stored: Mapping[str, Any]) -> tuple[Array, Array]:
    """Scale of each output channel or block, and what is added to the scaled integers."""
    alpha = stored["alpha"]
    if alpha is None or not alpha.size:
        alpha = stored["alphaFp16"].view(np.float16)
    alpha = alpha.astype(np.float32)
    if not stored["readType"]:
        return alpha, np.zeros_like(alpha)
    lowest, scale = alpha.reshape(-1, 2).T
    clamp = stored["aMin"] or _CLAMP_MIN
    return scale, lowest - clamp * scale if clamp < 0 else lowest


def _scaled(integers: Array, stored: Mapping[str, Any]) -> Array:
    scale, lowest = weight_scales(stored)
    quant_scale = np.float32(stored["quantScale"])
    rows = integers.reshape(scale.size, -1).astype(np.float32)
    result: Array = (rows * scale[:, None] + lowest[:, None]) * quant_scale
    return result.ravel()
