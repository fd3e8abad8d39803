"""The example of a target outside the tree, with a stand-in for TNN's converter."""

import json
import sys
from configparser import ConfigParser
from pathlib import Path

import plugin
import pytest
from lite_interpreters import script
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.models.artifact import Artifact
from paddleport.models.recognize import read_artifact

__all__ = ["cache", "paddleport"]
EXAMPLE = Path(__file__).parent.parent / "examples" / "tnn_target"
_STAND_IN = """#!{python} -I
# This is a stand-in for TNN's converter: it checks what it is told and writes two files.
import sys
from configparser import ConfigParser
from pathlib import Path
kind, model, *words = sys.argv[1:]
assert kind == "onnx2tnn" and Path(model).stat().st_size, sys.argv
assert words[:4] == ["-optimize", "-v", "v1.0", "-o"] and words[5] == "-in", words
assert not {fails}, "this stand-in was told to fail"
folder = Path(words[4])
(folder / "model.opt.tnnproto").write_text("this is a stand-in for TNN's converter: " + words[6])
(folder / "model.opt.tnnmodel").write_bytes(b"stand-in")
"""


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("site")
    project = ConfigParser()  # of TOML's forms the file has none that this does not read
    project.read(EXAMPLE / "pyproject.toml")
    group = project['project.entry-points."paddleport.targets"']
    entries = {"paddleport.targets": {name: text.strip('"') for name, text in group.items()}}
    plugin.register(folder, monkeypatch, "paddleport_tnn_target", entries)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{EXAMPLE}")


def converter(folder: Path, *, fails: bool = False) -> str:
    return str(script(folder / "converter", _STAND_IN.format(python=sys.executable, fails=fails)))


def test_a_file_of_the_stand_in(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    words = ("convert", small_pir.path.parent, "--to", "tnn", "-o", "small.tnnproto")
    done = paddleport(*words, TNN_CONVERTER=converter(tmp_path))
    assert done.code == 0, done.err
    assert "not run here" in done.out
    path = tmp_path / "small.tnnproto"
    assert path.read_text() == "this is a stand-in for TNN's converter: x:1,3,9,9"
    assert path.with_suffix(".tnnmodel").is_file()
    made = read_artifact(path)
    assert [item["step"] for item in made.provenance["steps"]][-1] == "tnn"
    assert made.inputs[0].shape == (1, 3, 9, 9)
    assert json.loads((tmp_path / "small.tnnproto.json").read_text())["verdict"] == "not run"


def test_refusals(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    words = ("convert", small_pir.path.parent, "--to", "tnn")
    one_line_error(paddleport(*words), "TNN has no package")
    one_line_error(paddleport(*words, TNN_CONVERTER="no-such-command x"), "which is no command")
    failing = converter(tmp_path, fails=True)
    one_line_error(paddleport(*words, TNN_CONVERTER=failing), "this stand-in was told to fail")
    assert not list(tmp_path.glob("*.tnn*"))
