"""Which form somebody's labelled data has."""

import re
from collections.abc import Sequence
from pathlib import Path

from paddleport.errors import UsageError
from paddleport.validate.labelled.class_folders import ClassFolders, class_folder_names
from paddleport.validate.labelled.csv_table import CsvTable
from paddleport.validate.labelled.list_file import LIST_NAME, ListFile
from paddleport.validate.labelled.listing import Listing, some
from paddleport.validate.labelled.parquet_files import ParquetFiles
from paddleport.validate.labelled.path_listing import PathListing
from paddleport.validate.labelled.tar_shards import TarShards

_TABLES = (".csv", ".tsv")
_SHARDS = (".tar", ".parquet")
_PACKED = (".gz", ".tgz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".rar")
_SPLITS = ("train", "training", "val", "validation", "valid", "test", "dev")
_MOST_SHARDS = 100_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def find_listing(data: Path, *, list_file: Path | None, root: Path | None) -> Listing:
    """The listing of labelled data, by what is there.

    Args:
        data: a folder, a list, a table, a shard, or shards as ``name-{000..049}.tar``.
        list_file: a list or table of pictures, instead of what ``data`` would be taken for.
        root: what the paths of a list or table start from; by default ``data``, or its folder.

    Raises:
        UsageError: there is no such data, or it may be several things.
    """
    if list_file is not None:
        file = list_file if list_file.is_file() else data / list_file
        if not file.is_file():
            raise UsageError(f"--list {list_file}: no such file")
        return _listed(file, root or (data if data.is_dir() else data.parent), file.name)
    shards = _expanded(data)
    title = data.name or data.absolute().name or str(data)  # of '.' and '/'
    form = data.suffix.lower()
    if form not in _SHARDS and data.is_file():
        if form in _PACKED:
            raise UsageError(f"{data} is packed: unpack it first, and give the folder or the .tar")
        return _listed(data, root or data.parent, title)
    if shards:
        return _sharded(shards, title, root)
    if not data.is_dir():
        raise UsageError(f"{data}: no such folder or list")
    return _folder(data, root, title)


def _folder(data: Path, root: Path | None, title: str) -> Listing:
    if (data / LIST_NAME).is_file():
        return _listed(data / LIST_NAME, root or data, title)
    folders = class_folder_names(data)
    splits = [name for name in folders if name.lower() in _SPLITS]
    if splits and len(splits) == len(folders):
        raise UsageError(f"{data} holds {some(splits)}: give one of them: {data / splits[-1]}")
    shards = [item for item in sorted(data.iterdir()) if item.suffix.lower() in _SHARDS]
    tables = [item for item in sorted(data.iterdir()) if item.suffix.lower() in _TABLES]
    tables = [item for item in tables if item.name.lower() == "metadata.csv"] or tables
    if shards and not folders:
        return _sharded(shards, title, root)
    if len(tables) == 1 and len(folders) <= 1:  # one folder is no classes
        return _listed(tables[0], root or data, title)
    if root is not None:
        raise UsageError(f"--root is for the paths of a list, and {data} has none: add --list FILE")
    if folders:
        return ClassFolders(data, title)
    raise UsageError(
        f"{data} holds neither {LIST_NAME} ('path label' per line) nor one folder per class"
    )


def _listed(file: Path, root: Path, title: str) -> PathListing:
    if not root.is_dir():
        raise UsageError(f"--root {root}: no such folder")
    form = CsvTable if file.suffix.lower() in _TABLES else ListFile
    return form(file, root, title)


def _sharded(shards: Sequence[Path], title: str, root: Path | None) -> Listing:
    if root is not None:
        raise UsageError(f"--root is for the paths of a list, and {title} is none: leave it out")
    forms = sorted({shard.suffix.lower() for shard in shards})
    if len(forms) > 1:
        raise UsageError(f"{title} holds {' and '.join(forms)}: give those of one form")
    words = [set(re.split(r"[^a-z]+", shard.name.lower())) & set(_SPLITS) for shard in shards]
    splits = sorted(set().union(*words))
    if len(splits) > 1:
        first = next(shard for shard, found in zip(shards, words, strict=True) if found)
        raise UsageError(
            f"{title} holds {' and '.join(splits)}: give those of one alone, in a folder "
            f"or as '{first.with_name('NAME-{000..004}' + first.suffix)}'"
        )
    return TarShards(shards, title) if forms == [".tar"] else ParquetFiles(shards, title)


def _expanded(data: Path) -> list[Path]:
    """Shards that a name stands for: itself, or ``{000..049}`` and ``{a,b}`` in it."""
    if data.suffix.lower() not in _SHARDS or data.is_dir():
        return []
    names = [str(data)] if data.exists() else _alternatives(str(data))
    missing = [name for name in names if not Path(name).is_file()]
    if missing:
        of = f"{len(missing)} of {len(names)} shards are" if len(names) > 1 else "it is"
        raise UsageError(f"{data}: {of} not there: {some(Path(name).name for name in missing)}")
    return [Path(name) for name in names]


def _alternatives(pattern: str) -> list[str]:
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    span = _RANGE.fullmatch(match[1])
    if span is None:
        inside = match[1].split(",")
    else:
        first, last = int(span[1]), int(span[2])
        if last - first >= _MOST_SHARDS:
            raise UsageError(f"{{{match[1]}}} are over {_MOST_SHARDS} shards: fewer at a time")
        inside = [f"{number:0{len(span[1])}}" for number in range(first, last + 1)]
    rests = _alternatives(pattern[match.end() :])
    return [f"{pattern[: match.start()]}{one}{rest}" for one in inside for rest in rests]
