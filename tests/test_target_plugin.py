"""A format of somebody else's: a target and a runner in two files, and no change elsewhere."""

import json
from pathlib import Path

import plugin
import pytest
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.convert import convert
from paddleport.models.artifact import Artifact
from paddleport.models.recognize import format_of, read_artifact
from paddleport.models.resolve import resolve

__all__ = ["cache", "paddleport"]
FORMAT = Path(__file__).parent / "npz_format"


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("site")
    groups = {
        "paddleport.targets": {"npz": "npz_target:NpzTarget"},
        "paddleport.runners": {"npz": "npz_runner:NpzRunner"},
    }
    plugin.register(folder, monkeypatch, "npz_format", groups)
    monkeypatch.syspath_prepend(str(FORMAT))
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{FORMAT}")


def test_a_file_is_checked_by_its_runner_and_says_how_it_was_made(
    small_pir: Artifact, tmp_path: Path
) -> None:
    done = convert(resolve(small_pir.path), tmp_path / "small.npz", to="npz")
    assert (done.verdict, done.target, done.explanation) == ("agrees", "npz", "")
    assert all(item.sensitivity is not None for item in done.comparisons)
    again = read_artifact(tmp_path / "small.npz")
    assert (format_of(tmp_path / "small.npz"), again) == ("npz", done.artifact)
    steps = [item["step"] for item in again.provenance["steps"]]
    assert steps == ["Paddle2ONNX", "simplifier", "npz"]
    assert again.provenance["steps"][-1]["input_sha256"] == done.onnx_sha256


@pytest.mark.parametrize("fault", ["conversion", "runtime"])
def test_a_faulty_one_gets_no_name(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("NPZ_FAULT", fault)
    done = convert(resolve(small_pir.path), tmp_path / "small.npz", to="npz")
    assert (done.verdict, done.path) == ("differs", None)
    assert "to npz at opset 17 differs from native Paddle" in done.explanation
    assert not list(tmp_path.glob("small*"))


def test_convert_as_typed(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    folder = small_pir.path.parent
    done = paddleport("convert", folder, "--to", "npz", "--json")
    assert done.code == 0, done.err
    reported = json.loads(done.out)
    assert reported["verdict"] == "agrees"
    assert json.loads((tmp_path / f"{folder.name}.npz.json").read_text()) == reported
    one_line_error(
        paddleport("convert", folder, "--to", "npz", "--precision", "fp16"),
        "no file holds fp16 as npz: --precision fp32",
    )
    one_line_error(paddleport("convert", folder, "--to", "npy"), "Did you mean 'npz'")
