"""Compiled models kept for the next start, under keys with versions and hardware in them."""

import hashlib
import json
import os
import platform
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paddleport.errors import OutputError
from paddleport.files import sha256, write_atomically
from paddleport.models.cache import cache_dir

if TYPE_CHECKING:
    from numpy.typing import NDArray

FROM_CACHE = "compiled model from the cache"
"""The note of a runner that has loaded one."""

_CPU_FACTS = re.compile(
    r"^(vendor_id|cpu family|model|model name|stepping|flags|Features)\s*:.*$", re.M
)
_SUM_BYTES = 4


@dataclass(frozen=True)
class Entry:
    """Where one compiled model is kept, and what it must have been made from.

    Attributes:
        path: by backend, model and settings, so that a newer one takes an older one's place.
        key: 32 bytes: of the version, the CPU and the model's file as well.
    """

    path: Path
    key: bytes

    def read(self) -> "NDArray[np.uint8] | None":
        """What ``write`` was given for this key; ``None`` if nothing was, or it is damaged.

        A checksum is compared, since OpenVINO computes with a blob of which a bit has changed,
        and gives other numbers. Of the file itself only what the system says is in the key: two
        digests of ResNet50 would take longer than to compile it.
        """
        head = len(self.key) + _SUM_BYTES
        try:
            with self.path.open("rb", buffering=0) as stream:
                given = stream.read(head)
                kept = np.empty(max(0, os.fstat(stream.fileno()).st_size - head), np.uint8)
                if given[: len(self.key)] != self.key or stream.readinto(kept.data) != kept.size:
                    return None
        except OSError:
            return None
        return kept if given == self.key + _sum(kept.data) else None

    def write(self, content: bytes) -> None:
        """Keep it, if the cache can be written; a full disk is no reason not to compute."""
        with suppress(OutputError, OSError):
            write_atomically(self.path, self.key + _sum(memoryview(content)) + content)


def entry_for(backend: str, version: str, model: Path, settings: Mapping[str, object]) -> Entry:
    """The entry of one model compiled by one version, for this CPU, with these settings."""
    facts = json.dumps({name: str(value) for name, value in settings.items()}, sort_keys=True)
    place = _digest(backend, str(model.resolve()), facts).hex()[:24]
    key = _digest(backend, version, cpu_identity(), _identity(model), facts)
    return Entry(cache_dir() / "compiled" / backend / f"{model.stem}-{place}.blob", key)


def cpu_identity(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's model and instruction sets as the system tells them."""
    try:
        facts = sorted({match[0] for match in _CPU_FACTS.finditer(cpuinfo.read_text())})
    except OSError:
        facts = [platform.processor()]
    return "\n".join((platform.system(), platform.machine(), *facts))


def _identity(file: Path) -> str:
    """Changes with a file's content; on POSIX no tool can set the time of the last change."""
    if os.name != "posix":
        return sha256([file])
    found = file.stat()
    return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _sum(content: memoryview) -> bytes:
    return zlib.crc32(content).to_bytes(_SUM_BYTES, "little")
