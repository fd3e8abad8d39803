"""Files that are either whole or not there."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from paddleport.errors import OutputError

_STANDARD_OUTPUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary name beside ``path`` and rename, making missing folders.

    Raises:
        OutputError: the target cannot be written: read-only, a full disk, a folder in the way.
    """
    with writing_atomically(path) as stream:
        stream.write(content)


def check_writable(folder: Path) -> None:
    """Make a folder and see that it takes a file, before what is to lie there is computed.

    Raises:
        OutputError: it does not.
    """
    import tempfile

    make_folder(folder)
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"?")
    except OSError as error:
        raise _cannot_write(folder, folder, error) from None


@contextlib.contextmanager
def writing_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A stream whose content gets the name ``path`` when the block ends without an error.

    What has that name and is no file (a device, a named pipe, the process's own standard output)
    stays, and is written into at once.

    Raises:
        OutputError: as ``write_atomically``.
    """
    if str(path) in _STANDARD_OUTPUT or (path.exists() and not path.is_file()):
        with _writing_into(path) as stream:
            yield stream
        return
    if path.is_symlink() and path.readlink().is_relative_to("/proc"):  # such as /dev/stdout
        raise OutputError(f"{path} cannot be written: it leads to {path.resolve()}. Name that")
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            yield stream
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, path.parent, error) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing_into(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open(_descriptor_of(path), "wb") as stream:
            yield stream
    except OSError as error:
        raise _cannot_write(path, path.parent, error) from None


def _descriptor_of(path: Path) -> int:
    """An open one; the process's standard output may have moved from descriptor 1."""
    if str(path) in _STANDARD_OUTPUT and sys.stdout is not None:
        with contextlib.suppress(OSError):  # one that is captured has none
            sys.stdout.flush()
            return os.dup(sys.stdout.fileno())
    return os.open(path, os.O_WRONLY)


def make_folder(path: Path) -> None:
    """Make a folder that may be there, with those above it.

    Raises:
        OutputError: a file is in the way, or it may not be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "a file is in the way" if in_the_way else error.strerror or str(error)
        raise OutputError(f"{path} cannot be made: {reason}. Choose another folder") from None


def _cannot_write(path: Path, folder: Path, error: OSError) -> OutputError:
    in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    reason = f"{folder} is no folder" if in_the_way else error.strerror or str(error)
    return OutputError(f"{path} cannot be written: {reason}. Choose another place")


def full_disk(error: OSError) -> OutputError | None:
    """The one-line error for a disk that takes no more, wherever that was met; else ``None``."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
        return None
    import tempfile

    where = error.filename or tempfile.gettempdir()
    return OutputError(f"{where} cannot be written: {error.strerror}. Free some space there")


def sha256(paths: Iterable[Path]) -> str:
    """Hex digest over the contents of several files, in the order given."""
    import hashlib  # with OpenSSL in it, slow to load

    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def change_stamp(path: Path) -> str:
    """Hex digest over name, size and time of change of a file, or of every file below a folder.

    Another one means that something was changed; contents are not read. Of what is not there it
    is a digest, too.
    """
    import hashlib  # with OpenSSL in it, slow to load

    digest = hashlib.sha256()
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            file = Path(folder, name)
            digest.update(
                f"{file.relative_to(path)}\0{_stamp_of(file)}\0".encode("utf-8", "replace")
            )
    digest.update(_stamp_of(path).encode())
    return digest.hexdigest()


def _stamp_of(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "not there"
    return "folder" if path.is_dir() else f"{found.st_size} {found.st_mtime_ns}"
