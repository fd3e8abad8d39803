"""ONNX Runtime that reports a GPU and computes on the CPU, to test all but the kernels."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from paddleport.runners.gpu import Gpu
from paddleport.runners.onnxruntime import providers as ort_providers

L4 = Gpu(index=0, name="NVIDIA L4", compute_capability=(8, 9), memory_bytes=24_000_000_000)
CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"


@dataclass
class SimulatedOrtGpu:
    """What a test sets, and what it looks at afterwards.

    Attributes:
        starts: whether the first provider is in the session, or left out without an error.
        took: options that the session reports instead of those it was given.
        nodes: how many nodes each provider has; ``None`` is a version that does not report it.
        given: the providers and options of the last session.
        moved: what went to which device: ``in`` or the output's name, device, number.
    """

    starts: bool = True
    took: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, int] | None = None
    given: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    moved: list[tuple[str, str, int]] = field(default_factory=list)


def simulate_ort_gpu(monkeypatch: pytest.MonkeyPatch, **how: Any) -> SimulatedOrtGpu:
    """Put the simulating module in ONNX Runtime's place, and a GPU into the machine."""
    real = pytest.importorskip("onnxruntime")
    state = SimulatedOrtGpu(**how)
    module = ModuleType("onnxruntime")
    vars(module).update(vars(real))

    def to_device(array: Any, device: str, number: int) -> Any:
        state.moved.append(("in", device, number))
        return real.OrtValue.ortvalue_from_numpy(array, "cpu", 0)

    module.get_available_providers = lambda: [TENSORRT, CUDA, "CPUExecutionProvider"]  # type: ignore[attr-defined]
    module.InferenceSession = lambda *a, **k: _Session(real, state, *a, **k)  # type: ignore[attr-defined]
    module.OrtValue = SimpleNamespace(ortvalue_from_numpy=to_device)  # type: ignore[attr-defined]
    module.preload_dlls = lambda: print("not found")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    monkeypatch.setattr(ort_providers, "need_gpu", lambda who, number=0: L4)
    monkeypatch.setattr(ort_providers, "_missing_library", lambda library: "")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "")  # put back after the test, whatever it sets
    return state


class _Session:
    def __init__(
        self,
        real: Any,
        state: SimulatedOrtGpu,
        path: str,
        settings: Any,
        *,
        providers: Iterable[tuple[str, dict[str, str]]],
        enable_fallback: int,
    ) -> None:
        assert not enable_fallback
        self._real = real.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        self._state = state
        state.given = list(providers)
        if state.nodes is not None:
            self.get_provider_graph_assignment_info = lambda: [
                SimpleNamespace(ep_name=name, get_nodes=lambda count=count: [None] * count)
                for name, count in (state.nodes or {}).items()
            ]

    def get_providers(self) -> list[str]:
        names = [name for name, _ in self._state.given] if self._state.starts else []
        return [*names, "CPUExecutionProvider"]

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        return {name: {**options, **self._state.took} for name, options in self._state.given}

    def io_binding(self) -> "_Bound":
        return _Bound(self._real.io_binding(), self._state)

    def run_with_iobinding(self, bound: "_Bound") -> None:
        self._real.run_with_iobinding(bound.real)

    def run(self, *_: Any) -> Any:
        raise AssertionError("copies that nobody sees")

    def __getattr__(self, name: str) -> Any:
        if name in ("get_provider_graph_assignment_info", "_real"):
            raise AttributeError(name)
        return getattr(self._real, name)


class _Bound:
    def __init__(self, real: Any, state: SimulatedOrtGpu) -> None:
        self.real, self._state = real, state

    def bind_output(self, name: str, device: str, number: int) -> None:
        self._state.moved.append((name, device, number))
        self.real.bind_output(name, "cpu", 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
