"""float32 numbers and tensors as float16 or bfloat16, without an infinity or a lost epsilon."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx

HalfPrecision = Literal["fp16", "bf16"]

_BF16_MAX = float(np.uint32(0x7F7F0000).view(np.float32))
_BF16_LEAST = float(np.uint32(0x00010000).view(np.float32))


@dataclass(frozen=True)
class HalfFormat:
    """A 16 bit format; ONNX's number of it, and its largest and its least positive value."""

    onnx_type: int
    largest: float
    least: float


# 10 and 16 are TensorProto.FLOAT16 and BFLOAT16
FORMATS = {
    "fp16": HalfFormat(10, 65504.0, 2.0**-24),
    "bf16": HalfFormat(16, _BF16_MAX, _BF16_LEAST),
}


def exceeds(numbers: Array, precision: HalfPrecision) -> bool:
    """Whether a finite value lies outside the format's range."""
    return bool(np.any(np.isfinite(numbers) & (np.abs(numbers) > FORMATS[precision].largest)))


def to_half_bits(numbers: Array, precision: HalfPrecision) -> Array:
    """The uint16 patterns of float32 ``numbers``, rounded to nearest, ties to even.

    Finite values beyond the range become the largest of their sign. A value that is not zero
    does not become zero, for it may be the epsilon under a division: it becomes the least of
    its sign. Infinities and NaNs stay.
    """
    limits = FORMATS[precision]
    single = np.asarray(numbers, np.float32)
    finite = np.clip(single, -limits.largest, limits.largest)
    single = np.where(np.isinf(single), single, finite).astype(np.float32)
    small = (single != 0) & (np.abs(single) < limits.least)
    single = np.where(small, np.copysign(np.float32(limits.least), single), single)
    if precision == "fp16":
        return np.asarray(single.astype(np.float16).view(np.uint16))
    return _bfloat16_bits(single)


def half_tensor(
    tensor: "onnx.TensorProto", name: str, precision: HalfPrecision
) -> "onnx.TensorProto":
    """A float32 tensor in the half format, under another name."""
    import onnx
    from onnx import numpy_helper

    bits = to_half_bits(numpy_helper.to_array(tensor), precision)
    return onnx.TensorProto(
        name=name,
        dims=tensor.dims,
        data_type=FORMATS[precision].onnx_type,
        raw_data=np.asarray(bits, "<u2").tobytes(),
        doc_string=tensor.doc_string,
    )


def _bfloat16_bits(single: Array) -> Array:
    # the upper half of a float32; ml_dtypes would do it, and onnx 1.17 does not require it
    bits = np.ascontiguousarray(single).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    quiet_nan = (bits >> 16) | 0x40  # rounding could carry a NaN into an infinity or a zero
    return np.where(np.isnan(single), quiet_nan, rounded).astype(np.uint16).reshape(single.shape)
