"""WebDataset shards: tar files with a picture and its label side by side; nothing is unpacked."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from paddleport.errors import UsageError
from paddleport.runners.preprocessing.picture_files import PICTURE_SUFFIXES
from paddleport.runners.preprocessing.prepare_image import MAX_FILE_BYTES
from paddleport.validate.labelled.column_names import LABELS
from paddleport.validate.labelled.listing import ListedPicture, Listing, shown, some

_MAX_LABEL_BYTES = 1 << 20
_LABEL_SUFFIXES = (".cls", ".json")


class _Extent(NamedTuple):
    """Where a picture's bytes are."""

    shard: Path
    offset: int
    size: int


@dataclass
class _Sample:
    """What one key has: WebDataset's members of one sample follow each other."""

    key: str
    picture: tuple[str, _Extent] | None = None
    label: str = ""


class TarShards(Listing):
    """Tar files whose members are ``KEY.jpg`` and ``KEY.cls`` or ``KEY.json``.

    Only headers and labels are read to list them. A link, a device, a sparse member, or one that
    is larger than any picture is refused: no such shard comes from a data set.
    """

    def __init__(self, shards: Sequence[Path], title: str) -> None:
        self.title = title
        self._shards = shards
        self._skipped: list[str] = []
        self._others = 0

    def entries(self) -> Iterator[ListedPicture]:
        """By shard, as they are named, then in a shard's order."""
        self._skipped, self._others = [], 0
        for shard in self._shards:
            try:
                with _Bounded(FileIO(shard)) as stream:
                    yield from self._shard(shard, stream)
            except (tarfile.TarError, ValueError) as error:
                raise UsageError(f"{shard} is damaged or no plain tar file: {error}") from None
            except OSError as error:
                raise UsageError(f"{shard} cannot be read: {error.strerror}") from None

    def read(self, entry: ListedPicture) -> bytes:
        """Its bytes."""
        extent: _Extent = entry.place
        with extent.shard.open("rb") as stream:
            stream.seek(extent.offset)
            return stream.read(extent.size)

    def notes(self) -> list[str]:
        """Members that are neither pictures nor labels."""
        if not self._others:
            return []
        names = some(self._skipped, self._others)
        return [f"{self._others} left out, neither pictures nor labels by their names: {names}"]

    def _shard(self, shard: Path, stream: BufferedReader) -> Iterator[ListedPicture]:
        sample = _Sample("")
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            while (member := archive.next()) is not None:
                vars(archive)["members"].clear()  # it would keep all headers
                if member.isdir():
                    continue
                _refuse_odd(member, shard)
                key = _key(member)
                if key != sample.key:
                    yield from _finished(sample, shard)
                    sample = _Sample(key)
                self._add(sample, member, archive, shard)
            stream.seek(archive.offset)  # tarfile takes whatever is no header for the end
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise UsageError(f"{shard} is cut short or damaged: get it anew")
            yield from _finished(sample, shard)

    def _add(
        self, sample: _Sample, member: tarfile.TarInfo, archive: tarfile.TarFile, shard: Path
    ) -> None:
        path = PurePosixPath(member.name)
        suffix = path.suffix.lower()
        if suffix in PICTURE_SUFFIXES and not path.name.startswith("."):
            if sample.picture:
                raise UsageError(f"{shard}: '{shown(sample.key)}' has two pictures")
            sample.picture = member.name, _Extent(shard, member.offset_data, member.size)
        elif suffix not in _LABEL_SUFFIXES:
            self._others += 1
            self._skipped += [member.name] if len(self._skipped) < 3 else []
        elif suffix == ".cls" or not sample.label:
            sample.label = _label(archive, member, shard) or sample.label


class _Bounded(BufferedReader):
    """A file that refuses to read at once what no header and no picture needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > MAX_FILE_BYTES:
            raise UsageError(f"{self.name} has a header of {size} bytes: no data set's shard")
        return super().read(size)


def _key(member: tarfile.TarInfo) -> str:
    """What the members of one sample share: all before the first dot of the name."""
    path = PurePosixPath(member.name)
    return str(path.with_name(path.name.split(".")[0] or path.name))


def _refuse_odd(member: tarfile.TarInfo, shard: Path) -> None:
    name = shown(member.name)
    path = PurePosixPath(member.name)
    if not member.isreg() or member.issparse():
        raise UsageError(f"{shard}: '{name}' is a link or no plain file: a shard has files alone")
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(f"{shard}: '{name}' leads out of the archive: no data set's shard")
    if member.size > MAX_FILE_BYTES:
        raise UsageError(
            f"{shard}: '{name}' has {member.size} bytes, and no picture is over "
            f"{MAX_FILE_BYTES >> 20} MB"
        )


def _label(archive: tarfile.TarFile, member: tarfile.TarInfo, shard: Path) -> str:
    """The text of a label's member; empty for a JSON without one."""
    if member.size > _MAX_LABEL_BYTES:
        raise UsageError(f"{shard}: '{shown(member.name)}' has {member.size} bytes: no label")
    stream: IO[bytes] | None = archive.extractfile(member)
    text = (stream.read() if stream else b"").decode("utf-8", "replace").strip()
    if not member.name.lower().endswith(".json"):
        return text
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{shard}: '{shown(member.name)}' is not JSON") from None
    values = content if isinstance(content, dict) else {"label": content}
    named = {
        key: value
        for key, value in values.items()
        if key.lower().replace("_", "") in LABELS and type(value) in (int, str)
    }
    for preferred in ("cls", "label", *named):
        if preferred in named:
            return str(named[preferred]).strip()
    return ""


def _finished(sample: _Sample, shard: Path) -> Iterator[ListedPicture]:
    if sample.picture is None:
        if sample.label:
            raise UsageError(f"{shard}: '{shown(sample.key)}' has a label and no picture")
        return
    name, extent = sample.picture
    if not sample.label:
        raise UsageError(
            f"{shard}: '{shown(name)}' has no label beside it: 'KEY.cls' with the class's index, "
            "or 'KEY.json' with a 'label'"
        )
    yield ListedPicture(f"{shard.name}/{name}", sample.label, extent)
