"""PaddleClas's architectures, taken from its wheel, without what the wheel asks for.

``paddleclas`` can be no dependency: it pins numpy 1.24.4, old OpenCV, faiss and visualdl. Its
networks need none of these; what they import beside Paddle are four helpers of its own (a logger,
two that fetch trained weights, a dict with attributes), which have stand-ins here.
"""

import importlib
import logging
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from paddleport.errors import DownloadError
from paddleport.files import sha256
from paddleport.models.cache import cached_folder

VERSION = "2.6.0"
SHA256 = "3c12fd8994d95ed1b4fd60017cdbc12bb0e77a41a7921b022e9a6fb5d287fe8a"
DOWNLOAD_TIMEOUT_S = 120

_log = logging.getLogger("paddleclas")
_WHEEL = f"paddleclas-{VERSION}-py3-none-any.whl"
_PACKAGE = PurePosixPath("paddleclas")  # it holds ppcls, which the networks are imported from
_NETWORKS = _PACKAGE / "ppcls" / "arch" / "backbone"
_MOST_BYTES = 10_000_000  # unpacked; the wheel's networks are 1 MB


def unpacked_wheel() -> Path:
    """The folder that ``ppcls`` lies in, fetched and unpacked once.

    Raises:
        DownloadError: pip cannot fetch the wheel, or it is another one.
        OutputError: the cache cannot be written.
    """
    return cached_folder(f"paddleclas/{VERSION}-{SHA256[:16]}", _fetch) / str(_PACKAGE)


def import_networks(folder: Path) -> ModuleType:
    """The module ``ppcls.arch.backbone``: a constructor for each architecture's name.

    For a process of its own: it changes ``sys.modules``, and a second network gets other
    parameter names than the first.

    Args:
        folder: what ``unpacked_wheel`` returned.
    """
    for name in ("ppcls", "ppcls.arch", "ppcls.utils"):  # without what their __init__ imports
        package = ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[name] = package
    _stand_in("logger", {level: getattr(_log, level) for level in ("debug", "info", "warning")})
    _stand_in("save_load", {"load_dygraph_pretrain": _no_trained_weights})
    _stand_in("download", {"get_weights_path_from_url": _no_trained_weights})
    _stand_in("config", {"AttrDict": _AttributeDict})
    sys.dont_write_bytecode = True  # the cache holds what was unpacked and nothing else
    return importlib.import_module("ppcls.arch.backbone")


class _AttributeDict(dict[str, Any]):
    """A dict whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(name)

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value


def _stand_in(name: str, members: Mapping[str, object]) -> None:
    module = ModuleType(f"ppcls.utils.{name}")
    vars(module).update(members)
    sys.modules[module.__name__] = module
    setattr(sys.modules["ppcls.utils"], name, module)


def _no_trained_weights(*_: Any, **__: Any) -> None:
    raise RuntimeError("trained weights are asked for, which are not in the wheel")


def _fetch(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)]
    done = subprocess.run(
        [*command, f"paddleclas=={VERSION}"],
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_TIMEOUT_S,
    )
    wheel = folder / _WHEEL
    if done.returncode or not wheel.is_file():
        said = done.stderr.strip().splitlines()
        raise DownloadError(
            f"pip cannot fetch paddleclas {VERSION}: {said[-1] if said else 'it says nothing'}. "
            "Give pip an index that has it (pip config set global.index-url ...)"
        )
    found = sha256([wheel])
    if found != SHA256:
        raise DownloadError(
            f"pip fetched another paddleclas {VERSION}: sha256 {found}, not {SHA256}. Ask whoever "
            "runs the package index"
        )
    _unpack(wheel, folder)
    wheel.unlink()


def _unpack(wheel: Path, folder: Path) -> None:
    """Write the networks' sources and nothing else of the archive."""
    with zipfile.ZipFile(wheel) as archive:
        wanted = [
            entry
            for entry in archive.infolist()
            if PurePosixPath(entry.filename).is_relative_to(_NETWORKS)
            and entry.filename.endswith(".py")
            and ".." not in PurePosixPath(entry.filename).parts
        ]
        if sum(entry.file_size for entry in wanted) > _MOST_BYTES:
            raise DownloadError(f"{_WHEEL} unpacks to more than {_MOST_BYTES} bytes")
        for entry in wanted:
            archive.extract(entry, folder)
