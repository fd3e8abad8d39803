"""MNN's file, written by MNN's own converter out of an ONNX file."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar

from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import BackendUnavailableError, ConversionError
from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Feed

_INSTALL = "MNN is not installed: pip install 'paddleport[mnn]'"

# With "=", always: of "--keepInputFormat 1" the converter takes the name alone, which turns it
# off, and then inputs lie in blocks of four channels.
_SETTINGS = {
    "bizCode": "paddleport",
    "keepInputFormat": "1",
    "optimizeLevel": "1",  # 2 is "normally right but some case may be wrong"
    "optimizePrefer": "0",
    "weightQuantBits": "0",
    "alignDenormalizedValue": "0",  # 1, its default, sets the smallest weights to zero
    "useGeluApproximation": "0",  # 1, its default, computes GELU by a polynomial
    "convertMatmulToConv": "1",
    "transformerFuseC4": "0",
}


class MnnTarget(Target):
    """An .mnn of the converter in MNN's wheel.

    Not by the wheel's commands or ``MNN.tools``: those install packages and report to their maker.
    """

    name: ClassVar[str] = "mnn"
    format: ClassVar[str] = "mnn"
    suffix: ClassVar[str] = ".mnn"
    fixed_suffix: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32",)
    distributions: ClassVar[tuple[str, ...]] = ("MNN",)

    @classmethod
    def check_here(cls, options: TargetOptions) -> None:
        """MNN's wheel."""
        _version()

    def make(
        self, onnx: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        """Convert, and read back what the file takes and gives."""
        with _printed():  # what its CPU has
            import _tools
        files = ["--modelFile", str(onnx.path), "--MNNModel", str(path)]
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with _printed() as log:
            done = _tools.mnnconvert(["mnnconvert", "-f", "ONNX", *files, *settings])
        if not done or not path.is_file():
            raise ConversionError(f"MNN does not convert this model: {_reason(log)}")
        return MadeFile(files=(path,), tools={"MNN": _version()}, settings=dict(_SETTINGS))


@contextmanager
def _printed() -> Iterator[list[str]]:
    """Lines that are printed inside, by C++ too; only where no other thread prints."""
    lines: list[str] = []
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        before = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            yield lines
        finally:
            os.dup2(before, 1)
            os.close(before)
            file.seek(0)
            lines += file.read().decode(errors="replace").splitlines()


def _reason(log: Sequence[str]) -> str:
    return "; ".join(line.strip() for line in log[-3:] if line.strip()) or "it does not say why"


def _version() -> str:
    try:
        return version("MNN")
    except PackageNotFoundError:
        raise BackendUnavailableError(_INSTALL) from None
