"""``convert --to tnn``: TNN's own converter, called by the command that the user has it under."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from paddleport.convert.targets import MadeFile, Target, TargetOptions
from paddleport.errors import BackendUnavailableError, ConversionError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.tensors import Feed, ShapeRange

VARIABLE = "TNN_CONVERTER"
_HOW = (
    "TNN has no package: build its tools/convert2tnn, or docker pull turandotkay/tnn-convert, and "
    f"say how its converter is called, such as {VARIABLE}='python3 /opt/TNN/tools/convert2tnn/"
    "converter.py'"
)


class TnnTarget(Target):
    """A .tnnproto and its .tnnmodel, in fp32 and for one shape; nothing here runs them."""

    name: ClassVar[str] = "tnn"
    format: ClassVar[str] = "tnn"
    suffix: ClassVar[str] = ".tnnproto"
    fixed_suffix: ClassVar[bool] = True
    choices: ClassVar[tuple[str, ...]] = ("shapes",)

    @classmethod
    def check_here(cls, options: TargetOptions) -> None:
        """The converter's command: asked for before anything is converted."""
        _command()

    @classmethod
    def runs_here(cls, options: TargetOptions) -> str:
        """Nothing does: TNN's runtime has no package for Python."""
        return "TNN runs on the device: hold its answers there against native Paddle's"

    def check(self, model: Artifact, options: TargetOptions) -> TargetOptions:
        """A shape for every input: what was asked for, else the model's own with a batch of 1."""
        shapes = dict(options.shapes)
        for spec in onnx_tensors(model.path)[0]:
            own = tuple(1 if size is None else size for size in spec.shape)
            shapes.setdefault(spec.name, ShapeRange.only(own))
        return replace(options, shapes=shapes)

    def make(
        self, model: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Call the converter on a copy of the ONNX file, and take the two files that it writes."""
        inputs, _ = onnx_tensors(model.path)
        sizes = {spec.name: options.shapes[spec.name].opt for spec in inputs}
        with tempfile.TemporaryDirectory(prefix="tnn-", dir=path.parent) as name:
            folder = Path(name)
            shutil.copyfile(model.path, folder / "model.onnx")
            _call(folder, [f"{key}:{','.join(map(str, shape))}" for key, shape in sizes.items()])
            files = (path, path.with_suffix(".tnnmodel"))
            for file in files:
                shutil.move(_only(folder, file.suffix), file)
        fixed = tuple(replace(spec, shape=tuple(sizes[spec.name])) for spec in inputs)
        return MadeFile(
            files=files,
            tools={"TNN's converter": shlex.join(_command())},
            settings={"optimize": True, "half": False, "shapes": sizes},
            inputs=fixed,
        )


def _command() -> list[str]:
    """How the converter is called.

    Raises:
        BackendUnavailableError: nobody says.
    """
    command = shlex.split(os.environ.get(VARIABLE, ""))
    if not command:
        raise BackendUnavailableError(_HOW)
    if shutil.which(command[0]) is None:
        raise BackendUnavailableError(f"{VARIABLE} begins with {command[0]}, which is no command")
    return command


def _call(folder: Path, shapes: Sequence[str]) -> None:
    words = ["onnx2tnn", str(folder / "model.onnx"), "-optimize", "-v", "v1.0", "-o", str(folder)]
    done = subprocess.run(
        [*_command(), *words, "-in", *shapes],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()[-1]
        raise ConversionError(f"TNN's converter ends with exit code {done.returncode}: {last}")


def _only(folder: Path, suffix: str) -> Path:
    found = list(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        raise ConversionError(f"TNN's converter has written {len(found)} {suffix} files, not one")
    return found[0]
