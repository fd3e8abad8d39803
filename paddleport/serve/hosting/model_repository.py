"""A folder of models: each file or subfolder of it is one, by its name, and nothing else is."""

import logging
import re
from collections.abc import Callable, Container
from pathlib import Path

from paddleport.errors import UsageError
from paddleport.models.recognize import format_of
from paddleport.serve.hosting.process_host import ProcessHost

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
"""What a model may be called: it is part of addresses."""
_logger = logging.getLogger(__name__)


class ModelRepository:
    """A folder, looked at when it has changed."""

    def __init__(self, folder: Path, make: Callable[[str, Path], ProcessHost]) -> None:
        """Look at it for the first time when it is asked.

        Args:
            folder: of the models.
            make: a host by name and path, not loaded.

        Raises:
            UsageError: it is no folder.
        """
        if not folder.is_dir():
            raise UsageError(f"--repository {folder} is no folder")
        self._folder, self._make = folder.resolve(), make
        self._seen_ns = -1

    def new_hosts(self, known: Container[str]) -> list[ProcessHost]:
        """Hosts of the models whose names are not known yet; nothing if nothing has changed."""
        try:
            changed_ns = self._folder.stat().st_mtime_ns
        except OSError:
            return []
        if changed_ns == self._seen_ns:
            return []
        self._seen_ns = changed_ns
        found: dict[str, Path] = {}
        for path in sorted(self._folder.iterdir()):
            name, model = _name_of(path), self._model_in(path)
            if model is None:
                continue
            if not NAME.fullmatch(name) or name in found:
                why = "two have this name" if name in found else "no name of letters and digits"
                _logger.warning("%s in %s is left out: %s", path.name, self._folder, why)
                continue
            found[name] = model
        return [self._make(name, path) for name, path in found.items() if name not in known]

    def _model_in(self, path: Path) -> Path | None:
        """What to open, which lies in the folder; ``None`` for what is no model."""
        if path.name.startswith(".") or path.suffix.lower() in (".json", ".bin"):
            return None  # what belongs to a converted file
        try:
            inside = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        if not inside.is_relative_to(self._folder):
            _logger.warning("%s is left out: it points out of %s", path.name, self._folder)
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
