"""Compiled models kept for the next start, under keys with versions and hardware in them."""

import hashlib
import json
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from paddleport.errors import OutputError
from paddleport.files import sha256
from paddleport.models.cache import cached_folder, discard

_FILE = "compiled.blob"
_CPU_FACTS = re.compile(
    r"^(vendor_id|cpu family|model|model name|stepping|flags|Features)\s*:.*$", re.M
)


def cpu_identity(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's model and instruction sets as the system tells them, in one digest."""
    try:
        facts = sorted({match[0] for match in _CPU_FACTS.finditer(cpuinfo.read_text())})
    except OSError:
        facts = [platform.processor()]
    return _digest([platform.machine(), platform.system(), *facts])


def entry_for(backend: str, version: str, model: Path, settings: Mapping[str, object]) -> str:
    """The cache entry of one model compiled by one version for this CPU with these settings."""
    facts = {name: str(value) for name, value in settings.items()}
    key = _digest([sha256([model]), cpu_identity(), json.dumps(facts, sort_keys=True)])
    return f"compiled/{backend}-{version}/{key}"


def read_or_compile(entry: str, export: Callable[[], bytes]) -> bytes | None:
    """What ``export`` gave when the entry was made; ``None`` where nothing can be kept.

    The file's checksum was taken then and is compared now: OpenVINO computes with a blob of
    which a bit has changed, and gives other numbers.
    """
    try:
        folder = cached_folder(entry, lambda made: _write(made, export()))
        return (folder / _FILE).read_bytes()
    except OutputError:  # a cache that can't be written is no reason not to compute
        return None


def forget(entry: str) -> None:
    """Remove an entry that the runtime does not take."""
    discard(entry)


def _write(folder: Path, content: bytes) -> None:
    (folder / _FILE).write_bytes(content)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
