"""A folder that is there whole, or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paddleport.errors import OutputError
from paddleport.files import check_writable


def check_folder(path: Path) -> None:
    """Refuse, before anything is made, a folder that can't be written.

    Raises:
        OutputError: something is there already, or the place takes no files.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(f"{path} is there already: remove it, or choose another name with -o")
    check_writable(path.resolve().parent)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Where to write, beside ``path``; it gets that name at the end, unless something is raised.

    Nothing is there at first, not even the folder.

    Raises:
        OutputError: as ``check_folder``, or it can't be written.
    """
    check_folder(path)
    waiting = path.resolve().with_name(f".{path.resolve().name}.{os.urandom(4).hex()}.writing")
    try:
        yield waiting
        if path.is_dir():
            path.rmdir()  # an empty one
        waiting.replace(path)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
