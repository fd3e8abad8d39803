"""PaddleClas's networks, taken from its wheel, without what the wheel asks for.

``paddleclas`` can be no dependency: it pins numpy 1.24.4, old OpenCV, faiss and visualdl. Its
networks need none of these; what they import beside Paddle are four helpers of its own (a logger,
two that fetch trained weights, a dict with attributes), which have stand-ins here.
"""

import importlib
import logging
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from paddleport.errors import DownloadError
from paddleport.files import sha256
from paddleport.models.cache import cache_dir, cached_folder, is_intact
from paddleport.models.zoo.paddleclas.wheel_corrections import CORRECTIONS
from paddleport.progress import Progress, no_progress

VERSION = "2.6.0"
SHA256 = "3c12fd8994d95ed1b4fd60017cdbc12bb0e77a41a7921b022e9a6fb5d287fe8a"
DOWNLOAD_TIMEOUT_S = 120.0

_log = logging.getLogger("paddleclas")
_WHEEL = f"paddleclas-{VERSION}-py3-none-any.whl"
_PACKAGE = PurePosixPath("paddleclas")  # it holds ppcls, which the networks are imported from
_NETWORKS = _PACKAGE / "ppcls" / "arch" / "backbone"
_MOST_BYTES = 10_000_000  # unpacked; the wheel's networks are 1 MB

_ENTRY = f"paddleclas/{VERSION}-{SHA256[:16]}-corrected1"  # raise it with CORRECTIONS


def unpacked_wheel(progress: Progress = no_progress) -> Path:
    """The folder that ``ppcls`` lies in, unpacked once from a wheel that pip fetches.

    A wheel that somebody has put into the cache's folder ``paddleclas`` is taken instead.

    Raises:
        DownloadError: the wheel cannot be had, or is another one; says what to type.
        OutputError: the cache cannot be written.
    """
    if not is_intact(cache_dir() / _ENTRY):
        progress(f"fetching the networks of PaddleClas {VERSION}, once", 0.0)
    return cached_folder(_ENTRY, _fill) / str(_PACKAGE)


def import_networks(folder: Path) -> ModuleType:
    """The module ``ppcls.arch.backbone``: a constructor for each network's name.

    For a process of its own: it changes ``sys.modules``.

    Args:
        folder: what ``unpacked_wheel`` returned.
    """
    if "ppcls.arch.backbone" in sys.modules:
        return sys.modules["ppcls.arch.backbone"]
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


def _fill(folder: Path) -> None:
    given = cache_dir() / "paddleclas" / _WHEEL
    if given.is_file():
        found = sha256([given])
        if found != SHA256:
            raise DownloadError(
                f"{given} has the sha256 {found}, not the pinned {SHA256}: delete it, and type "
                f"{_command()}"
            )
        _unpack(given, folder)
        return
    if os.environ.get("PADDLEPORT_OFFLINE", "0") not in ("", "0"):
        raise DownloadError(f"{_missing('PADDLEPORT_OFFLINE forbids to download it')}")
    _download(folder)
    _unpack(folder / _WHEEL, folder)
    (folder / _WHEEL).unlink()


def _download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--retries=2"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(folder), f"paddleclas=={VERSION}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        reason = f"pip has not fetched it within {DOWNLOAD_TIMEOUT_S:g} s"
        raise DownloadError(_missing(reason)) from None
    if "No module named pip" in done.stderr:
        raise DownloadError(_missing("this environment has no pip to fetch it with"))
    if done.returncode or not (folder / _WHEEL).is_file():
        said = done.stderr.strip().splitlines()
        raise DownloadError(_missing(f"pip says: {said[-1] if said else 'nothing'}"))
    found = sha256([folder / _WHEEL])
    if found != SHA256:
        raise DownloadError(
            f"pip fetched another paddleclas {VERSION}: sha256 {found}, not {SHA256}. Ask whoever "
            "runs the package index"
        )


def _missing(reason: str) -> str:
    return (
        f"the networks of PaddleClas are in its wheel {VERSION}, which is not in the cache, and "
        f"{reason}. With any pip that reaches a package index type, once: {_command()}"
    )


def _command() -> str:
    """What puts the wheel where ``_fill`` looks for it."""
    folder = shlex.quote(str(cache_dir() / "paddleclas"))
    return f"pip download --no-deps --only-binary=:all: paddleclas=={VERSION} -d {folder}"


def _unpack(wheel: Path, folder: Path) -> None:
    """Write the networks' sources, corrected, and nothing else of the archive."""
    with zipfile.ZipFile(wheel) as archive:
        wanted = [
            entry
            for entry in archive.infolist()
            if PurePosixPath(entry.filename).is_relative_to(_NETWORKS)
            and entry.filename.endswith(".py")
            and ".." not in PurePosixPath(entry.filename).parts
        ]
        if sum(entry.file_size for entry in wanted) > _MOST_BYTES:
            raise DownloadError(f"{wheel.name} unpacks to more than {_MOST_BYTES} bytes")
        for entry in wanted:
            archive.extract(entry, folder)
    for name, changes in CORRECTIONS:
        file = folder / _NETWORKS / name
        source = file.read_text("utf-8")
        for wrong, right in changes:
            source = source.replace(wrong, right)
        file.write_text(source, "utf-8")
