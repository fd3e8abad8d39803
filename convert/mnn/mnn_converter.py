"""MNN's own converter, each of its settings said, its failures as one line."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from paddleport.errors import BackendUnavailableError, ConversionError, WorkerCrashed
from paddleport.worker import run_in_worker

INSTALL = "MNN is not installed: pip install 'paddleport[mnn]'"
SETTINGS: Mapping[str, str] = {
    "bizCode": "paddleport",
    "keepInputFormat": "1",  # pictures stay [N, C, H, W], not blocks of four channels
    "optimizeLevel": "1",  # 2 is "normally right but some case may be wrong"
    "optimizePrefer": "0",
    "weightQuantBits": "0",
    "alignDenormalizedValue": "0",  # 1, its default, sets the smallest weights to zero
    "useGeluApproximation": "0",  # 1, its default, computes GELU by a polynomial
    "convertMatmulToConv": "0",  # 1, its default, now and then writes other weights: a race
    "transformerFuseC4": "0",
}
_TIMEOUT_S = 1800
_LOG_TIME = re.compile(r"^\[\d\d:\d\d:\d\d\] \S*:\d+: ")
_NO_REASON = ("Start to ", "Converted Failed", "The device supports", "inputTensors", "MNN use ")


def convert_by_mnn(
    onnx: Path, path: Path, settings: Mapping[str, str] = SETTINGS, flags: Sequence[str] = ()
) -> None:
    """Write an ONNX file as an .mnn; in a process of its own, since the converter may crash.

    Args:
        onnx: the file to read.
        path: the file to write.
        settings: each of those in ``SETTINGS``.
        flags: settings without a value, such as ``fp16``.

    Raises:
        BackendUnavailableError: MNN is not installed.
        ConversionError: MNN does not convert the model; names the operator where MNN does.
    """
    try:
        run_in_worker(_convert, _TIMEOUT_S, onnx, path, dict(settings), list(flags))
    except WorkerCrashed as error:
        raise ConversionError(
            f"MNN's converter does not survive this model: it ended with {error.reason}"
        ) from error


def _convert(onnx: Path, path: Path, settings: Mapping[str, str], flags: Sequence[str]) -> None:
    # With "=", always: of "--keepInputFormat 1" the converter takes the name alone, and turns it
    # off. A flag is on by being there, so those that are not wanted can only be left out.
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    arguments += [f"--{flag}" for flag in flags]
    files = ["--modelFile", str(onnx), "--MNNModel", str(path)]
    with _printed() as log:
        # Not the wheel's commands, and not MNN.tools: those install packages and report home.
        try:
            import _tools
        except ModuleNotFoundError:
            raise BackendUnavailableError(INSTALL) from None
        done = _tools.mnnconvert(["mnnconvert", "-f", "ONNX", *files, *arguments])
    if not done or not path.is_file():
        raise ConversionError(f"MNN does not convert this model: {_reason(log)}")


@contextmanager
def _printed() -> Iterator[list[str]]:
    """Lines that are printed inside, by C++ too; only for a process with nothing else to print."""
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
    told = [_LOG_TIME.sub("", line).strip() for line in log]
    telling = [line for line in told if line and not line.startswith(_NO_REASON)]
    wanted = [line for line in telling if "not support" in line.lower() or "failed" in line]
    return "; ".join(dict.fromkeys(wanted[-2:] or telling[-2:])) or "it does not say why"
