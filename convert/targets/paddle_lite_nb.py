"""Paddle Lite's .nb files, written by its optimiser in the interpreter that the user has it in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from paddleport.convert.paddle_lite.handed_program import handed_program, keep_handed_program
from paddleport.convert.paddle_lite.program_form import lite_form
from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import ConversionError, UsageError, unknown_name
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle_lite.nb_file import NbFile, clear_padding, read_nb
from paddleport.runners import open_runner
from paddleport.runners.paddle_lite.lite_interpreter import (
    VARIABLE,
    LiteInterpreter,
    device_here,
    lite_interpreter,
)
from paddleport.runners.piped_process import PipedDeath, PipedRefusal
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed, ShapeRange
from paddleport.validate.session import PLAIN_PADDLE

if TYPE_CHECKING:
    from paddleport.models.resolve import SourceModel

LITE_TARGETS = ("arm", "x86")
DEFAULT = "arm"
_FP16_TARGETS = ("opencl", "metal")
_LOWER = ("fp16", "int8", "int16")


class PaddleLiteTarget(Target):
    """An .nb for one kind of CPU, in fp32; Paddle Lite takes no ONNX file, so none is made."""

    name: ClassVar[str] = "paddle-lite"
    format: ClassVar[str] = "paddle-lite"
    made_of: ClassVar[Literal["onnx", "paddle"]] = "paddle"
    suffix: ClassVar[str] = ".nb"
    fixed_suffix: ClassVar[bool] = True
    choices: ClassVar[tuple[str, ...]] = ("lite_target", "lite_python")
    parts: ClassVar[tuple[str, ...]] = ("paddleport.convert.paddle_lite",)
    timeout_s: ClassVar[float] = 600.0

    @classmethod
    def file_name(cls, model: str, precision: Precision) -> str:
        """As for the default device."""
        return f"{model}.{DEFAULT}{cls.suffix}"

    @classmethod
    def file_name_with(cls, model: str, options: TargetOptions) -> str:
        """With the device, since a file for one does not run on another."""
        return f"{model}.{options.lite_target or DEFAULT}{cls.suffix}"

    @classmethod
    def check_options(cls, options: TargetOptions) -> None:
        """As every target's; devices that compute in fp16 are refused, and lower precisions."""
        if options.precision not in (None, "fp32"):
            raise UsageError(
                f"no file holds {options.precision} as {cls.name}: its optimiser's --quant_model "
                "and --enable_fp16 are not offered, since no gate could hold what they give to "
                "native Paddle; leave --precision out"
            )
        if options.lite_target in _FP16_TARGETS:
            raise UsageError(
                f"--lite-target {options.lite_target} computes in fp16, and files are made in fp32 "
                f"alone: --lite-target {' or '.join(LITE_TARGETS)}"
            )
        if options.lite_target and options.lite_target not in LITE_TARGETS:
            raise UsageError(unknown_name("Lite target", options.lite_target, LITE_TARGETS))
        super().check_options(options)

    @classmethod
    def check_here(cls, options: TargetOptions) -> None:
        """The interpreter that has Paddle Lite."""
        lite_interpreter(options.lite_python)

    @classmethod
    def program_for(cls, source: "SourceModel") -> Artifact:
        """A .pdmodel, the model's own or its network's."""
        from paddleport.convert.paddle_lite.protobuf_program import protobuf_program

        return protobuf_program(source)

    @classmethod
    def options_here(cls, shapes: Mapping[str, ShapeRange]) -> TargetOptions:
        """For this machine's CPU."""
        return TargetOptions(lite_target=device_here() or DEFAULT)

    @classmethod
    def runs_here(cls, options: TargetOptions) -> str:
        """Whether it is for another CPU."""
        wanted, here = options.lite_target or DEFAULT, device_here()
        if wanted == here:
            return ""
        return (
            f"it is for {wanted} and this machine is {here or 'of another kind'}; made with "
            f"--lite-target {here or 'x86'} the same program is compared with native Paddle here"
        )

    @classmethod
    def environ(cls, options: TargetOptions) -> Mapping[str, str]:
        """The interpreter, for the backend that checks the file."""
        return {VARIABLE: options.lite_python} if options.lite_python else {}

    @classmethod
    def tool_versions(cls, options: TargetOptions) -> dict[str, str]:
        """Of the interpreter and of what is in it."""
        return _tools(lite_interpreter(options.lite_python))

    def check(self, model: Artifact, options: TargetOptions) -> TargetOptions:
        """The device, where none was named."""
        return replace(options, lite_target=options.lite_target or DEFAULT)

    def make(
        self, model: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Put the program into Paddle Lite's form, and have it optimised."""
        interpreter = lite_interpreter(options.lite_python)
        form = lite_form(model.path.read_bytes())
        program = path.with_suffix(".pdmodel")
        program.write_bytes(form.content)
        try:
            optimiser = _optimised(interpreter, program, model, path, options.lite_target)
            clear_padding(path)
            file = _checked(read_nb(path), options.lite_target)
            keep_handed_program(path, program, model.weights_file)
            described = read_program(program)
        finally:
            program.unlink()
        outputs = zip(described.outputs, model.outputs, strict=True)
        return MadeFile(
            files=(path,),
            tools=_tools(interpreter),
            settings={"lite_target": options.lite_target, "fixups": list(form.fixups)},
            facts={
                "library": f"paddlelite {interpreter.version}",
                "optimiser": optimiser,
                "lite_target": options.lite_target,
                "operators": {"by_device": dict(file.devices), "by_type": dict(file.precisions)},
                "notes": list(form.fixups),
            },
            inputs=described.inputs,
            outputs=tuple(replace(own, name=ours.name) for own, ours in outputs),
        )

    def evaluate(self, artifact: Artifact, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """What the optimiser was handed, on native Paddle: nothing but Paddle Lite reads .nb.

        It tells a fault of the program's form from one of Paddle Lite, its optimiser included.
        """
        program, params = handed_program(artifact.path)
        found = []
        with open_runner("paddle", paddle_artifact(program, params, "protobuf"), PLAIN_PADDLE) as (
            runner
        ):
            for feed in feeds:
                names = [spec.name for spec in runner.inputs]
                outputs = runner.run(dict(zip(names, feed.values(), strict=True)))
                ours = (spec.name for spec in artifact.outputs)
                found.append(dict(zip(ours, outputs.values(), strict=True)))
        return found


def _optimised(
    interpreter: LiteInterpreter, program: Path, model: Artifact, path: Path, lite_target: str
) -> str:
    params = model.weights_file
    asked: dict[str, Any] = {
        "program": str(program.absolute()),
        "params": str(params.absolute()) if params else "",
        "out": str(path.absolute().with_suffix("")),
        "target": lite_target,
    }
    with interpreter.open() as process:
        try:
            answer, _ = process.ask("optimise", PaddleLiteTarget.timeout_s, **asked)
        except PipedRefusal as error:
            raise ConversionError(f"Paddle Lite does not take this program: {error}") from None
        except PipedDeath as error:
            raise ConversionError(
                f"Paddle Lite's optimiser ends on this program for {lite_target}: {error.said}"
            ) from None
    return str(answer["optimiser"])


def _checked(file: NbFile, lite_target: str) -> NbFile:
    """Refuse a file that is not what was asked for, by what its operators' kernels are."""
    lower = [name for name in _LOWER if file.precisions.get(name)]
    if lower or file.device not in (lite_target, "host"):
        raise ConversionError(
            f"Paddle Lite was asked for fp32 on {lite_target} and wrote kernels for "
            f"{', '.join(file.devices)} in {', '.join(file.precisions)}"
        )
    return file


def _tools(interpreter: LiteInterpreter) -> dict[str, str]:
    return {"paddlelite": interpreter.version, "lite python": interpreter.python_version}
