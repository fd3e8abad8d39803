"""Folders that are made once, whoever asks first, and are used only while they are intact."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from paddleport.errors import OutputError
from paddleport.files import sha256

MANIFEST = ".paddleport.json"
"""In every entry: the sha256 of each of its files."""

LOCK_TIMEOUT_S = 900.0  # longer than any download that makes progress should take


def cache_dir() -> Path:
    """Where downloads, built models and conversions are kept; ``PADDLEPORT_CACHE`` overrides."""
    override = os.environ.get("PADDLEPORT_CACHE")
    if override:
        return Path(override).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_cache_dir("paddleport"))


def cache_key(parts: Mapping[str, object]) -> str:
    """A digest of everything that makes an entry another one; values are of JSON's types."""
    import hashlib  # with OpenSSL in it, slow to load

    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def cached_folder(name: str, build: Callable[[Path], object], *, cache: Path | None = None) -> Path:
    """The intact folder ``name``, made by ``build`` if it is not there.

    ``build`` fills an empty temporary folder, which gets its name only when it is complete. Of
    several processes that ask at once one builds, the others wait and take the result. An entry
    whose files are not those that were built (missing, changed, added) is built again.

    Args:
        name: relative path; what it is made from must be part of it.
        build: fills the folder it is given; whatever it raises passes through.
        cache: instead of ``cache_dir()``.

    Raises:
        OutputError: the cache cannot be written, or another process holds the entry for long.
    """
    root = cache or cache_dir()
    folder = root / name
    if is_intact(folder):
        return folder
    with locked(folder):
        if not is_intact(folder):
            _build(folder, build)
    return folder


def discard(name: str, *, cache: Path | None = None) -> None:
    """Remove an entry that is of no use though its files are intact."""
    folder = (cache or cache_dir()) / name
    with locked(folder):
        shutil.rmtree(folder, ignore_errors=True)


def is_intact(folder: Path) -> bool:
    """Whether a folder holds exactly the files that its manifest lists, unchanged."""
    try:
        recorded = json.loads((folder / MANIFEST).read_text("utf-8"))
        return bool(recorded == _digests(folder))
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to ``path``: a file beside it, which stays.

    Raises:
        OutputError: the folder cannot be written, or the lock is not to be had.
    """
    from filelock import FileLock, Timeout

    lock_file = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_file, timeout=LOCK_TIMEOUT_S)
        lock.acquire()
    except Timeout:
        raise OutputError(
            f"another process has held {lock_file} for {LOCK_TIMEOUT_S:g} s: end it, or set "
            "PADDLEPORT_CACHE to another folder"
        ) from None
    except OSError as error:
        raise not_writable(path.parent, error) from error
    try:
        yield
    finally:
        lock.release()


def not_writable(folder: Path, error: OSError) -> OutputError:
    """The error for a cache folder that cannot be written."""
    return OutputError(
        f"{folder} cannot be written: {error.strerror or error}. Free it, or set PADDLEPORT_CACHE "
        "to another folder"
    )


def _build(folder: Path, build: Callable[[Path], object]) -> None:
    for leftover in folder.parent.glob(f".{folder.name}.*.building"):  # of a killed process
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = folder.with_name(f".{folder.name}.{os.urandom(4).hex()}.building")
    try:
        temporary.mkdir()
        build(temporary)
        (temporary / MANIFEST).write_text(json.dumps(_digests(temporary), indent=1), "utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        raise not_writable(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        file.relative_to(folder).as_posix(): sha256([file])
        for file in files
        if file != folder / MANIFEST
    }
