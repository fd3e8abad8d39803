"""NVIDIA's libraries that a GPU build of a runtime loads: which there are, and of what version."""

import ctypes
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

_CUDA = ("libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0")
_CUDNN = ("libcudnn.so.9", "libcudnn.so.8")


def probe_cuda() -> str:
    """The version of the CUDA runtime library, as ``12.6``; empty without one.

    For a child process only: it loads the library.
    """
    return _first(_CUDA, _cuda_version)


def probe_cudnn() -> str:
    """The version of cuDNN, as ``9.5.1``; empty without one. For a child process only."""
    return _first(_CUDNN, _cudnn_version)


def _first(names: tuple[str, ...], version: Callable[[ctypes.CDLL], str]) -> str:
    for name in names:
        for place in (name, *_wheels_with(name)):
            try:
                return version(ctypes.CDLL(place))
            except (OSError, AttributeError):  # not there, or another library of that name
                continue
    return ""


def _wheels_with(name: str) -> Iterator[str]:
    """Where NVIDIA's Python packages put it; the runtimes look there by themselves."""
    for folder in sys.path:
        yield from map(str, sorted(Path(folder or ".", "nvidia").glob(f"*/lib/{name}")))


def _cuda_version(library: ctypes.CDLL) -> str:
    number = ctypes.c_int()
    library.cudaRuntimeGetVersion(ctypes.byref(number))
    return f"{number.value // 1000}.{number.value % 1000 // 10}"


def _cudnn_version(library: ctypes.CDLL) -> str:
    library.cudnnGetVersion.restype = ctypes.c_size_t
    number = int(library.cudnnGetVersion())
    thousand = 10_000 if number >= 90_000 else 1000  # cuDNN 9 counts its minors to 99
    return f"{number // thousand}.{number % thousand // 100}.{number % 100}"
