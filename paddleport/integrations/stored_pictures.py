"""Pictures by name, wherever fsspec reaches: listed in a fixed order, and read."""

import contextlib
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from paddleport.errors import OutputError, UsageError
from paddleport.runners.picture_pipeline import Source
from paddleport.runners.predictor import PictureAnswer
from paddleport.runners.preprocessing.picture_files import PICTURE_SUFFIXES, find_pictures
from paddleport.validate.labelled.column_names import PICTURES, column

AT_ONCE = 32  # files of an object store that are asked for together
_FILE = "file://"
_FINAL = (FileNotFoundError, IsADirectoryError, PermissionError)  # another try finds the same


@dataclass(frozen=True)
class StoredPart:
    """Some pictures that are done together.

    Attributes:
        names: files; or one Parquet file.
        rows: the first row and the one after the last, of a Parquet file.
    """

    names: tuple[str, ...]
    rows: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        """How many pictures."""
        return self.rows[1] - self.rows[0] if self.rows else len(self.names)

    def sources(self, errors: dict[int, str]) -> Iterator[Source]:
        """The pictures with their names; ``errors`` gets why one by place could not be read."""
        if self.rows is None:
            return read_stored(self.names, errors)
        return _parquet_rows(self.names[0], *self.rows)


def stored_parts(
    names: Sequence[str], size: int, *, but_in: str | None = None
) -> Iterator[StoredPart]:
    """Everything that the names stand for, ``size`` pictures a part, always the same.

    Args:
        names: files, folders, globs and Parquet files, as paths or addresses of fsspec.
        size: pictures in a part; the last of the files and of each Parquet file has fewer.
        but_in: the folder where the answers go, which is passed over in a search.

    Raises:
        UsageError: a folder without pictures, a glob that fits nothing, a Parquet file that holds
            none, a name in the folder of answers, or nothing in all.
    """
    out = None if but_in is None else _place(but_in)
    for name in names:
        if out is not None and _place(name).is_relative_to(out):
            raise UsageError(f"{name} lies in {but_in}, where the answers go: give another -o")
    found = (n for n in _found(names) if out is None or not _place(n).is_relative_to(out))
    part = None
    for part in _parts(found, size):
        yield part
    if part is None:
        raise UsageError(
            f"{', '.join(names[:3])}: no pictures. Parquet files have no rows, or all lies in "
            f"{but_in}, where the answers go"
        )


def _parts(names: Iterable[str], size: int) -> Iterator[StoredPart]:
    loose: list[str] = []
    for name in names:
        if name.endswith(".parquet"):
            rows = _parquet_size(name)
            for start in range(0, rows, size):
                yield StoredPart((name,), (start, min(start + size, rows)))
            continue
        loose.append(name)
        if len(loose) == size:
            yield StoredPart(tuple(loose))
            loose = []
    if loose:
        yield StoredPart(tuple(loose))


def read_stored(names: Sequence[str], errors: dict[int, str]) -> Iterator[Source]:
    """Sources for ``predict_many``: local files by path, others read some at a time."""
    names_left = enumerate(names)
    while some := list(islice(names_left, AT_ONCE)):
        remote = [name for _, name in some if "://" in name]
        contents: dict[str, Any] = {}
        if remote:
            system, _ = filesystem(remote[0])
            paths = {name: system._strip_protocol(name) for name in remote}
            got = system.cat(list(paths.values()), on_error="return")
            if isinstance(got, bytes):  # of a single path
                got = {path: got for path in paths.values()}
            contents = {name: got[path] for name, path in paths.items()}
        for place, name in some:
            found = contents.get(name)
            if isinstance(found, Exception) and not isinstance(found, _FINAL):
                raise OutputError(
                    f"{name} can't be read now: {type(found).__name__}: {found}. The same command "
                    "goes on from here"
                ) from found
            if isinstance(found, Exception):
                errors[place] = f"{name} cannot be read: {type(found).__name__}"
                found = b""
            yield (name, Path(name) if found is None else found)


def with_read_errors(
    answers: Iterable[PictureAnswer], errors: dict[int, str]
) -> list[PictureAnswer]:
    """The answers with the reasons that ``read_stored`` found in place of "is empty"."""
    return [
        replace(answer, error=errors[place]) if place in errors else answer
        for place, answer in enumerate(answers)
    ]


def filesystem(address: str) -> tuple[Any, str]:
    """Fsspec's file system of an address or path, and the path in it.

    Raises:
        UsageError: no such protocol, or its package is missing.
    """
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise UsageError(f"{address} cannot be opened: {' '.join(str(error).split())}") from None
    return system, str(path)


def file_stamp(name: str) -> str:
    """Size and time of change of a local file; empty for one elsewhere, which would be asked for.

    A store's listing has them too, but not every protocol of fsspec keeps it.
    """
    local = name.removeprefix(_FILE)
    with contextlib.suppress(OSError):
        if "://" not in local:
            found = os.stat(local)
            return f"{found.st_size} {found.st_mtime_ns}"
    return ""


def _place(name: str) -> PurePosixPath:
    """Where it lies: a local path in full, an address as it is."""
    local = name.removeprefix(_FILE)
    return PurePosixPath(local if "://" in local else str(Path(local).resolve()))


def _found(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        local = name.removeprefix(_FILE)
        if "://" in local:
            yield from _remote(name)
        elif Path(local).is_dir() and (tables := sorted(Path(local).rglob("*.parquet"))):
            yield from map(str, tables)
            if any(item.suffix.lower() in PICTURE_SUFFIXES for item in Path(local).rglob("*")):
                yield from map(str, find_pictures([local]))
        else:
            is_meant = glob.has_magic(local) or Path(local).suffix.lower() in PICTURE_SUFFIXES
            if not (is_meant or Path(local).exists()):  # else its row says that it can't be read
                raise UsageError(f"{name} does not exist")
            yield from map(str, find_pictures([local]))


def _remote(name: str) -> Iterator[str]:
    system, path = filesystem(name)
    if glob.has_magic(path) and not system.exists(path):
        found = sorted(system.glob(path))
    elif system.isdir(path):
        found = sorted(system.find(path))
        tables = [item for item in found if item.endswith(".parquet")]
        found = tables + [
            item for item in found if PurePosixPath(item).suffix.lower() in PICTURE_SUFFIXES
        ]
    else:
        found = [path]
    if not found:
        raise UsageError(f"{name} holds no pictures and no .parquet files")
    for item in found:
        yield system.unstrip_protocol(item)


def _opened_parquet(name: str) -> Any:
    import pyarrow
    from pyarrow import parquet

    system, path = filesystem(name)
    try:
        return parquet.ParquetFile(system.open(path, "rb"))
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{name} is damaged or no Parquet file: {reason[:120]}") from None


def _parquet_size(name: str) -> int:
    with _opened_parquet(name) as opened:
        _picture_column(opened, name)
        return int(opened.metadata.num_rows)


def _picture_column(opened: Any, name: str) -> tuple[str, bool, bool]:
    """The column of pictures, whether it is a struct, and whether that has paths."""
    import pyarrow

    schema = opened.schema_arrow
    found = schema.names[column(schema.names, PICTURES, "picture", name)]
    kind = schema.field(found).type
    inside = [field.name for field in kind] if pyarrow.types.is_struct(kind) else []
    stored = kind.field("bytes").type if "bytes" in inside else kind
    if not (pyarrow.types.is_binary(stored) or pyarrow.types.is_large_binary(stored)):
        raise UsageError(
            f"{name}: column '{found}' is {kind}, and pictures are {{bytes, path}} or bytes"
        )
    return found, bool(inside), "path" in inside


def _parquet_rows(name: str, first: int, end: int) -> Iterator[Source]:
    """Rows of a file by the row groups that hold them, a few at a time."""
    with _opened_parquet(name) as opened:
        column_name, in_struct, has_path = _picture_column(opened, name)
        row, groups = 0, []
        start = None
        for group in range(opened.metadata.num_row_groups):
            rows = opened.metadata.row_group(group).num_rows
            if row < end and row + rows > first:
                start = row if start is None else start
                groups.append(group)
            row += rows
        row = start or 0
        for batch in opened.iter_batches(
            batch_size=16, row_groups=groups, columns=[column_name], use_threads=False
        ):
            for value in batch.column(0).to_pylist():
                if first <= row < end:
                    called = value["path"] if value and has_path else None
                    content = (value["bytes"] if value and in_struct else value) or b""
                    yield f"{name}#{row}" + (f" {called}" if called else ""), content
                row += 1
            if row >= end:
                return
