"""How a file was made: nothing in it differs between two runs of the same command."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paddleport.models.resolve import SourceModel

_TOOLS = ("paddleport", "paddle2onnx", "paddlepaddle", "onnx", "onnxslim")


def provenance(
    source: "SourceModel", opset: int, mends: tuple[str, ...], *, embedded: bool = False
) -> dict[str, Any]:
    """What an ONNX file carries about its making."""
    return {
        "command": f"paddleport convert {source.name} --opset {opset}"
        + ("" if source.weights == "own" else f" --weights {source.weights}")
        + (" --embed-preprocess" if embedded else ""),
        "source": {
            "name": source.name,
            "format": source.model.format,
            "format_version": source.program.version,
            "sha256": source.sha256,
            "weights": source.weights,
            "weights_from": source.weights_from,
        },
        "opset": opset,
        "mends": list(mends),
        **({"embedded_preprocess": True} if embedded else {}),
        "tools": tool_versions(),
    }


def tool_versions() -> dict[str, str]:
    """The versions of everything that has a say in a conversion's bytes."""
    return {tool: version(tool) for tool in _TOOLS}
