"""Every example runs as it stands."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from paddleport.models.artifact import Artifact
from paddleport.models.synthetic.samples import draw_picture

EXAMPLES = Path(__file__).parent.parent / "examples"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def ran(folder: Path, name: str, *words: object) -> str:
    environment = {**os.environ, "PADDLEPORT_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pictures(folder: Path, count: int) -> list[Path]:
    files = [folder / f"{index}.png" for index in range(count)]
    for index, file in enumerate(files):
        cv2.imwrite(str(file), draw_picture(index, (120, 160)))
    return files


def test_classify_pictures(tmp_path: Path) -> None:
    files = pictures(tmp_path, 2)
    printed = ran(tmp_path, "classify_pictures.py", *files)
    assert "MobileNetV2.onnx: agrees with native Paddle" in printed
    assert all(str(file) in printed for file in files)


def test_parity_gate(tmp_path: Path, small_pir: Artifact) -> None:
    printed = ran(tmp_path, "parity_gate.py", small_pir.path.parent, tmp_path / "report")
    assert "onnxruntime      agrees" in printed
    assert (tmp_path / "report" / "parity.html").is_file()


def test_accuracy_gate(tmp_path: Path) -> None:
    """On the digits and the checkpoint that the pages show."""
    ran(tmp_path, "../docs/digits.py", tmp_path)
    words = ("MobileNetV2_x0_25", tmp_path / "digits", tmp_path / "out", "digits.pdparams")
    printed = ran(tmp_path, "accuracy_gate.py", *words)
    assert "onnxruntime fp32   passed     top-1 95" in printed
    assert (tmp_path / "out" / "evaluate.html").is_file()


def test_predictor_in_workers(tmp_path: Path) -> None:
    pictures(tmp_path, 3)
    lines = ran(tmp_path, "predictor_in_workers.py", tmp_path).splitlines()
    assert [line.split(":")[0] for line in lines] == ["0.png", "1.png", "2.png"]


def test_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(EXAMPLES / "parity.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "text/markdown" in shown and "onnxruntime" in shown
