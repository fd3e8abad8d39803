"""What takes long to make, made by one of a session's processes for all of them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder of this session of tests, one for all its processes."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name``, which ``make`` fills; a failed attempt is made again."""
    folder = shared_folder(factory) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "is-made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            (folder / "is-made").touch()
    return folder
