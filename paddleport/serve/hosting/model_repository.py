"""A folder of models: each file or subfolder of it is one, by its name, and nothing else is."""

import logging
import os
import re
from collections.abc import Callable, Container
from functools import partial
from pathlib import Path

from paddleport.errors import ModelNotFoundError, UsageError
from paddleport.models.recognize import format_of
from paddleport.serve.hosting.process_host import ProcessHost

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
"""What a model may be called: it is part of addresses."""
_logger = logging.getLogger(__name__)
Make = Callable[[str, Path, Callable[[], Path]], ProcessHost]


class ModelRepository:
    """A folder, looked at when it or one of its folders has changed."""

    def __init__(self, folder: Path, make: Make) -> None:
        """Look at it for the first time when it is asked.

        Args:
            folder: of the models.
            make: a host, not loaded, by name, path, and what finds the path again when it is to be
                loaded, which raises ModelNotFoundError.

        Raises:
            UsageError: it is no folder.
        """
        if not folder.is_dir():
            raise UsageError(f"--repository {folder} is no folder")
        self._folder, self._make = folder.resolve(), make
        self._seen: object = None
        self._left_out: set[str] = set()

    def new_hosts(self, known: Container[str]) -> list[ProcessHost]:
        """Hosts of the models whose names are not known yet; nothing if nothing has changed."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return []
            found = self._models()
        except OSError as error:
            self._leave_out(str(self._folder), f"it can't be read: {error.strerror}")
            return []
        self._seen = stamp
        return [
            self._make(name, path, partial(self._again, name))
            for name, path in found.items()
            if name not in known
        ]

    def _stamp(self) -> object:
        """Another one after anything has come, or gone, or was replaced."""
        with os.scandir(self._folder) as entries:
            found = [(item.name, item.stat(follow_symlinks=False)) for item in entries]
        return sorted((name, stat.st_mtime_ns, stat.st_ino, stat.st_mode) for name, stat in found)

    def _models(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in sorted(self._folder.iterdir()):
            try:
                name, model = _name_of(path), self._model_in(path)
            except OSError as error:
                self._leave_out(path.name, f"it can't be read: {error.strerror}")
                continue
            if model is None:
                continue
            if not NAME.fullmatch(name) or name in found:
                why = "two have this name" if name in found else "no name of letters and digits"
                self._leave_out(path.name, why)
                continue
            found[name] = model
        return found

    def _again(self, name: str) -> Path:
        """Where a model of this name lies now: others may have come, and links out of the folder.

        Raises:
            ModelNotFoundError: nowhere.
        """
        try:
            return self._models()[name]
        except (OSError, KeyError):
            raise ModelNotFoundError(f"{name} is not in the repository any more") from None

    def _leave_out(self, name: str, why: str) -> None:
        if name not in self._left_out:
            self._left_out.add(name)
            _logger.warning("%s is left out of the repository: %s", name, why)

    def _model_in(self, path: Path) -> Path | None:
        """What to open, which lies in the folder; ``None`` for what is no model."""
        if path.name.startswith(".") or path.suffix.lower() in (".json", ".bin"):
            return None  # what belongs to a converted file
        try:
            inside = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        if not inside.is_relative_to(self._folder):
            self._leave_out(path.name, "it points out of it")
            return None
        return model_of(path)


def model_of(path: Path) -> Path | None:
    """The model that a path names: itself, or a folder's only converted file; else ``None``."""
    from paddleport.models.paddle.source import holds_model

    if holds_model(path) or (path.is_file() and format_of(path)):
        return path
    if not path.is_dir():
        return None
    inside = path.resolve()
    files = [
        file
        for file in sorted(path.iterdir())
        if file.suffix.lower() not in (".json", ".bin")
        and file.is_file()
        and file.resolve().is_relative_to(inside)
        and format_of(file)
    ]
    return files[0] if len(files) == 1 else None


def _name_of(path: Path) -> str:
    """A folder's name; a file's without what says its format."""
    return path.name if path.is_dir() else served_name(path.name)


def served_name(file: str) -> str:
    """What a file is called without what says its format."""
    for ending in (".onnx", ".xml", ".ncnn.param", ".param", ".mnn", ".nb", ".tar", ".pdmodel"):
        if file.lower().endswith(ending) and len(file) > len(ending):
            return file[: -len(ending)]
    return Path(file).stem
