"""Compiled models kept for the next start, under keys with versions and hardware in them."""

import json
import mmap
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
from paddleport.models.onnx.onnx_file import external_files

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

    The key and a checksum stand behind the model, since a runtime that is given the file's path
    reads from its start.

    Attributes:
        path: by backend, model and settings, so that a newer one takes an older one's place.
        key: the version, the CPU and the model's files as well; no digest of them, since loading
            OpenSSL for one would take longer than to compare them.
    """

    path: Path
    key: bytes

    @property
    def tail_bytes(self) -> int:
        """What stands behind the model."""
        return len(self.key) + _SUM_BYTES

    def read(self) -> "NDArray[np.uint8] | None":
        """What ``write`` was given for this key; ``None`` if nothing was, or it is damaged.

        A checksum is compared, since OpenVINO computes with a blob of which a bit has changed,
        and gives other numbers. Of the file itself only what the system says is in the key: two
        digests of ResNet50 would take longer than to compile it.
        """
        try:
            with self.path.open("rb", buffering=0) as stream:
                size = max(0, os.fstat(stream.fileno()).st_size - self.tail_bytes)
                kept = np.empty(size, np.uint8)
                if stream.readinto(kept.data) != size:
                    return None
                tail = stream.read()
        except OSError:
            return None
        return kept if tail == self.key + _sum(kept.data) else None

    def intact(self) -> str | None:
        """What the system says of the file if ``read`` would give its content, else ``None``.

        For a runtime that reads the file itself: the same word afterwards says that no other
        process has put another file there meanwhile. Mapped, not read: of 100 MB that spares the
        copies that the runtime's own reading makes again.
        """
        try:
            found = identity(self.path)
            with (
                self.path.open("rb") as stream,
                mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
                memoryview(mapped) as content,
                content[: -self.tail_bytes] as kept,
                content[-self.tail_bytes :] as tail,
            ):
                return found if tail == self.key + _sum(kept) else None
        except (OSError, ValueError):  # an empty file cannot be mapped
            return None

    def write(self, content: bytes) -> None:
        """Keep it, if the cache can be written; a full disk is no reason not to compute."""
        with suppress(OutputError, OSError):
            write_atomically(self.path, content + self.key + _sum(memoryview(content)))

    def keep(self, file: Path) -> None:
        """As ``write``, with a file of the same folder, which it takes."""
        with suppress(OSError):
            with (
                file.open("r+b") as stream,
                mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
                memoryview(mapped) as content,
            ):
                total = _sum(content)
                stream.seek(0, os.SEEK_END)
                stream.write(self.key + total)
            file.replace(self.path)


def entry_for(backend: str, version: str, model: Path, settings: Mapping[str, object]) -> Entry:
    """The entry of one model compiled by one version, for this CPU, with these settings."""
    facts = json.dumps({name: str(value) for name, value in settings.items()}, sort_keys=True)
    place = zlib.crc32(json.dumps([str(model.resolve()), facts]).encode())
    files = [identity(file) for file in (model, *external_files(model))]
    key = json.dumps([backend, version, cpu_identity(), files, facts]).encode()
    return Entry(cache_dir() / "compiled" / backend / f"{model.stem}-{place:08x}.blob", key)


def cpu_identity(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's model and instruction sets as the system reports them."""
    try:
        facts = sorted({match[0] for match in _CPU_FACTS.finditer(cpuinfo.read_text())})
    except OSError:
        facts = [platform.processor()]
    return "\n".join((platform.system(), platform.machine(), *facts))


def identity(file: Path) -> str:
    """Changes with a file's content; on POSIX no tool can set the time of the last change."""
    if os.name != "posix":
        return sha256([file])
    found = file.stat()
    return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _sum(content: memoryview) -> bytes:
    return zlib.crc32(content).to_bytes(_SUM_BYTES, "little")
