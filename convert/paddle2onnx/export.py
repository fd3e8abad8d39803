"""Paddle2ONNX without its traps; runs inside a worker, which it may kill."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.convert.paddle2onnx.fixed_sizes import fix_sizes
from paddleport.convert.paddle2onnx.fixups.declared_shapes import fix_shapes
from paddleport.convert.paddle2onnx.fixups.graph_fixups import fix_graph, write_replacements
from paddleport.convert.paddle2onnx.fixups.loop_bodies import fix_bodies
from paddleport.convert.paddle2onnx.fixups.program_fixups import fix_program
from paddleport.convert.paddle2onnx.pir_normalization import normalize_program
from paddleport.convert.paddle2onnx.supported import (
    refuse_quantised,
    refuse_quantised_to_integers,
    refuse_unknown_operators,
)
from paddleport.convert.paddle2onnx.weight_offload import (
    OffloadedWeight,
    offload_weights,
    restore_weights,
    why_not_restorable,
)
from paddleport.errors import (
    BackendUnavailableError,
    ConversionError,
    SettledConversionError,
    WorkerCrashed,
)
from paddleport.models import protobuf
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.import_paddle import import_paddle
from paddleport.models.paddle.paddle_program import read_program

if TYPE_CHECKING:
    import onnx

REDUCED_PARAMS = "reduced.pdiparams"
"""What Paddle2ONNX is given where weights are offloaded."""

_REASON = re.compile(r"\[ERROR\](?:\[Paddle2ONNX\])?\s*(.+)")
_STARTED = re.compile(r"Start export pd_op\.(\w+)")
_ABOUT_OPERATOR = re.compile(r"\[OP: pd_op\.(\w+)\] (.+)")
_UNWRITTEN_TYPE = "Unsupported data type exists in"
_ONE_SIZE_ONLY = "only support static input shape"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, kw_only=True)
class RawExport:
    """What Paddle2ONNX wrote, before the fixups of the graph.

    Attributes:
        path: the raw file.
        program: the program that Paddle2ONNX read, as JSON, beside it.
        asked: the opset that was asked for.
        opset: the opset that was written, read back.
        fixups: what was rewritten in the program, a sentence each.
        normalized: the program was rewritten before Paddle2ONNX read it.
        fixed: the shapes of inputs whose sizes were fixed in the program before.
        params: the parameters that the program goes with.
        offloaded: weights that the raw file holds no elements of.
        not_offloaded: why Paddle2ONNX got all of them after all, where it did.
    """

    path: Path
    program: Path
    asked: int
    opset: int
    fixups: tuple[str, ...]
    normalized: bool
    fixed: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    params: Path | None = None
    offloaded: tuple[OffloadedWeight, ...] = ()
    not_offloaded: str = ""


def export_raw(
    model: Artifact,
    folder: Path,
    *,
    opset: int,
    allow_upgrade: bool = False,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    fix_batch: bool = False,
    without: Collection[str] = (),
    not_offloaded: str = "",
) -> RawExport:
    """The half of an export that takes Paddle: everything up to Paddle2ONNX's own file.

    Args:
        model: either format, under any file names.
        folder: gets the file and the program that it was made from.
        opset: 7 to 21.
        allow_upgrade: take a higher opset where an operator needs one.
        shapes: what inputs are fixed to before the export, but for a batch that can stay free.
        fix_batch: fix the batch as well.
        without: sentences of fixups and refusals to leave out, for the tests that show the need.
        not_offloaded: why Paddle2ONNX is to be given every weight, if it is.

    Raises:
        ConversionError: an operator that Paddle2ONNX lacks or gets wrong, or a higher opset
            is needed.
    """
    refuse_quantised(read_program(model.path).operators)
    normal, lacked = normalize_program(model, folder)
    normalized = not normal.path.is_symlink()
    document = json.loads(normal.path.read_bytes())
    read, fixed = normal.path, {}
    if shapes:
        fixed = fix_sizes(document, normal, shapes, batch=fix_batch)
        read = _written(document, folder / "sized.json")
    refuse_quantised_to_integers(document)
    sentences, _ = fix_program(document, opset, without=without)
    program = _written(document, folder / "fixed.json") if sentences else read
    refuse_unknown_operators(read_program(program).operators)
    given = paddle_artifact(program, normal.weights_file, "pir")
    content, offloaded, not_offloaded = _converted(given, document, folder, opset, not_offloaded)
    produced = _opset(content)
    if produced != opset and not allow_upgrade:
        raise SettledConversionError(
            f"opset {opset} is too low: the lowest that can express this model is {produced}. "
            f"Try: --opset {produced}, or --allow-upgrade"
        )
    raw = folder / "raw.onnx"
    raw.write_bytes(content)
    return RawExport(
        path=raw,
        program=read,
        asked=opset,
        opset=produced,
        fixups=(*lacked, *sentences),
        normalized=normalized,
        fixed=fixed,
        params=normal.weights_file,
        offloaded=offloaded,
        not_offloaded=not_offloaded,
    )


def _written(document: dict[str, Any], path: Path) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _converted(
    model: Artifact, document: dict[str, Any], folder: Path, opset: int, not_offloaded: str
) -> tuple[bytes, tuple[OffloadedWeight, ...], str]:
    """Paddle2ONNX's file, without its large weights if it can do without, else with all."""
    if model.weights_file is None or not_offloaded:
        return _paddle2onnx(model, opset), (), not_offloaded
    reduced = folder / REDUCED_PARAMS
    offloaded = offload_weights(document, model.path, model.weights_file, reduced)
    if not offloaded:
        return _paddle2onnx(model, opset), (), ""
    try:
        content = _paddle2onnx(paddle_artifact(model.path, reduced, "pir"), opset)
        reason = why_not_restorable(content, offloaded)
    except ConversionError as error:
        reason = str(error)
    if reason:
        return _paddle2onnx(model, opset), (), reason
    return content, tuple(offloaded), ""


def fixed_graph(
    raw: RawExport, *, without: Collection[str] = ()
) -> tuple["onnx.ModelProto", tuple[str, ...]]:
    """The half of an export that takes onnx: the graph with everything fixed.

    Returns:
        The graph, in which offloaded weights refer to their file; and a sentence for
        each fixup of program and graph.

    Raises:
        ConversionError: a result's shape is not what the program declares.
    """
    import onnx

    proto = onnx.load_model_from_string(raw.path.read_bytes())
    if raw.params is not None and raw.offloaded:
        restore_weights(proto, raw.offloaded, raw.params)
    document = json.loads(raw.program.read_bytes())
    _, subgraphs = fix_program(document, raw.asked, without=without)  # as for Paddle2ONNX
    write_replacements(proto, subgraphs, raw.opset)
    shape_fixups = fix_shapes(document, proto, without=without)
    graph_fixups = fix_graph(proto, document, without=without)
    body_fixups = fix_bodies(proto, without=without)
    return proto, (*raw.fixups, *shape_fixups, *graph_fixups, *body_fixups)


def _opset(content: bytes) -> int:
    """The version of ONNX's own operators in a ModelProto, read without onnx."""
    # ModelProto: 8 opset_import. OperatorSetIdProto: 1 domain, 2 version.
    for item in protobuf.messages(memoryview(content), 8):
        if protobuf.text(item, 1) in ("", "ai.onnx"):
            return protobuf.integers(item, 2)[0]
    raise ConversionError("Paddle2ONNX wrote a file without an opset")


def explain_crash(error: WorkerCrashed) -> ConversionError:
    """One line for a Paddle2ONNX that aborted, exited or hung: the reason that it printed.

    What it says of an operator is a refusal, and no crash to whoever reads it.
    """
    printed = [_COLOUR.sub("", line).strip() for line in error.log.splitlines()]
    reasons = [found.group(1) for line in printed if (found := _REASON.search(line))]
    named = [reason for reason in reasons if reason.startswith("[OP: ")]
    reason = (named or reasons or ["it printed no reason"])[-1]
    reason = reason.rstrip(".")
    if _UNWRITTEN_TYPE in reason:
        return SettledConversionError(
            "Paddle2ONNX does not write a data type that this model computes in, such as int16 or "
            "an 8-bit float: save it again with others"
        )
    about = _ABOUT_OPERATOR.match(reason)
    if about:
        return ConversionError(
            f"Paddle2ONNX does not convert {_operator_and_reason(*about.groups())}"
        )
    started = _STARTED.findall(error.log)
    if started and "pd_op." not in reason:
        reason += f" (at the operator {started[-1]})"
    message = f"Paddle2ONNX ended with {error.reason}: {reason}"
    return SettledConversionError(message) if error.would_come_again else ConversionError(message)


def _operator_and_reason(operator: str, reason: str) -> str:
    if _ONE_SIZE_ONLY in reason.lower():
        adaptive = "adaptive " if reason.startswith("Adaptive") else ""
        return f"the {adaptive}operator {operator} where the size of its input is free"
    return f"the operator {operator} here: {reason}"


def _paddle2onnx(model: Artifact, opset: int) -> bytes:
    """Paddle2ONNX's C++ function itself, as its Python wrapper swallows errors.

    Its optimiser and its checker are off: both are done better after the fixups.
    """
    import_paddle()  # loads the libraries that Paddle2ONNX links to
    try:
        import paddle2onnx.paddle2onnx_cpp2py_export as paddle2onnx
    except ImportError as error:
        raise BackendUnavailableError(
            f"paddle2onnx cannot be imported ({error}): pip install 'paddleport[cpu]'"
        ) from error
    try:
        content: bytes = paddle2onnx.export(
            str(model.path),
            str(model.weights_file or ""),
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
