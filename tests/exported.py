"""Both halves of an export in one process, for tests that look at the graph before onnxslim."""

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from paddleport.convert.paddle2onnx.export import export_raw, fixed_graph
from paddleport.files import write_atomically
from paddleport.models.artifact import Artifact


@dataclass(frozen=True)
class ExportResult:
    """A conversion with its fixups.

    Attributes:
        path: the file, not simplified and not checked.
        opset: what it was written for, read back.
        fixups: what was rewritten because Paddle2ONNX would have got it wrong, a sentence each.
        normalized: the program was rewritten before Paddle2ONNX read it.
    """

    path: Path
    opset: int
    fixups: tuple[str, ...]
    normalized: bool


def export_onnx(
    model: Artifact,
    onnx_file: Path,
    *,
    opset: int,
    allow_upgrade: bool = False,
    without: Collection[str] = (),
) -> ExportResult:
    """Convert ``model`` and write Paddle2ONNX's graph with its fixups to ``onnx_file``.

    Args:
        model: either format, under any file names.
        onnx_file: where to write.
        opset: 7 to 21.
        allow_upgrade: take a higher opset where an operator needs one.
        without: sentences of fixups and refusals to leave out, for the tests that show the need.

    Raises:
        ConversionError: an operator that Paddle2ONNX lacks or gets wrong, or a higher opset
            is needed.
    """
    with tempfile.TemporaryDirectory(dir=onnx_file.parent) as folder:
        raw = export_raw(
            model, Path(folder), opset=opset, allow_upgrade=allow_upgrade, without=without
        )
        proto, fixups = fixed_graph(raw, without=without)
    write_atomically(onnx_file, proto.SerializeToString(deterministic=True))
    return ExportResult(onnx_file, raw.opset, fixups, raw.normalized)
