"""The program in the one form that Paddle2ONNX reads right, whichever Paddle saved it."""

from pathlib import Path
from typing import Any

from paddleport.models.card import PaddleModel
from paddleport.models.pir import downgrade_pir


def normalize_program(model: PaddleModel, folder: Path) -> PaddleModel:
    """Make a PIR program of format version 3, with its parameters beside it, in ``folder``.

    A .pdmodel is translated by the installed Paddle, as Paddle2ONNX would do it; a .json of
    Paddle >= 3.3 gets its floats back. The files are ``model.json`` and ``model.pdiparams``;
    what needs no change is linked.

    Raises:
        ModelFileError: the program is neither.
    """
    program = folder / "model.json"
    if model.format == "protobuf":
        translated = _translate(model, folder)
        if downgrade_pir(translated.program, program):
            translated.program.unlink()
        else:
            translated.program.rename(program)
        return PaddleModel(program, translated.params, "pir")
    if not downgrade_pir(model.program, program):
        program.symlink_to(model.program.resolve())
    params = folder / "model.pdiparams"
    if model.params is None:
        return PaddleModel(program, None, "pir")
    params.symlink_to(model.params.resolve())
    return PaddleModel(program, params, "pir")


def _translate(model: PaddleModel, folder: Path) -> PaddleModel:
    """Let Paddle turn an old program into PIR, in a scope of its own."""
    import paddle

    old = folder / "old"
    (folder / "old.pdmodel").symlink_to(model.program.resolve())
    if model.params is not None:
        (folder / "old.pdiparams").symlink_to(model.params.resolve())
    scope = paddle.static.Scope()
    executor = paddle.static.Executor(paddle.CPUPlace())
    with paddle.static.scope_guard(scope):
        with paddle.pir_utils.OldIrGuard():
            if model.params is None:
                loaded = paddle.static.deserialize_program((folder / "old.pdmodel").read_bytes())
            else:
                loaded, _, _ = paddle.static.load_inference_model(str(old), executor)
        program = paddle.pir.translate_to_pir(loaded.desc)
        _take_parameters(program, scope, executor)
        operations = program.global_block().ops
        feeds = [op.result(0) for op in operations if op.name() in ("pd_op.data", "pd_op.feed")]
        fetches = [
            source
            for op in operations
            if op.name() in ("pd_op.fetch", "builtin.shadow_output")
            for source in op.operands_source()
        ]
        with paddle.pir_utils.IrGuard():
            paddle.static.save_inference_model(
                str(folder / "translated"), feeds, fetches, executor, program=program
            )
    params = folder / "translated.pdiparams"
    return PaddleModel(folder / "translated.json", params if params.is_file() else None, "pir")


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


_PARAMETER_OPERATORS = ("builtin.parameter", "pd_op.data")
