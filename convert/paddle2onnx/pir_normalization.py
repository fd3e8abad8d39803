"""The program in the one form that Paddle2ONNX reads right, whichever Paddle saved it."""

import json
import re
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle.pir import downgrade_document, downgrade_pir

DEFAULTS = "attributes that Paddle added since are given their defaults"
_PARAMETER_OPERATORS = ("builtin.parameter", "pd_op.data")
_MISSING = re.compile(r"attributes\.at\(.(\w+).\)|Type of attribute: (\w+) is not")


def normalize_program(model: Artifact, folder: Path) -> tuple[Artifact, tuple[str, ...]]:
    """Make a PIR program of format version 3, with its parameters beside it, in ``folder``.

    A .pdmodel is translated by the installed Paddle, as Paddle2ONNX would do it, and keeps the
    names of its outputs; a .json of Paddle >= 3.3 gets its floats back. The files are
    ``model.json`` and ``model.pdiparams``; what needs no change is linked.

    Returns:
        The program, and a sentence on what an old one lacked.

    Raises:
        ModelFileError: the program is neither, or Paddle can't translate it.
    """
    program, params = folder / "model.json", folder / "model.pdiparams"
    if model.encoding == "protobuf":
        lacked = _translate(model, folder)
        document = json.loads(program.read_bytes())
        downgrade_document(document)
        _name_outputs(document, [item.name for item in read_program(model.path).outputs])
        program.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
        translated = paddle_artifact(program, params if params.is_file() else None, "pir")
        return translated, (f"{DEFAULTS}: {', '.join(lacked)}",) if lacked else ()
    if not downgrade_pir(model.path, program):
        program.symlink_to(model.path.resolve())
    if model.weights_file is None:
        return paddle_artifact(program, None, "pir"), ()
    params.symlink_to(model.weights_file.resolve())
    return paddle_artifact(program, params, "pir"), ()


def _translate(model: Artifact, folder: Path) -> list[str]:
    """Let Paddle turn an old program into PIR, in a scope of its own; what the program lacked."""
    import paddle

    old = folder / "old"
    (folder / "old.pdmodel").symlink_to(model.path.resolve())
    if model.weights_file is not None:
        (folder / "old.pdiparams").symlink_to(model.weights_file.resolve())
    scope = paddle.static.Scope()
    executor = paddle.static.Executor(paddle.CPUPlace())
    try:
        with paddle.static.scope_guard(scope):
            with paddle.pir_utils.OldIrGuard():
                if model.weights_file is None:
                    content = (folder / "old.pdmodel").read_bytes()
                    loaded = paddle.static.deserialize_program(content)
                else:
                    loaded, _, _ = paddle.static.load_inference_model(str(old), executor)
            program, lacked = _in_pir(loaded)
            _take_parameters(program, scope, executor)
            _save(program, folder / "model", executor)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, SystemError) as error:
        raise ModelFileError(
            f"Paddle {paddle.__version__} can't translate {model.path}: {_reason(error)}"
        ) from error
    return lacked


def _in_pir(loaded: Any) -> tuple[Any, list[str]]:
    """An old program in PIR, and which attributes it lacked: ``round decimals``."""
    import paddle

    try:
        return paddle.pir.translate_to_pir(loaded.desc), []
    except ValueError:
        lacked = _add_defaults(loaded)
        if not lacked:
            raise
    return paddle.pir.translate_to_pir(loaded.desc), lacked


def _add_defaults(loaded: Any) -> list[str]:
    """Give operators the attributes that they lack, as Paddle's own definitions have them."""
    from paddle.base.framework import OpProtoHolder

    definitions: Any = OpProtoHolder
    lacked: dict[str, None] = {}
    for block in loaded.blocks:
        for operator in block.ops:
            if not definitions.instance().has_op_proto(operator.type):
                continue
            own = set(operator.desc.attr_names())
            operator.desc.check_attrs()
            proto = definitions.instance().get_op_proto(operator.type)
            meant = {item.name for item in proto.attrs if not (item.extra or item.generated)}
            added = meant & set(operator.desc.attr_names()) - own
            lacked |= dict.fromkeys(f"{operator.type} {name}" for name in sorted(added))
    return list(lacked)


def _reason(error: Exception) -> str:
    missing = _MISSING.search(str(error))
    if missing:
        return (
            f"an operator lacks the attribute {missing[1] or missing[2]}, for which Paddle has "
            "no default: save it again with Paddle 3"
        )
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "Error:" in line), lines[-1] if lines else "")


def _take_parameters(program: Any, scope: Any, executor: Any) -> None:
    import paddle

    parameters = [
        value
        for value in program.list_vars()
        if value.persistable and value.get_defining_op().name() in _PARAMETER_OPERATORS
    ]
    if parameters:
        paddle.base.libpaddle.pir.create_loaded_parameter(
            parameters, scope, executor._default_executor
        )


def _save(program: Any, prefix: Path, executor: Any) -> None:
    import paddle

    operations = program.global_block().ops
    feeds = [op.result(0) for op in operations if op.name() in ("pd_op.data", "pd_op.feed")]
    ends = [op for op in operations if op.name() == "pd_op.fetch"]
    ends.sort(key=lambda op: op.attrs()["col"])
    fetches = [source for op in ends for source in op.operands_source()]
    with paddle.pir_utils.IrGuard():
        paddle.static.save_inference_model(str(prefix), feeds, fetches, executor, program=program)


def _name_outputs(document: dict[str, Any], names: list[str]) -> None:
    """Give the outputs, which Paddle numbers when it saves, the names of the old program."""
    for block in document["program"]["regions"][0]["blocks"]:
        for op in block["ops"]:
            if op["#"].rpartition(".")[2] != "fetch":
                continue
            attributes = {item["N"]: item["AT"] for item in op["A"]}
            attributes["name"]["D"] = names[attributes["col"]["D"]]
