"""What a report says of the model, the machine and the versions."""

import math
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_opset
from paddleport.models.resolve import SourceModel
from paddleport.models.zoo.published_figures import published_gflop

_PACKAGES = (
    "paddleport",
    "paddlepaddle",
    "paddle2onnx",
    "onnx",
    "onnxslim",
    "onnxruntime",
    "openvino",
    "ncnn",
    "MNN",
    "numpy",
    "opencv-python-headless",
    "pillow",
)


def describe_model(source: SourceModel, onnx: Artifact) -> dict[str, Any]:
    """Title, weights, formats, hashes and sizes, in the report's order."""
    parameters = sum(math.prod(spec.shape) for spec in source.program.parameters.values())
    opset = onnx_opset(onnx.path)
    title = [source.name, f"opset {opset}", f"weights {source.weights_title}"]
    title.append(_parameters(parameters))
    if source.card is not None:
        gflop = published_gflop(source.card.published)
        title.append(f"{'–' if gflop is None else f'{gflop:.4g}'} GFLOP")
    return {
        "title": " · ".join(title),
        "name": source.name,
        "weights": source.weights,
        "weights from": source.weights_from,
        "paddle format": f"{source.model.encoding} version {source.program.version}",
        "paddle sha256": source.sha256,
        "onnx file": onnx.path.name,
        "onnx sha256": sha256([onnx.path]),
        "onnx bytes": onnx.path.stat().st_size,
        "opset": opset,
        "mends": ", ".join(onnx.provenance.get("mends", [])) or "none",
    }


def _parameters(count: int) -> str:
    if count >= 1e6:
        return f"{count / 1e6:.1f} M parameters"
    return f"{count / 1e3:.1f} k parameters" if count >= 1e3 else f"{count} parameters"


def describe_environment() -> dict[str, Any]:
    """The machine and the versions of everything that takes part."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "packages": versions,
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({len(names)} CPUs)" if names else platform.machine()
