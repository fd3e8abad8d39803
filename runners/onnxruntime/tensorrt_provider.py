"""ONNX Runtime's TensorRT provider: its options, and where its engines are kept."""

import contextlib
import ctypes
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.files import sha256
from paddleport.models.cache import cache_dir, locked, not_writable
from paddleport.models.onnx.onnx_file import external_files
from paddleport.runners.gpu import Gpu
from paddleport.runners.runner_options import Precision
from paddleport.runners.vendor_message import one_line

_LIBRARY = "libnvinfer.so.10"  # what the provider is linked with, from 1.18 to 1.31
_PIP_PACKAGE = "tensorrt_libs"  # of tensorrt-cu12 and -cu13; importing it loads the libraries
_ENVIRONMENT = "ORT_TENSORRT_"  # variables with this prefix go before the options
_SWITCHES: dict[Precision, str] = {
    "fp16": "trt_fp16_enable",
    "bf16": "trt_bf16_enable",
    "int8": "trt_int8_enable",
}


@dataclass(frozen=True, kw_only=True)
class EngineKey:
    """Everything that a built engine is valid for, as the provider's documentation lists it."""

    model_sha256: str
    gpu: str
    precision: Precision
    tf32: bool
    onnxruntime: str
    tensorrt: str

    @property
    def folder(self) -> Path:
        """Where engines and timings of this key are kept."""
        import hashlib  # with OpenSSL in it, slow to load

        name = hashlib.sha256(repr(self).encode()).hexdigest()[:16]
        return cache_dir() / "engines" / "onnxruntime-tensorrt" / name


def engine_key(
    onnxruntime: Any, model: Path, gpu: Gpu, precision: Precision, *, tf32: bool
) -> EngineKey:
    """The key of a model on one GPU.

    Raises:
        BackendUnavailableError: TensorRT is not installed.
    """
    digest = sha256([model, *external_files(model)])
    return EngineKey(
        model_sha256=digest,
        gpu=str(gpu),
        precision=precision,
        tf32=tf32,
        onnxruntime=onnxruntime.__version__,
        tensorrt=tensorrt_version(onnxruntime),
    )


def tensorrt_version(onnxruntime: Any) -> str:
    """What the TensorRT library that the provider will use says of itself, as ``101303``.

    Raises:
        BackendUnavailableError: it can't be loaded.
    """
    with contextlib.suppress(ImportError, OSError):
        importlib.import_module(_PIP_PACKAGE)
    try:
        return str(ctypes.CDLL(_LIBRARY).getInferLibVersion())
    except (OSError, AttributeError) as error:
        cuda = str(getattr(onnxruntime, "cuda_version", "")).partition(".")[0]
        raise BackendUnavailableError(
            f"onnxruntime on cuda (provider tensorrt) needs TensorRT 10, {one_line(error)}: "
            f"pip install 'tensorrt{'-cu' + cuda if cuda else ''}==10.*', or -o provider=cuda"
        ) from error


def tensorrt_options(
    device_id: int, precision: Precision, *, workspace_mb: int, engines: Path | None
) -> dict[str, str]:
    """Of https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html.

    Args:
        device_id: which GPU.
        precision: fp32 unless a switch allows another; TensorRT then takes the faster of both.
        workspace_mb: the most that one layer may take, in MiB; 0 leaves it to the provider.
        engines: where to keep them; ``None`` builds them anew.
    """
    options = {"device_id": str(device_id), "trt_fp16_enable": "0", "trt_int8_enable": "0"}
    if precision in _SWITCHES:
        options[_SWITCHES[precision]] = "1"  # bf16 only here: older versions don't know it
    if workspace_mb:
        options["trt_max_workspace_size"] = str(workspace_mb << 20)
    if engines is not None:
        options |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(engines),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(engines),
        }
    return options


def check_environment(environ: Mapping[str, str]) -> None:
    """Refuse variables that would change what was asked for.

    Raises:
        UsageError: there is one.
    """
    for name in environ:
        if name.startswith(_ENVIRONMENT):
            raise UsageError(f"{name} would override the -o options of provider tensorrt: unset it")


@contextlib.contextmanager
def engines_locked(folder: Path | None) -> Iterator[None]:
    """Make the folder, and keep other processes from building into it meanwhile.

    Raises:
        OutputError: the cache can't be written.
    """
    if folder is None:
        yield
        return
    with locked(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise not_writable(folder, error) from error
        yield
