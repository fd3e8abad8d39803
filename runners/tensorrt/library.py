"""Polygraphy, and the one of NVIDIA's two libraries that it drives in this process."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from paddleport.errors import BackendUnavailableError
from paddleport.runners.vendor_message import one_line

_RTX = "POLYGRAPHY_USE_TENSORRT_RTX"
_LOGGER = "Polygraphy"  # the name that Polygraphy gives its Python logger


@dataclass(frozen=True, kw_only=True)
class Library:
    """TensorRT or TensorRT-RTX.

    Attributes:
        backend: our name of it.
        module: what is imported.
        distributions: the packages that carry it.
        extra: of this project, to install it with.
        rtx: which of the two.
    """

    backend: str
    module: str
    distributions: tuple[str, ...]
    extra: str
    rtx: bool

    @property
    def install(self) -> str:
        """What to type to get it."""
        return f"pip install 'paddleport[{self.extra}]'"

    def load(self) -> "Loaded":
        """Import it, and Polygraphy set to it; nothing is ever installed on the way.

        Raises:
            BackendUnavailableError: it is not installed or does not load, or this process has
                loaded the other one already.
        """
        os.environ["POLYGRAPHY_AUTOINSTALL_DEPS"] = "0"
        os.environ[_RTX] = "1" if self.rtx else "0"
        try:
            trt = _import_rtx() if self.rtx else _import_trt()
            from polygraphy import config, cuda
            from polygraphy.backend import tensorrt_rtx
            from polygraphy.backend import trt as loaders
            from polygraphy.logger import G_LOGGER
        except ModuleNotFoundError as error:
            raise BackendUnavailableError(
                f"{self.backend} can't be used: the package {error.name} is not installed: "
                f"{self.install}"
            ) from error
        except (ImportError, OSError) as error:  # OSError: a shared library that is not there
            raise BackendUnavailableError(
                f"{self.backend} can't be used: {one_line(error)}. paddleport doctor says more"
            ) from error
        if self.rtx != config.USE_TENSORRT_RTX:
            raise BackendUnavailableError(
                f"{self.backend} can't be used: this process has loaded the other of TensorRT and "
                "TensorRT-RTX; use each in a process of its own, as paddleport validate does"
            )
        G_LOGGER.use_python_logging_system = True  # it would print to the terminal
        logging.getLogger(_LOGGER).propagate = False
        return Loaded(library=self, trt=trt, loaders=loaders, rtx_loaders=tensorrt_rtx, cuda=cuda)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The modules, each as its vendor has it.

    Attributes:
        library: which one.
        trt: ``tensorrt`` or ``tensorrt_rtx``.
        loaders: ``polygraphy.backend.trt``.
        rtx_loaders: ``polygraphy.backend.tensorrt_rtx``.
        cuda: ``polygraphy.cuda``.
    """

    library: Library
    trt: Any
    loaders: Any
    rtx_loaders: Any
    cuda: Any

    @property
    def version(self) -> str:
        """Such as ``10.13.3.9``."""
        return str(self.trt.__version__)

    @property
    def strongly_typed(self) -> bool | None:
        """What networks are created with; ``None`` once there is no other kind."""
        return hasattr(self.trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") or None


TENSORRT = Library(
    backend="tensorrt",
    module="tensorrt",
    distributions=("tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-cu11"),
    extra="gpu",
    rtx=False,
)
TENSORRT_RTX = Library(
    backend="tensorrt-rtx",
    module="tensorrt_rtx",
    distributions=("tensorrt-rtx-cu12", "tensorrt-rtx-cu13", "tensorrt-rtx"),
    extra="tensorrt-rtx",
    rtx=True,
)


@contextmanager
def collected_errors() -> Iterator[list[str]]:
    """What Polygraphy and its library log as errors meanwhile, one line each."""
    found: list[str] = []
    handler = _Collector(found)
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def first_reason(errors: Sequence[str], error: Exception) -> str:
    """The first error that was logged, else what was raised, in one line."""
    told = errors[0] if errors else str(error)
    return one_line(ValueError(re.sub(r"^\[.\] ", "", told)))


class _Collector(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(" ".join(record.getMessage().split()))


def _import_trt() -> Any:
    import tensorrt

    return tensorrt


def _import_rtx() -> Any:
    import tensorrt_rtx

    return tensorrt_rtx
