"""What the protocol tells of a server and its models."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from paddleport.serve.hosting.model_host import ModelHost
from paddleport.serve.open_inference.datatypes import datatype_of
from paddleport.tensors import TensorSpec

VERSION = "1"
"""Every model's one version."""
EXTENSIONS = ("binary_tensor_data", "classification", "model_repository")


def server_metadata() -> dict[str, Any]:
    """Name, version and extensions."""
    return {
        "name": "paddleport",
        "version": version("paddleport"),
        "extensions": list(EXTENSIONS),
    }


def model_metadata(host: ModelHost) -> dict[str, Any]:
    """Name, platform, inputs and outputs; -1 is a free dimension."""
    return {
        "name": host.name,
        "versions": [VERSION],
        "platform": f"{host.spec.model.format}_{host.spec.backend}",
        "inputs": _tensors(host.inputs),
        "outputs": _tensors(host.outputs),
    }


def _tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "datatype": datatype_of(spec.dtype),
            "shape": [-1 if size is None else size for size in spec.shape],
        }
        for spec in specs
    ]
