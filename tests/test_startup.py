"""What ``paddleport run`` of an .onnx file does not import: each was once a share of a start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import typer.rich_utils as rich_utils
from onnx import TensorProto, helper
from typer.testing import CliRunner

from paddleport.cli import COMMANDS, build_app
from paddleport.models.onnx.onnx_file import write_metadata
from paddleport.models.preprocess import Preprocess

NOT_NEEDED = {
    *("httpx", "yaml", "onnx", "matplotlib", "filelock", "hashlib", "tarfile"),
    *(
        "numpy.random",
        "rich.console",
        "paddleport.models.resolve",
        "paddleport.models.zoo.registry",
    ),
    *("paddleport.cli.validate", "paddleport.models.synthetic.duck"),
    *("paddleport.convert.artifact_cache", "paddleport.validate.compare.tolerance"),
}
RUN = """
import json, sys
import typer
bare = typer.Typer()
@bare.command()
def nothing(number: int = 0) -> None: pass
bare([], standalone_mode=False)
by_typer = set(sys.modules)  # from 0.29 on, much
from paddleport.cli import build_app
build_app(["run"])(sys.argv[1:], standalone_mode=False)
print(json.dumps(sorted(set(sys.modules) - by_typer)))
"""


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """The mean of each channel of an 8x8 picture."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["m"]),
            helper.make_node("Flatten", ["m"], ["y"]),
        ],
        "means",
        [value("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [value("y", TensorProto.FLOAT, ["N", 3])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    rules = Preprocess(resize_short=8, crop=(8, 8))
    write_metadata(proto, preprocess=rules, labels=None, provenance={})
    onnx.save(proto, str(tmp_path / "means.onnx"))
    return tmp_path / "means.onnx"


@pytest.mark.parametrize("start", ["cold", "warm"])
def test_run_imports_what_a_file_needs(classifier: Path, tmp_path: Path, start: str) -> None:
    picture = tmp_path / "blue.png"
    cv2.imwrite(str(picture), np.full((20, 30, 3), (255, 0, 0), np.uint8))
    environ = os.environ | {
        "PADDLEPORT_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-c", RUN, "run", str(classifier), str(picture)]
    for _ in range(2 if start == "warm" else 1):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == 0, done.stderr
    shown, _, modules = done.stdout.rpartition("\n[")
    assert shown.splitlines()[2].split()[1] == "2", "blue is the last of RGB"
    assert not NOT_NEEDED & set(json.loads(f"[{modules}"))


@pytest.mark.parametrize("command", [*COMMANDS, ""])
def test_help_is_whole_in_80_columns(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of options must not be cut, nor whatever else is to be typed."""
    monkeypatch.setattr(rich_utils, "MAX_WIDTH", 80)
    monkeypatch.setenv("COLUMNS", "80")
    app = build_app([command] if command else tuple(COMMANDS))
    shown = CliRunner().invoke(app, [*filter(None, [command]), "--help"]).output
    assert "--help" in shown
    assert "…" not in shown
    if command == "convert":
        assert {"onnx,", "openvino,", "ncnn,", "mnn,", "paddle-lite"} <= set(shown.split())
    assert max(map(len, shown.splitlines())) <= 80
