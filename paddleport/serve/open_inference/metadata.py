"""What the protocol tells of a server and its models."""

from collections.abc import Collection, Sequence
from importlib.metadata import version
from typing import Any

from paddleport.serve.hosting.host_registry import HostRegistry
from paddleport.serve.hosting.model_host import ModelHost
from paddleport.serve.open_inference.datatypes import ProtocolError, datatype_of
from paddleport.tensors import TensorSpec

VERSION = "1"
"""Every model's one version."""
READY = "READY"
"""The state of a model that answers, in the repository's index."""
EXTENSIONS = ("binary_tensor_data", "classification", "model_repository")


def server_metadata() -> dict[str, Any]:
    """Name, version and extensions."""
    return {
        "name": "paddleport",
        "version": version("paddleport"),
        "extensions": list(EXTENSIONS),
    }


def check_load_parameters(names: Collection[str]) -> None:
    """Refuse to load a model otherwise than it is there: no other configuration, no files.

    Raises:
        ProtocolError: a parameter asks for that.
    """
    if names:
        raise ProtocolError(
            f"a model is loaded as it lies there, and {min(names):.40} would change that: leave "
            "parameters out"
        )


def model_metadata(host: ModelHost) -> dict[str, Any]:
    """Name, platform, inputs and outputs; -1 is a free dimension."""
    return {
        "name": host.name,
        "versions": [VERSION],
        "platform": f"{host.spec.model.format}_{host.spec.backend}",
        "inputs": _tensors(host.inputs),
        "outputs": _tensors(host.outputs),
    }


def repository_index(registry: HostRegistry) -> list[dict[str, str]]:
    """Every model, loaded or not, with its state and why it is not ready."""
    states = {name: registry.host(name).state for name in registry.names}
    return [
        {
            "name": name,
            "version": VERSION,
            "state": READY if state.ready else "UNAVAILABLE",
            "reason": state.reason,
        }
        for name, state in states.items()
    ]


def why_not_ready(registry: HostRegistry) -> dict[str, str]:
    """Of the models that the server is not ready without, those that are not; empty if it is."""
    states = {name: registry.host(name).state for name in registry.required}
    return {name: state.reason for name, state in states.items() if not state.ready}


def _tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "datatype": datatype_of(spec.dtype),
            "shape": [-1 if size is None else size for size in spec.shape],
        }
        for spec in specs
    ]
