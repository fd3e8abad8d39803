"""The program in the one form that Paddle2ONNX reads right, whichever Paddle saved it."""

import json
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle.pir import downgrade_document, downgrade_pir

_PARAMETER_OPERATORS = ("builtin.parameter", "pd_op.data")


def normalize_program(model: Artifact, folder: Path) -> Artifact:
    """Make a PIR program of format version 3, with its parameters beside it, in ``folder``.

    A .pdmodel is translated by the installed Paddle, as Paddle2ONNX would do it, and keeps the
    names of its outputs; a .json of Paddle >= 3.3 gets its floats back. The files are
    ``model.json`` and ``model.pdiparams``; what needs no change is linked.

    Raises:
        ModelFileError: the program is neither, or Paddle can't translate it.
    """
    program, params = folder / "model.json", folder / "model.pdiparams"
    if model.encoding == "protobuf":
        _translate(model, folder)
        document = json.loads(program.read_bytes())
        downgrade_document(document)
        _name_outputs(document, [item.name for item in read_program(model.path).outputs])
        program.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
        return paddle_artifact(program, params if params.is_file() else None, "pir")
    if not downgrade_pir(model.path, program):
        program.symlink_to(model.path.resolve())
    if model.weights_file is None:
        return paddle_artifact(program, None, "pir")
    params.symlink_to(model.weights_file.resolve())
    return paddle_artifact(program, params, "pir")


def _translate(model: Artifact, folder: Path) -> None:
    """Let Paddle turn an old program into PIR, in a scope of its own."""
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
            program = paddle.pir.translate_to_pir(loaded.desc)
            _take_parameters(program, scope, executor)
            _save(program, folder / "model", executor)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = next((line for line in lines if "Error:" in line), lines[-1] if lines else "")
        raise ModelFileError(
            f"Paddle {paddle.__version__} can't translate {model.path}: {reason}"
        ) from error


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
