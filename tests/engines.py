"""Engines built in a process of their own, as one process can hold only one of the libraries."""

import sys
import types
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from conftest import skip_or_fail

from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.runners.runner_options import Precision, ranges_for
from paddleport.runners.tensorrt.engine_build import Engine, EngineSettings, build_engine
from paddleport.runners.tensorrt.library import TENSORRT, TENSORRT_RTX
from paddleport.tensors import ShapeRange
from paddleport.worker import run_in_worker

L4 = ((8, 9),)
TIMEOUT_S = 120.0


def need_rtx() -> None:
    """Skip, or fail in CI, where TensorRT-RTX is not installed."""
    try:
        version(TENSORRT_RTX.distributions[0])
    except PackageNotFoundError:
        skip_or_fail("tensorrt-rtx", f"not installed: {TENSORRT_RTX.install}")


def wanted_for(
    onnx: Path,
    precision: Precision = "fp32",
    *,
    ranges: Mapping[str, ShapeRange] | None = None,
    tf32: bool = False,
    capabilities: tuple[tuple[int, int], ...] = L4,
    workspace_mb: int = 0,
) -> EngineSettings:
    """An engine with the default ranges."""
    inputs, _ = onnx_tensors(onnx)
    return EngineSettings(
        precision=precision,
        ranges=ranges_for(inputs, ranges or {}, "tensorrt-rtx"),
        tf32=tf32,
        capabilities=capabilities,
        workspace_mb=workspace_mb,
    )


def rtx_engine(onnx: Path, wanted: EngineSettings) -> Engine:
    """Build with TensorRT-RTX, which needs no GPU for it."""
    need_rtx()
    return run_in_worker(build_engine, TIMEOUT_S, TENSORRT_RTX, onnx, wanted)


def trt_engine(onnx: Path, wanted: EngineSettings, timing_cache: bytes = b"") -> Engine:
    """Build by the path of TensorRT, with TensorRT-RTX in the place of its library.

    TensorRT can't be installed from the ordinary package index. Its sister has the same API, as
    far as engines are built, so our calls and Polygraphy's are answered by real objects.
    """
    need_rtx()
    return run_in_worker(_build_by_its_sister, TIMEOUT_S, onnx, wanted, timing_cache)


def _build_by_its_sister(onnx: Path, wanted: EngineSettings, timing_cache: bytes) -> Engine:
    import tensorrt_rtx

    posed = types.ModuleType("tensorrt")
    posed.__dict__.update({**tensorrt_rtx.__dict__, "__name__": "tensorrt"})
    posed.__version__ = "10.13.0"  # type: ignore[attr-defined]  # what Polygraphy asks for
    sys.modules["tensorrt"] = posed
    return build_engine(TENSORRT, onnx, wanted, timing_cache)
