"""Why TensorRT's ONNX parser refuses a graph: which nodes, and in what words."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.runners.tensorrt.library import Loaded

_MOST = 3  # refused nodes in one line
_SAYS_NOTHING = ("", "false")  # the parser's description, where a check of it has none


@dataclass(frozen=True)
class Refusal:
    """One node that the parser does not take.

    Attributes:
        node: its name; empty where it has none, or the graph as a whole is refused.
        operator: its operator.
        reason: the parser's words.
    """

    node: str
    operator: str
    reason: str

    def __str__(self) -> str:
        if not self.operator:
            return self.reason
        return f"node '{self.node}' ({self.operator}): {self.reason}"


def refusals(loaded: Loaded, onnx: Path | bytes) -> tuple[Refusal, ...]:
    """Parse once more with the library's own parser, which keeps its errors."""
    builder, network = loaded.loaders.CreateNetwork(strongly_typed=loaded.strongly_typed)()
    parser = loaded.trt.OnnxParser(network, loaded.loaders.get_trt_logger())
    if isinstance(onnx, bytes):
        parser.parse(onnx)
    else:
        parser.parse_from_file(str(onnx))
    found = tuple(_refusal(parser.get_error(index)) for index in range(parser.num_errors))
    del parser, network, builder  # in this order: each needs the next
    return found


def why_refused(loaded: Loaded, onnx: Path | bytes) -> str:
    """The first refusals in one line; empty where the parser has none."""
    found = list(dict.fromkeys(str(item) for item in refusals(loaded, onnx)))
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(found[:_MOST]) + more


def _refusal(error: Any) -> Refusal:
    said = " ".join(error.desc().split())
    code = error.code().name
    words = f"{code.lower().replace('_', ' ')}, by its parser"
    reason = words if said.lower() in _SAYS_NOTHING else f"{said} ({code})"
    return Refusal(error.node_name(), error.node_operator(), reason)
