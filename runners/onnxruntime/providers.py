"""Which of ONNX Runtime's execution providers runs, with which options, and whether it does."""

import contextlib
import ctypes
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from paddleport.errors import BackendUnavailableError, UsageError, unknown_name
from paddleport.runners.gpu import Gpu, need_gpu
from paddleport.runners.runner_options import Precision
from paddleport.runners.vendor_message import one_line

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
"""All of them install the same module, so that only one can be there."""

GPU_LIBRARIES = "pip install 'onnxruntime-gpu[cuda,cudnn]'"
WHERE_NODES_RUN = "session.record_ep_graph_assignment_info"  # a session's setting, since 1.24
_TF32 = "NVIDIA_TF32_OVERRIDE"  # the libraries' own switch; TensorRT's provider has none (#26029)
_TELLING = ("device_id", "use_tf32", "trt_fp16_enable", "trt_bf16_enable", "trt_int8_enable")


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One execution provider.

    Attributes:
        name: what ``-o provider=`` takes.
        vendor_name: ONNX Runtime's own.
        device: where it computes.
        package: the one that is built with it.
        takes: those of the ``-o`` options that not every provider takes.
    """

    name: str
    vendor_name: str
    device: str
    package: str
    takes: tuple[str, ...] = ()


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider(
            name="cpu",
            vendor_name="CPUExecutionProvider",
            device="cpu",
            package="onnxruntime",
            takes=("streams", "cache"),
        ),
        Provider(
            name="openvino",
            vendor_name="OpenVINOExecutionProvider",
            device="cpu",
            package="onnxruntime-openvino",
        ),
        Provider(
            name="cuda",
            vendor_name="CUDAExecutionProvider",
            device="cuda",
            package="onnxruntime-gpu",
            takes=("device_id", "tf32"),
        ),
        Provider(
            name="tensorrt",
            vendor_name="TensorrtExecutionProvider",
            device="cuda",
            package="onnxruntime-gpu",
            takes=("device_id", "fp16", "tf32", "engine_cache", "workspace_mb"),
        ),
    )
}


def device_of(name: str, asked: str | None) -> str:
    """The device of the provider ``name``, or the one asked for where no provider is named.

    Raises:
        UsageError: no such provider, or it computes on another device.
    """
    if not name:
        return asked or "cpu"
    if name not in PROVIDERS:
        raise UsageError(unknown_name("onnxruntime provider", name, PROVIDERS))
    device = PROVIDERS[name].device
    if asked not in (None, device):
        raise UsageError(
            f"-o provider={name} computes on {device}, not on {asked}: --device {device}, or "
            f"another provider"
        )
    return device


def check_taken(provider: Provider, given: Iterable[str]) -> None:
    """Refuse an option of another provider.

    Raises:
        UsageError: one that this provider would ignore.
    """
    for key in given:
        takers = [other.name for other in PROVIDERS.values() if key in other.takes]
        if takers and provider.name not in takers:
            raise UsageError(
                f"-o {key} is of provider {' and '.join(takers)}, and this is provider "
                f"{provider.name}: add -o provider={takers[0]}, or leave it out"
            )


def check_available(
    provider: Provider, built_in: Iterable[str], device_id: int, otherwise: str
) -> Gpu | None:
    """The GPU of a provider that needs one, before a session fails its own way, or not at all.

    ``otherwise`` is what to type to do without this provider.

    Raises:
        BackendUnavailableError: another build of ONNX Runtime is installed, or there is no GPU.
    """
    if provider.vendor_name not in built_in:
        installed = [name for name in PACKAGES if _is_installed(name)]
        raise BackendUnavailableError(
            f"onnxruntime on {provider.device} needs {provider.vendor_name}, this build has "
            f"{', '.join(built_in)}: pip uninstall -y {' '.join(installed)} && pip install "
            f"{provider.package} (only one of them can be installed), or {otherwise}"
        )
    if provider.device != "cuda":
        return None
    return need_gpu(f"onnxruntime on cuda (provider {provider.name})", device_id)


def load_gpu_libraries(onnxruntime: Any, provider: Provider) -> None:
    """Load CUDA's and cuDNN's libraries from their pip packages, and see that none is missing.

    Raises:
        BackendUnavailableError: with the loader's word on the first that is.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
        getattr(onnxruntime, "preload_dlls", lambda: None)()  # since 1.21
    for name in dict.fromkeys(("cuda", provider.name)):
        library = Path(onnxruntime.__file__).parent / f"capi/libonnxruntime_providers_{name}.so"
        if reason := _missing_library(library):
            raise BackendUnavailableError(
                f"onnxruntime on cuda (provider {provider.name}) does not start, "
                f"{reason}: {GPU_LIBRARIES}, in the versions that it was built for"
            )


def _missing_library(library: Path) -> str:
    if not library.is_file():
        return ""  # another system's name for it: the session will tell
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        # the other failure is a symbol of ONNX Runtime's own, which it resolves itself
        return one_line(error) if "cannot open shared object" in str(error) else ""
    return ""


def settle_tf32(*, wanted: bool) -> None:
    """Keep TF32 off in the GPU's libraries unless it is wanted; before they are loaded.

    Raises:
        UsageError: it is wanted, and the environment forbids it.
    """
    if not wanted:
        os.environ[_TF32] = "0"
    elif os.environ.get(_TF32) == "0":
        raise UsageError(f"-o tf32 can't be while {_TF32}=0 is set: unset it, or leave tf32 out")


def cuda_options(device_id: int, *, tf32: bool) -> dict[str, str]:
    """Of https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html."""
    return {"device_id": str(device_id), "use_tf32": str(int(tf32))}


def openvino_options(threads: int) -> dict[str, str]:
    """On a CPU, in fp32, which alone does not depend on the CPU (1.24 offers ACCURACY too)."""
    return {"device_type": "CPU", "precision": "FP32", "num_of_threads": str(threads)}


def check_session(session: Any, provider: Provider, options: Mapping[str, str]) -> None:
    """Hold what a session took against what it was given.

    A provider that does not start is left out of the session without an error.

    Raises:
        BackendUnavailableError: another provider comes first, or has other options.
    """
    taken = list(session.get_providers())
    if taken[:1] != [provider.vendor_name]:
        raise BackendUnavailableError(
            f"onnxruntime was asked for {provider.vendor_name} and took {', '.join(taken)}, "
            f"because the provider does not start: paddleport doctor may tell why"
        )
    told = session.get_provider_options().get(provider.vendor_name, {})
    for key in _TELLING:
        if key in options and key in told and _plain(told[key]) != _plain(options[key]):
            raise BackendUnavailableError(
                f"onnxruntime was asked for {key}={options[key]} and took {key}={told[key]}: "
                "another version may do as it is told"
            )


def nodes_elsewhere(session: Any, provider: Provider) -> str:
    """How many nodes other providers of the same session compute; empty if none.

    Raises:
        BackendUnavailableError: all of them, so that the result would bear a wrong name.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return "which nodes its CPU provider computes is not known: onnxruntime 1.24 or newer tells"
    counts: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counts[part.ep_name] += len(part.get_nodes())
    own = counts.pop(provider.vendor_name, 0)
    if counts and not own:
        raise BackendUnavailableError(
            f"onnxruntime's provider {provider.name} takes none of this model's "
            f"{counts.total()} nodes, {_listed(counts)}: ask for that provider"
        )
    return f"of {own + counts.total()} nodes {_listed(counts)}" if counts else ""


def precision_of(provider: Provider, held: Precision, *, fp16: bool) -> Precision:
    """What a provider computes in with a file of ``held`` weights."""
    if provider.name == "openvino":
        return "int8" if held == "int8" else "fp32"
    return "fp16" if fp16 and held == "fp32" else held


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} run in {name}" for name, number in sorted(counts.items()))


def _plain(value: object) -> str:
    text = str(value).lower()
    return {"true": "1", "false": "0"}.get(text, text)


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
