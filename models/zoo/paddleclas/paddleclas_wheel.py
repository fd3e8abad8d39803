"""PaddleClas's networks, taken from its wheel, without what the wheel asks for.

``paddleclas`` can be no dependency: it pins numpy 1.24.4, old OpenCV, faiss and visualdl. Its
networks need none of these; what they import beside Paddle are four helpers of its own (a logger,
two that fetch trained weights, a dict with attributes), which have stand-ins here.
"""

import importlib
import logging
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from paddleport.models.fetched_wheel import FetchedWheel
from paddleport.models.zoo.paddleclas.wheel_corrections import CORRECTIONS
from paddleport.progress import Progress, no_progress

VERSION = "2.6.0"
SHA256 = "3c12fd8994d95ed1b4fd60017cdbc12bb0e77a41a7921b022e9a6fb5d287fe8a"

_log = logging.getLogger("paddleclas")
_WHEEL = f"paddleclas-{VERSION}-py3-none-any.whl"
_PACKAGE = PurePosixPath("paddleclas")  # it holds ppcls, which the networks are imported from
_NETWORKS = _PACKAGE / "ppcls" / "arch" / "backbone"
_MOST_BYTES = 10_000_000  # unpacked; the wheel's networks are 1 MB

_CORRECTED = "-corrected1"  # raise it with CORRECTIONS


def unpacked_wheel(progress: Progress = no_progress) -> Path:
    """The folder that ``ppcls`` lies in, unpacked once from a wheel that pip fetches.

    A wheel that somebody has put into the cache's folder ``paddleclas`` is taken instead.

    Raises:
        DownloadError: the wheel cannot be had, or is another one; says what to type.
        OutputError: the cache cannot be written.
    """
    wheel = _wheel()
    folder = wheel.unpacked(_is_network, finish=_correct, mark=_CORRECTED, progress=progress)
    return folder / str(_PACKAGE)


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


def _wheel() -> FetchedWheel:
    return FetchedWheel(
        distribution="paddleclas",
        version=VERSION,
        file=_WHEEL,
        sha256=SHA256,
        content="the networks of PaddleClas",
        most_bytes=_MOST_BYTES,
    )


def _is_network(name: PurePosixPath) -> bool:
    return name.is_relative_to(_NETWORKS) and name.suffix == ".py"


def _correct(folder: Path) -> None:
    for name, changes in CORRECTIONS:
        file = folder / _NETWORKS / name
        source = file.read_text("utf-8")
        for wrong, right in changes:
            source = source.replace(wrong, right)
        file.write_text(source, "utf-8")
