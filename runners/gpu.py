"""The NVIDIA GPUs of this machine, as the CUDA driver itself reports them."""

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from paddleport.errors import BackendUnavailableError

_LIBRARY = "libcuda.so.1"  # part of the driver, not of the CUDA toolkit
_KERNEL_DRIVER = Path("/proc/driver/nvidia/version")
_DEVICES = ("/dev/nvidia0", "/dev/dxg")  # Linux; WSL
_NAME_BYTES = 256
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR in cuda.h


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes:
        index: what CUDA calls it in this process; ``CUDA_VISIBLE_DEVICES`` renumbers.
        name: as ``NVIDIA L4``.
        compute_capability: major, minor.
        memory_bytes: all it has.
    """

    index: int
    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int

    def __str__(self) -> str:
        return f"{self.name} (compute capability {format_capability(self.compute_capability)})"


@dataclass(frozen=True, kw_only=True)
class Driver:
    """The NVIDIA driver and what it drives.

    Attributes:
        version: of the driver, as ``580.65.06``; empty where nothing reports it.
        cuda: the newest CUDA that it runs, as ``13.0``; empty without a driver.
        gpus: those that this process may use, in CUDA's order.
        missing: why there is none; empty where there is one.
        advice: what to do about it.
    """

    version: str
    cuda: str
    gpus: tuple[Gpu, ...]
    missing: str = ""
    advice: str = ""


@cache
def find_driver() -> Driver:
    """Ask the CUDA driver; creates no context and takes no memory of a GPU."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        found = "a GPU, but " if any(Path(device).exists() for device in _DEVICES) else ""
        missing = f"{found}no NVIDIA driver ({_LIBRARY})"
        return Driver(
            version=_driver_version(),
            cuda="",
            gpus=(),
            missing=missing,
            advice="in a container: --gpus all",
        )
    cuda = _cuda_version(library)
    status = library.cuInit(0)
    if status:
        missing = f"the NVIDIA driver finds no GPU ({_error(library, status)})"
        return Driver(
            version=_driver_version(),
            cuda=cuda,
            gpus=(),
            missing=missing,
            advice="look at nvidia-smi",
        )
    gpus = tuple(_gpu(library, index) for index in range(_integer(library.cuDeviceGetCount)))
    if gpus:
        return Driver(version=_driver_version(), cuda=cuda, gpus=gpus)
    return Driver(
        version=_driver_version(),
        cuda=cuda,
        gpus=(),
        missing="no GPU is visible to CUDA",
        advice="look at CUDA_VISIBLE_DEVICES",
    )


def need_gpu(backend: str, index: int = 0) -> Gpu:
    """The GPU that CUDA calls ``index``.

    Raises:
        BackendUnavailableError: there is none; says on whose behalf, and what to do.
    """
    driver = find_driver()
    if driver.missing:
        raise BackendUnavailableError(f"{backend} needs a GPU: {driver.missing}; {driver.advice}")
    if index not in range(len(driver.gpus)):
        known = ", ".join(f"{gpu.index}: {gpu.name}" for gpu in driver.gpus)
        raise BackendUnavailableError(f"{backend} was asked for GPU {index}; there are {known}")
    return driver.gpus[index]


def format_capability(capability: tuple[int, int]) -> str:
    """``(8, 9)`` as ``8.9``."""
    return ".".join(str(part) for part in capability)


def _gpu(library: ctypes.CDLL, index: int) -> Gpu:
    device = ctypes.c_int()
    _check(library, library.cuDeviceGet(ctypes.byref(device), index))
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _check(library, library.cuDeviceGetName(name, _NAME_BYTES, device))
    memory = ctypes.c_size_t()
    _check(library, library.cuDeviceTotalMem_v2(ctypes.byref(memory), device))
    major, minor = (
        _integer(library.cuDeviceGetAttribute, number, device) for number in (_MAJOR, _MINOR)
    )
    return Gpu(
        index=index,
        name=name.value.decode(errors="replace"),
        compute_capability=(major, minor),
        memory_bytes=memory.value,
    )


def _cuda_version(library: ctypes.CDLL) -> str:
    number = _integer(library.cuDriverGetVersion)
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver_version() -> str:
    try:
        text = _KERNEL_DRIVER.read_text()
    except OSError:
        return ""
    found = re.search(r"Kernel Module\D*?(\d+(?:\.\d+)+)", text)
    return found[1] if found else ""


def _integer(function: Callable[..., int], *arguments: object) -> int:
    value = ctypes.c_int()
    status = function(ctypes.byref(value), *arguments)
    return 0 if status else value.value


def _check(library: ctypes.CDLL, status: int) -> None:
    if status:
        raise BackendUnavailableError(
            f"the NVIDIA driver does not answer ({_error(library, status)}): look at nvidia-smi"
        )


def _error(library: ctypes.CDLL, status: int) -> str:
    text = ctypes.c_char_p()
    library.cuGetErrorName(status, ctypes.byref(text))
    return text.value.decode(errors="replace") if text.value else f"CUDA error {status}"
