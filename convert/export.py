"""Paddle2ONNX, in a worker. TEMPORARY by the lead: helper ops replaces this."""

from dataclasses import dataclass
from pathlib import Path

from paddleport.errors import ConversionError, WorkerCrashed
from paddleport.models.card import PaddleModel


@dataclass(frozen=True)
class ExportResult:
    path: Path
    opset: int
    mends: tuple[str, ...]


def export_onnx(
    model: PaddleModel, onnx_file: Path, *, opset: int, allow_upgrade: bool = False
) -> ExportResult:
    import paddle  # noqa
    import paddle2onnx.paddle2onnx_cpp2py_export as c

    data = c.export(
        str(model.program),
        str(model.params or ""),
        opset,
        allow_upgrade,
        False,
        True,
        True,
        True,
        {},
        "onnxruntime",
        "",
        "",
        False,
    )
    onnx_file.write_bytes(data)
    return ExportResult(onnx_file, opset, ())


def explain_crash(error: WorkerCrashed) -> ConversionError:
    return ConversionError(str(error))
