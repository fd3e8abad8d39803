"""Scales taken out of an int8 file, so that the runtime computes those tensors in floats."""

import struct
from collections.abc import Collection

from paddleport.models.mnn.flat_table import root_table
from paddleport.models.mnn.mnn_file import unique


def without_scales(file: bytes, tensors: Collection[str]) -> bytes:
    """The file with fewer entries in its list of quantised tensors; nothing else moves.

    Raises:
        DamagedBufferError: it is damaged.
    """
    data = bytearray(file)
    net = root_table(data, "Net")
    names = unique(net["tensorName"] or [])
    described = net["extraTensorDescribe"] or []
    start = net.vector_start("extraTensorDescribe")
    kept = [item.start for item in described if names[item["index"]] not in tensors]
    struct.pack_into("<I", data, start, len(kept))
    for place, target in enumerate(kept):  # each offset counts from where it stands itself
        position = start + 4 + 4 * place
        struct.pack_into("<I", data, position, target - position)
    return bytes(data)
