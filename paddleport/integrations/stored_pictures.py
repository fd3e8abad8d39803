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
from paddleport.integrations.picture_tables import pictures_in, rows_in
from paddleport.integrations.stores import address_of, filesystem, local_path, one_line, reason
from paddleport.runners.picture_pipeline import Source
from paddleport.runners.predictor import PictureAnswer
from paddleport.runners.preprocessing.picture_files import PICTURE_SUFFIXES, find_pictures

AT_ONCE = 32  # files of an object store that are asked for together
_TABLE = ".parquet"
_FINAL = (FileNotFoundError, IsADirectoryError, PermissionError)  # another try finds the same
_LATER = (408, 425, 429)  # of HTTP's refusals, those that a later try may not meet


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
        return pictures_in(self.names[0], *self.rows)


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
        if name.endswith(_TABLE):
            rows = rows_in(name)
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
    """Sources for ``predict_many``: local files by path, others read some at a time.

    Raises:
        OutputError: a store does not answer now.
    """
    names_left = enumerate(names)
    while some := list(islice(names_left, AT_ONCE)):
        contents = _contents([name for _, name in some if local_path(name) is None])
        for place, name in some:
            found = contents.get(name)
            if isinstance(found, Exception) and not _is_final(found):
                raise OutputError(
                    f"{name} can't be read now: {type(found).__name__}: {reason(found)}. The same "
                    "command goes on from here"
                ) from found
            if isinstance(found, Exception):
                status = getattr(found, "status", None)
                why = f"HTTP {status}" if status else type(found).__name__
                errors[place] = f"{name} cannot be read: {why}"
                found = b""
            yield (name, Path(local_path(name) or name) if found is None else found)


def _contents(names: Iterable[str]) -> dict[str, Any]:
    """Bytes, or why there are none, by address; one call to each file system."""
    paths: dict[Any, dict[str, str]] = {}
    for name in names:
        system, path = filesystem(name)
        paths.setdefault(system, {})[name] = path
    found: dict[str, Any] = {}
    for system, asked in paths.items():  # cat would take [0] in a name for a pattern
        got = system.cat_ranges(list(asked.values()), None, None, on_error="return")
        found |= zip(asked, got, strict=True)
    return found


def _is_final(error: Exception) -> bool:
    status = getattr(error, "status", None)
    refused = isinstance(status, int) and 400 <= status < 500 and status not in _LATER
    return refused or isinstance(error, _FINAL)


def with_read_errors(
    answers: Iterable[PictureAnswer], errors: dict[int, str]
) -> list[PictureAnswer]:
    """The answers with the reasons that ``read_stored`` found in place of "is empty"."""
    return [
        replace(answer, error=errors[place]) if place in errors else answer
        for place, answer in enumerate(answers)
    ]


def file_stamp(name: str) -> str:
    """Size and time of change of a local file; empty for one elsewhere, which would be asked for.

    A store's listing has them too, but not every protocol of fsspec keeps it.
    """
    local = local_path(name)
    if local is not None:
        with contextlib.suppress(OSError):
            found = os.stat(local)
            return f"{found.st_size} {found.st_mtime_ns}"
    return ""


def _place(name: str) -> PurePosixPath:
    """Where it lies: a local path in full, an address as it is."""
    local = local_path(name)
    return PurePosixPath(name if local is None else str(Path(local).resolve()))


def _found(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        local = local_path(name)
        yield from _remote(name) if local is None else _local(name, Path(local))


def _local(name: str, path: Path) -> Iterator[str]:
    if path.is_dir() and (tables := _tables(path)):
        yield from tables
        if any(item.suffix.lower() in PICTURE_SUFFIXES for item in path.rglob("*")):
            yield from map(str, find_pictures([str(path)]))
        return
    is_meant = glob.has_magic(str(path)) or path.suffix.lower() in PICTURE_SUFFIXES
    if not (is_meant or path.exists()):  # else its row says that it can't be read
        raise UsageError(f"{name} does not exist")
    for item in find_pictures([str(path)]):
        if item.suffix == _TABLE and item.is_dir():
            yield from _tables(item)
        else:
            yield str(item)


def _tables(folder: Path) -> list[str]:
    """Parquet files, also those in a folder that is called as one."""
    return [str(item) for item in sorted(folder.rglob(f"*{_TABLE}")) if item.is_file()]


def _remote(name: str) -> Iterator[str]:
    system, path = filesystem(name)
    with one_line(f"{name} cannot be listed"):
        if glob.has_magic(path) and not system.exists(path):
            found = list(_fitting(system, path))
        elif _is_picture(name) or _is_table(system, path) or not system.isdir(path):
            found = [path]
        else:
            found = _inside(system, path)
    if not found:
        raise UsageError(f"{name} holds no pictures and no .parquet files")
    for item in found:
        yield address_of(item, system, name, path)


def _fitting(system: Any, pattern: str) -> Iterator[str]:
    for path, told in sorted(system.glob(pattern, detail=True).items()):
        if path.endswith(_TABLE) and told.get("type") == "directory":
            yield from _inside(system, path)
        else:
            yield path


def _inside(system: Any, folder: str) -> list[str]:
    found = sorted(system.find(folder))
    tables = [item for item in found if item.endswith(_TABLE)]
    return tables + [item for item in found if _is_picture(item)]


def _is_table(system: Any, path: str) -> bool:
    return path.endswith(_TABLE) and bool(system.isfile(path))  # over HTTP isdir reads all of it


def _is_picture(name: str) -> bool:
    """By its name alone: to ask for each would be dear."""
    return not name.endswith("/") and PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES
