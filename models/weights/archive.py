"""Unpack an archive from the network as if it meant harm."""

import gzip
import io
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.files import sha256
from paddleport.models.cache import cached_folder

MAX_MEMBERS = 10_000  # a program with one file a parameter has thousands
MAX_BYTES = 2 << 30  # unpacked, headers included
MAX_NAME = 200  # characters, so that a temporary name beside it still fits a file system
_CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


def is_archive(path: Path) -> bool:
    """Whether a file is a tar, plain or gzipped, by content."""
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
        if head.startswith(_GZIP_MAGIC):
            with gzip.open(path) as stream:
                head = stream.read(512)
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (OSError, EOFError, zlib.error, tarfile.HeaderError):
        return False
    return True


def unpacked(archive: Path, *, cache: Path | None = None) -> Path:
    """The folder with an archive's files, in the cache under the archive's sha256.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelFileError: as ``unpack``.
        OutputError: the cache cannot be written.
    """
    if not archive.is_file():
        raise ModelNotFoundError(f"no archive {archive}")
    name = f"unpacked/{sha256([archive])}"
    return cached_folder(name, lambda folder: unpack(archive, folder), cache=cache)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a plain or gzipped tar of regular files and folders into an empty folder.

    Whoever calls removes the folder on an error: it may hold some of the files by then.
    Permissions, owners and times in the archive are not taken over.

    Raises:
        ModelFileError: the archive is damaged, too large, or holds a member that could write
            outside the folder or is no file; the message names it.
    """
    written: set[str] = set()
    try:
        with archive.open("rb") as raw:
            head = raw.read(2)
            raw.seek(0)
            plain = gzip.GzipFile(fileobj=raw) if head == _GZIP_MAGIC else raw
            with tarfile.open(fileobj=_Bounded(plain, archive), mode="r|") as tar:
                for count, member in enumerate(tar, start=1):
                    if count > MAX_MEMBERS:
                        raise ModelFileError(f"{archive} has more than {MAX_MEMBERS} members")
                    _unpack_member(archive, tar, member, folder, written)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        raise ModelFileError(
            f"{archive} is no tar archive, or is damaged ({error}): download it again"
        ) from None


def _unpack_member(
    archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, written: set[str]
) -> None:
    reason = _objection(member)
    if reason:
        raise ModelFileError(f"{archive} holds {member.name!r}, {reason}; it was not unpacked")
    path = PurePosixPath(member.name)
    if path == PurePosixPath("."):
        return
    target = folder.joinpath(*path.parts)
    if member.isdir():
        _make_folder(archive, member, target)
        return
    key = str(path).casefold()  # on some file systems A and a are one file
    if key in written or target.exists():
        raise ModelFileError(f"{archive} holds {member.name!r} twice; it was not unpacked")
    written.add(key)
    _make_folder(archive, member, target.parent)
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.ReadError(f"no content for {member.name!r}")
    with source, target.open("xb") as stream:
        shutil.copyfileobj(source, stream, _CHUNK_BYTES)
        if stream.tell() != member.size:
            raise tarfile.ReadError(f"{member.name!r} is cut short")


def _objection(member: tarfile.TarInfo) -> str:
    """Why a member must not be unpacked; empty where it may."""
    name = member.name
    parts = PurePosixPath(name).parts
    if member.issym() or member.islnk():
        return f"a link to {member.linkname!r}"
    if not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)):
        return "which is neither a file nor a folder"
    if name.startswith("/") or "\\" in name or ":" in name or ".." in parts:
        return "a path that leads out of the folder"
    if not name.isprintable() or len(name) > MAX_NAME:
        return "a name that is no file name"
    if member.size > MAX_BYTES:
        return f"of {member.size:,} bytes, more than {MAX_BYTES:,}"
    return ""


def _make_folder(archive: Path, member: tarfile.TarInfo, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ModelFileError(
            f"{archive} holds {member.name!r} below what is a file in it; it was not unpacked"
        ) from None


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than ``MAX_BYTES``, however small it is packed."""

    def __init__(self, stream: io.BufferedIOBase, archive: Path) -> None:
        self._stream = stream
        self._archive = archive
        self._given = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._given += len(data)
        if self._given > MAX_BYTES:
            raise ModelFileError(f"{self._archive} unpacks to more than {MAX_BYTES:,} bytes")
        return data
