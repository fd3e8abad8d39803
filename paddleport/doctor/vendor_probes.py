"""What a child process asks of the vendors: each function imports what may crash it."""

import contextlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from paddleport.telemetry import openvino_telemetry_hidden


@dataclass(frozen=True)
class ModuleProbe:
    """A module that could be imported.

    Attributes:
        version: as the module reports it; empty if it does not.
        lacks: why it is of no use all the same; empty if it is.
        facts: what else it reports, for people and scripts.
    """

    version: str
    lacks: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def probe_module(module: str, attribute: str) -> ModuleProbe:
    """Import one vendor's module; for a child process only.

    Raises:
        Exception: whatever the import raises.
    """
    with openvino_telemetry_hidden():
        return _probed(module, attribute)


def _probed(module: str, attribute: str) -> ModuleProbe:
    vendor = importlib.import_module(module)
    if getattr(vendor, "__file__", None) is None:
        return ModuleProbe("", lacks="only an empty folder is left of it")
    version = str(getattr(vendor, "__version__", ""))
    if attribute:
        with contextlib.suppress(ModuleNotFoundError):  # a submodule counts as well
            importlib.import_module(f"{module}.{attribute}")
        if not hasattr(vendor, attribute):
            return ModuleProbe(
                version, lacks=f"it has no {attribute}, so it is another, or half of it"
            )
    facts = {}
    with contextlib.suppress(Exception):  # a later version may have renamed what is asked
        facts = _FACTS[module](vendor) if module in _FACTS else {}
    return ModuleProbe(version, facts=facts)


def probe_driver() -> Mapping[str, Any]:
    """The NVIDIA driver and its GPUs, as ``runners.gpu`` finds them."""
    from paddleport.runners.gpu import find_driver, format_capability

    driver = find_driver()
    gpus = [
        {
            "index": gpu.index,
            "name": gpu.name,
            "compute_capability": format_capability(gpu.compute_capability),
            "memory_bytes": gpu.memory_bytes,
        }
        for gpu in driver.gpus
    ]
    return {
        "version": driver.version,
        "cuda": driver.cuda,
        "gpus": gpus,
        "missing": f"{driver.missing}; {driver.advice}" if driver.missing else "",
    }


def probe_pnnx() -> Mapping[str, Any]:
    """The converter of ncnn, whose wheel is fetched once: its version, and whether it is there.

    Raises:
        BackendUnavailableError: there is none for this machine.
    """
    from paddleport.convert.ncnn.pnnx_binary import pnnx_wheel

    wheel = pnnx_wheel()
    return {"version": wheel.version, "is_there": wheel.is_there, "command": wheel.command}


def probe_backend(name: str) -> str:
    """Import a backend's runner; gives what to type if its vendor is missing, else nothing.

    Raises:
        BackendUnavailableError: as ``runner_class`` says.
        Exception: whatever its module raises.
    """
    from paddleport.runners import installed_version, runner_class

    runner = runner_class(name)
    return "" if installed_version(runner) else runner.how_to_install()


def _paddle(paddle: ModuleType) -> dict[str, Any]:
    inference = importlib.import_module("paddle.inference")
    built = importlib.import_module("paddle.version")
    with_cuda = paddle.is_compiled_with_cuda()
    tensorrt = inference.get_trt_compile_version()
    return {
        "compiled_with_cuda": str(built.cuda()) if with_cuda else "",
        "compiled_with_cudnn": str(built.cudnn()) if with_cuda else "",
        "compiled_with_tensorrt": ".".join(map(str, tensorrt)) if any(tensorrt) else "",
    }


def _onnxruntime(onnxruntime: ModuleType) -> dict[str, Any]:
    return {"providers": list(onnxruntime.get_available_providers())}


def _openvino(openvino: ModuleType) -> dict[str, Any]:
    return {"devices": list(openvino.Core().available_devices)}


_FACTS: Mapping[str, Callable[[ModuleType], dict[str, Any]]] = {
    "paddle": _paddle,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
