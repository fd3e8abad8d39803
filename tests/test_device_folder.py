"""A device folder from the command to the answers, its programs without paddleport."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import skip_or_fail

from paddleport.convert.device.device_files import write_device_folder
from paddleport.convert.device.device_request import DeviceRequest
from paddleport.errors import NotProvenError, OutputError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import resolve
from paddleport.runners import names
from paddleport.validate.device.answer_check import AnswerCheck
from paddleport.validate.device.folder import read_folder
from paddleport.validate.device.returned_answers import read_answers

_WITHOUT_PADDLEPORT = """
import runpy, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "paddleport":
            raise ImportError(name)
sys.meta_path.insert(0, Block())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_BACKENDS = {"onnx": "onnxruntime", "ncnn": "ncnn", "mnn": "mnn"}


def on_a_device(folder: Path, answers: Path) -> None:
    """Run the folder's program as it stands, in a process that can't import paddleport."""
    words = [sys.executable, "-c", _WITHOUT_PADDLEPORT, str(folder / "run_feeds.py"), str(answers)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd="/")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("target", list(_BACKENDS))
def test_a_folder_goes_to_a_device_and_its_answers_come_back(
    small_pir: Artifact, tmp_path: Path, target: str
) -> None:
    if _BACKENDS[target] not in names():
        skip_or_fail(_BACKENDS[target], "no such backend")
    source = resolve(small_pir.path.parent)
    folder = tmp_path / "small.device"
    written = write_device_folder(source, folder, DeviceRequest(to=target, asked="small"))
    assert {item.verdict for item in written.manifest.here} == {"agrees"}
    assert written.manifest.files.keys() | {"manifest.json"} == {
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
    }
    given = read_folder(folder)
    on_a_device(folder, tmp_path / "answers.npz")
    check = AnswerCheck(folder=given, answers=read_answers(tmp_path / "answers.npz", given))
    assert check.report().verdict == "agrees"
    for number, feed in enumerate(given.feeds):
        (item,) = written.manifest.inputs
        raw = np.fromfile(folder / "feeds" / f"{item.file_name}.{number}.bin", "<f4")
        assert np.array_equal(raw, feed.tensors[item.paddle_name].reshape(-1))
    with pytest.raises(OutputError, match="is there already"):
        write_device_folder(source, folder, DeviceRequest(to=target, asked="small"))


@pytest.mark.slow
def test_the_command_finds_the_model_again(small_pir: Artifact, tmp_path: Path) -> None:
    """Float64 then divides a fault of the device from the others'."""
    model, folder = small_pir.path.parent, tmp_path / "small.device"

    def run(*words: object) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "paddleport", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout + done.stderr

    code, text = run("device-folder", model, "--to", "onnx", "-o", folder)
    assert code == 0, text
    with np.load(folder / "expected.npz") as found:
        wrong = {name: tensor * np.float32(1.5) for name, tensor in found.items()}
    np.savez(tmp_path / "wrong.npz", allow_pickle=False, **wrong)
    code, text = run("check-answers", folder, tmp_path / "wrong.npz", "--json")
    row = json.loads(text)["rows"][1]
    assert (code, row["verdict"], row["cause"]) == (1, "differs", "runtime")
    assert "from float64" in row["explanation"]
    assert not any("looked into without float64" in note for note in row["notes"])
    code, text = run("check-answers", folder, tmp_path / "wrong.npz", "--model", "AlexNet")
    assert code == 2, text


def test_what_can_not_be_is_refused_before_anything_is_made(
    small_pir: Artifact, tmp_path: Path
) -> None:
    source = resolve(small_pir.path.parent)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(OutputError, match="is there already"):
        write_device_folder(source, tmp_path / "full", DeviceRequest(to="onnx", asked="small"))
    with pytest.raises(UsageError, match="unknown target 'ncn'"):
        write_device_folder(source, tmp_path / "new", DeviceRequest(to="ncn", asked="small"))
    assert [item.name for item in tmp_path.iterdir()] == ["full"]


@pytest.mark.slow
def test_feeds_that_would_prove_nothing_are_refused(small_pir: Artifact, tmp_path: Path) -> None:
    source = resolve(small_pir.path.parent)
    dead = [{"x": np.full((1, 3, 9, 9), value, np.float32)} for value in (1.0, 1.0)]
    request = DeviceRequest(to="onnx", asked="small", feed=dead)
    with pytest.raises(NotProvenError):
        write_device_folder(source, tmp_path / "new", request)
    one = DeviceRequest(to="onnx", asked="small", feed=dead[:1])
    with pytest.raises((UsageError, NotProvenError)):
        write_device_folder(source, tmp_path / "new", one)
    assert not list(tmp_path.iterdir())
