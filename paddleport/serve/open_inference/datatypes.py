"""The protocol's datatypes and numpy's."""

import numpy as np

from paddleport.errors import PortError


class ProtocolError(PortError):
    """A request that the protocol does not allow; the message says what is wrong with it."""


class TooLargeError(ProtocolError):
    """A request that is larger than the server takes."""


BYTES = "BYTES"
BF16 = "BF16"
NUMPY: dict[str, np.dtype[np.generic]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""Those with a fixed width, but BF16, which numpy has not; little endian, as the protocol says."""

_NAMES = {dtype.name: name for name, dtype in NUMPY.items()}


def datatype_of(dtype: str) -> str:
    """The protocol's name of a numpy dtype's; bfloat16 is BF16, texts and bytes are BYTES."""
    if dtype == "bfloat16":
        return BF16
    return _NAMES.get(dtype, BYTES)


def width_of(datatype: str) -> int:
    """Bytes of one element, 0 for BYTES.

    Raises:
        ProtocolError: there is no such datatype.
    """
    if datatype == BYTES:
        return 0
    if datatype == BF16:
        return 2
    if datatype not in NUMPY:
        known = ", ".join((*NUMPY, BF16, BYTES))
        raise ProtocolError(f"there is no datatype {datatype!r:.40}: {known}")
    return NUMPY[datatype].itemsize
