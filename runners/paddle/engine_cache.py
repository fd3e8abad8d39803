"""Folders of engines, filled under their own name and used only while they are whole."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from paddleport.files import write_atomically
from paddleport.models.cache import cache_dir, cache_key, locked, not_writable

_WHOLE = ".whole.json"  # written last: every file of the folder with its size


def folder_for(settings: Mapping[str, object]) -> Path:
    """The folder of everything that engines depend on; settings are of JSON's types."""
    return cache_dir() / "engines" / "paddle-tensorrt" / cache_key(settings)


@contextlib.contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; what is not whole is thrown away before, and after a failure.

    It is filled under its own name, as a converted program holds the paths of its engines.
    """
    with locked(folder):
        try:
            if not _is_whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
        except OSError as error:
            raise not_writable(folder, error) from error
        try:
            yield
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        write_atomically(folder / _WHOLE, json.dumps(_sizes(folder)).encode())


def _is_whole(folder: Path) -> bool:
    try:
        recorded: dict[str, int] = json.loads((folder / _WHOLE).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return recorded == _sizes(folder)


def _sizes(folder: Path) -> dict[str, int]:
    return {
        file.relative_to(folder).as_posix(): file.stat().st_size
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != _WHOLE
    }
