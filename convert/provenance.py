"""How a file was made: nothing in it differs between two runs of the same command."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paddleport.convert.paddle2onnx.export import RawExport
    from paddleport.models.resolve import SourceModel

_TOOLS = ("paddleport", "paddle2onnx", "paddlepaddle", "onnx", "onnxslim")


def provenance(
    source: "SourceModel", raw: "RawExport", mends: tuple[str, ...], *, embedded: bool = False
) -> dict[str, Any]:
    """What an ONNX file carries about its making.

    ``weights_kept_out`` counts those that did not pass through Paddle2ONNX; where it needed
    them, ``weights_not_kept_out`` says why.
    """
    return {
        "command": f"paddleport convert {source.name} --opset {raw.opset}"
        + ("" if source.weights == "own" else f" --weights {source.weights}")
        + (" --embed-preprocess" if embedded else ""),
        "source": {
            "name": source.name,
            "format": source.model.encoding,
            "format_version": source.program.version,
            "sha256": source.sha256,
            "weights": source.weights,
            "weights_from": source.weights_from,
        },
        "opset": raw.opset,
        "mends": list(mends),
        **({"embedded_preprocess": True} if embedded else {}),
        **({"weights_kept_out": len(raw.kept_out)} if raw.kept_out else {}),
        **({"weights_not_kept_out": raw.not_kept_out} if raw.not_kept_out else {}),
        "tools": tool_versions(),
    }


def tool_versions() -> dict[str, str]:
    """The versions of everything that has a say in a conversion's bytes."""
    return {tool: version(tool) for tool in _TOOLS}
