"""Paddle2ONNX without its traps; runs inside a worker, which it may kill."""

import json
import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from paddleport.convert.mends import mend_program
from paddleport.convert.mends.declared_shapes import settle_shapes
from paddleport.convert.mends.graph import mend_graph
from paddleport.convert.mends.recipes import replace_stand_ins
from paddleport.convert.normalize import normalize_program
from paddleport.convert.operators import refuse_unknown_operators
from paddleport.errors import ConversionError, WorkerCrashed
from paddleport.models.card import PaddleModel
from paddleport.models.program import read_program

_REASON = re.compile(r"\[(?:ERROR|Paddle2ONNX)\](?:\[Paddle2ONNX\])?\s*(.+)")
_STARTED = re.compile(r"Start export pd_op\.(\w+)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class ExportResult:
    """What Paddle2ONNX wrote.

    Attributes:
        path: the file, not simplified and not checked.
        opset: what it was written for, read back.
        mends: what was rewritten because Paddle2ONNX would have got it wrong, a sentence each.
        normalized: the program was rewritten before Paddle2ONNX read it.
    """

    path: Path
    opset: int
    mends: tuple[str, ...]
    normalized: bool


def export_onnx(
    model: PaddleModel,
    onnx_file: Path,
    *,
    opset: int,
    allow_upgrade: bool = False,
    without: Collection[str] = (),
) -> ExportResult:
    """Convert ``model`` and write the graph as Paddle2ONNX made it, mended, to ``onnx_file``.

    Args:
        model: either format, under any file names.
        onnx_file: where to write.
        opset: 7 to 21.
        allow_upgrade: take a higher opset where an operator needs one.
        without: sentences of mends and refusals to leave out, for the tests that show the need.

    Raises:
        ConversionError: an operator that Paddle2ONNX lacks or gets wrong, or a higher opset
            is needed.
    """
    import onnx

    with tempfile.TemporaryDirectory(dir=onnx_file.parent) as folder:
        normal = normalize_program(model, Path(folder))
        normalized = not normal.program.is_symlink()
        document = json.loads(normal.program.read_bytes())
        program_mends, recipes = mend_program(document, opset, without=without)
        if program_mends:
            normal.program.unlink()
            normal.program.write_text(json.dumps(document), encoding="utf-8")
        refuse_unknown_operators(read_program(normal.program).operators)
        content = _paddle2onnx(normal, opset)
    proto = onnx.load_model_from_string(content)
    produced = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    if produced != opset and not allow_upgrade:
        raise ConversionError(
            f"opset {opset} is too low: the lowest that can express this model is {produced}. "
            f"Try: --opset {produced}, or --allow-upgrade"
        )
    replace_stand_ins(proto, recipes, produced)
    shape_mends = settle_shapes(document, proto, without=without)
    mends = (*program_mends, *shape_mends, *mend_graph(proto, document, without=without))
    onnx_file.write_bytes(proto.SerializeToString(deterministic=True))
    return ExportResult(onnx_file, produced, mends, normalized)


def explain_crash(error: WorkerCrashed) -> ConversionError:
    """One line for a Paddle2ONNX that aborted, exited or hung: the reason that it printed."""
    printed = [_COLOUR.sub("", line).strip() for line in error.log.splitlines()]
    reasons = [found.group(1) for line in printed if (found := _REASON.search(line))]
    named = [reason for reason in reasons if reason.startswith("[OP: ")]
    reason = (named or reasons or ["it printed no reason"])[-1]
    reason = reason.rstrip(".")
    started = _STARTED.findall(error.log)
    if started and "pd_op." not in reason:
        reason += f" (at the operator {started[-1]})"
    return ConversionError(f"Paddle2ONNX ended with {error.reason}: {reason}")


def _paddle2onnx(model: PaddleModel, opset: int) -> bytes:
    """Paddle2ONNX's C++ function itself, as its Python wrapper swallows errors.

    Its optimiser and its checker are off: both are done better after the mends.
    """
    import paddle  # noqa: F401  # loads the libraries that Paddle2ONNX links to
    import paddle2onnx.paddle2onnx_cpp2py_export as paddle2onnx

    try:
        content: bytes = paddle2onnx.export(
            str(model.program),
            str(model.params or ""),
            opset,
            True,  # upgrade the opset; the one produced is read back
            True,  # verbose: a crash leaves its reason in the log
            False,  # checker
            True,  # experimental operators
            False,  # optimiser
            {},
            "onnxruntime",
            "",
            "",
            False,  # float16
        )
    except Exception as error:  # whatever Paddle's C++ throws
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = next((line for line in lines if "Error:" in line), lines[-1] if lines else "")
        raise ConversionError(f"Paddle2ONNX failed: {reason}") from error
    if not content:
        raise ConversionError("Paddle2ONNX wrote nothing and gave no reason")
    return content
