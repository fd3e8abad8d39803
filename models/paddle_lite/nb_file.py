"""What an .nb file says of itself: which optimiser wrote it, and for which device and precision.

Layout, from Paddle Lite's ``model_parser.cc``: uint16 2 (the meta version), the optimiser's
version in 16 bytes, uint64 size of the topology, the topology as a flatbuffer, the parameters.
Every operator of the topology has its kernel as a text, ``conv2d/def/4/1/1``: name, alias, and
the numbers of device, precision and layout in ``paddle_place.h``.
"""

import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import ModelFileError, ModelNotFoundError

_META, _VERSION_BYTES = struct.pack("<H", 2), 16
_HEAD = len(_META) + _VERSION_BYTES
_KERNEL = re.compile(rb"([a-z_0-9]+)/[A-Za-z_0-9]+/(\d+)/(\d+)/\d+\0")
_MOST_TOPOLOGY_BYTES = 1 << 30

_DEVICES = {1: "host", 2: "x86", 4: "arm", 5: "opencl", 9: "xpu", 17: "metal", 18: "nnadapter"}
_PRECISIONS = {1: "fp32", 2: "int8", 3: "int32", 5: "fp16", 7: "int64", 8: "int16", 9: "uint8"}
_ANY = 4


@dataclass(frozen=True, kw_only=True)
class NbFile:
    """An optimised model.

    Attributes:
        optimiser: the version of Paddle Lite's optimiser, as ``v2.13-rc``.
        devices: how many operators run where; ``host`` is any CPU.
        precisions: how many operators compute in what, those left out that take any.
    """

    optimiser: str
    devices: Mapping[str, int]
    precisions: Mapping[str, int]

    @property
    def device(self) -> str:
        """What it was optimised for: the device of its operators that are not of any CPU."""
        own = [name for name in self.devices if name != "host"]
        return max(own, key=self.devices.__getitem__, default="host")


def read_nb(path: Path) -> NbFile:
    """Read the head and the operators' kernels of a file.

    Raises:
        ModelNotFoundError: it is not there.
        ModelFileError: it is no .nb file, or is truncated.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"{path} does not exist")
    with path.open("rb") as stream:
        head = stream.read(_HEAD + 8)
        size = struct.unpack_from("<Q", head, _HEAD)[0] if len(head) == _HEAD + 8 else 0
        if not head.startswith(_META) or not 0 < size <= _MOST_TOPOLOGY_BYTES:
            raise ModelFileError(f"{path} is no .nb file of Paddle Lite 2.3 or later")
        topology = stream.read(size)
    if len(topology) < size:
        raise ModelFileError(f"{path} is truncated: copy or convert it again")
    kernels = [(int(kernel[2]), int(kernel[3])) for kernel in _KERNEL.finditer(topology)]
    if not kernels:
        raise ModelFileError(f"{path} holds no operator: convert it again")
    return NbFile(
        optimiser=_text(head),
        devices=Counter(_DEVICES.get(device, f"device {device}") for device, _ in kernels),
        precisions=Counter(
            _PRECISIONS.get(precision, f"precision {precision}")
            for _, precision in kernels
            if precision != _ANY
        ),
    )


def clear_padding(path: Path) -> None:
    """Make equal models equal bytes: what follows the version's text is never initialised.

    Raises:
        ModelFileError: it is no .nb file.
    """
    read_nb(path)
    with path.open("r+b") as stream:
        version = _text(stream.read(_HEAD)).encode()
        stream.seek(len(_META))
        stream.write(version.ljust(_VERSION_BYTES, b"\0"))


def _text(head: bytes) -> str:
    return head[len(_META) : _HEAD].split(b"\0")[0].decode("ascii", "replace")
