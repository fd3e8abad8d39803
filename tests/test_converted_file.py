"""Options of a conversion beside a model that is converted already: never another one runs."""

from pathlib import Path

import pytest
from colour_pictures import draw_colours, save_classifier
from test_cli import Command, cache, one_line_error, paddleport

import paddleport as pp
from paddleport.convert.prepare import prepare_source
from paddleport.errors import UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_opset

__all__ = ["cache", "paddleport"]


def test_every_command_refuses_them(paddleport: Command, tmp_path: Path) -> None:
    file = save_classifier(tmp_path / "m.onnx", described=True).path
    draw_colours(tmp_path / "val", 12)
    commands: list[list[object]] = [
        ["run", file],
        ["serve", file, "--http-port", 0, "--grpc-port", 0],
        ["evaluate", file, "val", "--no-reference", "-b", "onnxruntime"],
    ]
    for command in commands:
        one_line_error(paddleport(*command, "--opset", 99), "--opset 99", f"{file} has opset")
        one_line_error(paddleport(*command, "--weights", "none.pdparams"), f"{file} has its own")
    assert paddleport("run", file, "--opset", onnx_opset(file)).code == 0


def test_python_does_so_too(
    small_onnx: Artifact, small_ncnn: Artifact, small_pir: Artifact
) -> None:
    for given in (small_onnx, small_onnx.path):
        with pytest.raises(UsageError, match=r"--opset 11 is of a conversion.* has opset"):
            pp.load(given, opset=11)
        pp.load(given, opset=onnx_opset(small_onnx.path))
    with pytest.raises(UsageError, match="is ncnn already: leave it out"):
        pp.load(small_ncnn.path, "ncnn", opset=11)
    with pytest.raises(UsageError, match="--opset 11 is of a conversion"):
        prepare_source(str(small_pir.path), onnx=small_onnx.path, opset=11)
