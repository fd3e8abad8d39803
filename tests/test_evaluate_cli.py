"""``paddleport evaluate`` as a user types it: what is refused, and passes that were interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from colour_pictures import counted, draw_colours, save_classifier
from plugin import install
from sklearn.metrics import accuracy_score
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.validate.evaluate.evaluation_state import STATE_FILE, SavedPass

pytestmark = pytest.mark.slow

__all__ = ["cache", "paddleport"]

PICTURES = 1000  # 16 chunks
SLOW = """
import time

from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner


class Slow(OnnxRuntimeRunner):
    name = "slow"

    def infer(self, feed):
        time.sleep(0.1)
        return super().infer(feed)
"""
# The command, with its state written after every chunk.
OFTEN = """
import sys
from paddleport.cli import main
from paddleport.validate.evaluate import evaluation_pass
evaluation_pass._SAVE_EVERY_S, evaluation_pass._SAVING_SHARE = 0.0, 1e9
sys.argv = ["paddleport", *{words!r}]
main()
"""
_PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``colours.onnx`` with its metadata, and pictures in ``val``."""
    folder = tmp_path_factory.mktemp("evaluate")
    save_classifier(folder / "colours.onnx", described=True)
    draw_colours(folder / "val", PICTURES)
    return folder


def words_for(folder: Path, *more: object) -> list[str]:
    given = ["evaluate", folder / "colours.onnx", folder / "val", "--no-reference"]
    return [str(word) for word in [*given, "-b", "onnxruntime", *more]]


def figures(file: Path) -> list[dict[str, Any]]:
    """The rows, without what they took."""
    rows = json.loads(file.read_text())["rows"]
    return [{**row, "pictures_per_second": None} for row in rows]


def test_it_counts_and_writes(paddleport: Command, folder: Path, tmp_path: Path) -> None:
    done = paddleport(*words_for(folder, "--out", "report"))
    assert done.code == 2, done.err  # there is nothing to hold it against
    assert "no native Paddle in this pass" in " ".join(done.out.split())
    labels, scores = counted(folder / "val")
    share = accuracy_score(labels, scores.argmax(axis=1))
    assert f"{100 * share:.2f}" in done.out
    report = json.loads((tmp_path / "report" / "evaluate.json").read_text())
    assert report["data"]["pictures"] == PICTURES
    assert report["rows"][0]["top1"]["share"] == pytest.approx(share)
    assert {file.name for file in (tmp_path / "report").iterdir()} == {
        "evaluate.html",
        "evaluate.json",
        "evaluate.md",
    }


def test_a_limit_and_json(paddleport: Command, folder: Path) -> None:
    done = paddleport(*words_for(folder, "--limit", 40, "--batch-size", 3, "--json"))
    assert json.loads(done.out)["data"]["pictures"] == 40


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("MODEL.onnx",), ("labelled pictures are missing", "DATA")),
        (("val",), ("paddleport evaluate MODEL val",)),
        (("MODEL.onnx", "val"), ("holds no Paddle program", "--onnx", "or --no-reference")),
        (("MODEL.onnx", "val", "--no-reference", "-b", "paddle"), ("there is only the ONNX file",)),
        (("MODEL.onnx", "val", "--no-reference", "-b", "tensorrt"), ("tensorrt can't be used",)),
        (("MODEL.onnx", "none", "--no-reference"), ("none",)),
        (("MODEL.onnx", "val", "--no-reference", "--limit", 0), ("--limit 0", "1 or more")),
        (("MODEL.onnx", "val", "--no-reference", "--batch-size", 0), ("--batch-size 0",)),
        (("MODEL.onnx", "val", "--no-reference", "--workers", 0), ("--workers 0",)),
        (("MODEL.onnx", "val", "--no-reference", "--max-drop", 0), ("--max-drop 0",)),
        (("MODEL.onnx", "val", "more"), ("there are 3",)),
        (("MODEL.onnx", "val", "--precision", "fp8"), ("unknown precision 'fp8'",)),
        (("MODEL.onnx", "val", "-w", "seeded", "--no-reference"), ("--weights goes with",)),
        (("OTHER.onnx", "val", "--no-reference"), ("does not say how pictures are fed",)),
        (("MODEL.onnx", "four", "--no-reference"), ("off by one", "--class-map")),
    ],
)
def test_what_cannot_be_is_one_line(
    paddleport: Command, folder: Path, tmp_path: Path, words: tuple[object, ...], told: list[str]
) -> None:
    save_classifier(tmp_path / "OTHER.onnx")
    draw_colours(tmp_path / "val", 9)
    draw_colours(tmp_path / "four", 9)
    (tmp_path / "four" / "0").rename(tmp_path / "four" / "3")  # the model has 0, 1 and 2
    typed = [folder / "colours.onnx" if word == "MODEL.onnx" else word for word in words]
    one_line_error(paddleport("evaluate", *typed), *told)
    assert not (tmp_path / "out").exists()


def test_what_is_no_classifier_is_refused(paddleport: Command, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    spec = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 7])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 7])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [spec], [out])
    onnx.save(helper.make_model(graph, ir_version=8), str(tmp_path / "m.onnx"))
    done = paddleport("evaluate", "m.onnx", ".", "--no-reference")
    one_line_error(done, "is no image classifier", "paddleport validate")


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGKILL, signal.SIGTERM],
)
def test_an_interrupted_command_goes_on_to_the_same_table(
    folder: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    install(tmp_path / "planted", monkeypatch, "slow_row", SLOW, ("Slow",))
    environ = {**os.environ, "PADDLEPORT_CACHE": str(cache), "PADDLEPORT_OFFLINE": "1"}
    environ["PYTHONPATH"] = str(tmp_path / "planted")
    words = words_for(folder, "-b", "slow", "--batch-size", 64)

    def command(*more: object) -> "subprocess.Popen[str]":
        script = OFTEN.format(words=[*words, *map(str, more)])
        return subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    whole = command("--out", "whole")
    _, err = whole.communicate(timeout=_PATIENCE_S)
    assert whole.returncode == 2, err
    cut = command("--out", "cut")
    state, deadline = tmp_path / "cut" / STATE_FILE, time.monotonic() + _PATIENCE_S
    while not state.is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    cut.send_signal(number)
    _, err = cut.communicate(timeout=_PATIENCE_S)
    saved = SavedPass.load(tmp_path / "cut")
    assert saved is not None
    assert 0 < saved.position < PICTURES
    if number == signal.SIGINT:
        assert cut.returncode == 130
        assert f"stopped after {saved.position:,} pictures" in err
        assert "Traceback" not in err
    on = command("--out", "cut", "--resume")
    out, err = on.communicate(timeout=_PATIENCE_S)
    assert on.returncode == 2, err
    assert f"gone on with after {saved.position:,} pictures" in " ".join(out.split())
    assert figures(tmp_path / "cut" / "evaluate.json") == figures(
        tmp_path / "whole" / "evaluate.json"
    )
    assert not state.exists()


def test_a_folder_that_takes_nothing_is_refused_before_the_pass(
    paddleport: Command, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    done = paddleport(*words_for(folder, "--out", "taken"))
    one_line_error(done, "taken cannot be made", "a file is in the way")


def test_a_report_that_cannot_be_written_does_not_cost_the_pass(
    paddleport: Command, folder: Path, tmp_path: Path
) -> None:
    page = tmp_path / "out" / "colours" / "evaluate.html"
    page.mkdir(parents=True)  # in the way, as a disk may be full
    one_line_error(paddleport(*words_for(folder)), "evaluate.html", "cannot be written", "--resume")
    saved = SavedPass.load(page.parent)
    assert saved is not None
    assert saved.position == PICTURES
    page.rmdir()
    done = paddleport(*words_for(folder, "--resume"))
    assert done.code == 2, done.err
    assert page.is_file()
    assert json.loads((page.parent / "evaluate.json").read_text())["data"]["pictures"] == PICTURES
    assert not (page.parent / STATE_FILE).exists()


@pytest.mark.parametrize("content", [b"", b"PK nothing"])
def test_a_damaged_state_is_begun_anew_without_resume(
    paddleport: Command, folder: Path, tmp_path: Path, content: bytes
) -> None:
    state = tmp_path / "out" / "colours" / STATE_FILE
    state.parent.mkdir(parents=True)
    state.write_bytes(content)
    done = paddleport(*words_for(folder, "--limit", 9, "--resume"))
    one_line_error(done, "is no state that evaluate wrote", "leave --resume out")
    done = paddleport(*words_for(folder, "--limit", 9))
    assert "evaluate.state.npz is damaged: this begins at the first picture" in done.err
    assert (state.parent / "evaluate.json").is_file()
    assert not state.exists()


def test_what_is_said_of_a_state(paddleport: Command, folder: Path, tmp_path: Path) -> None:
    done = paddleport(*words_for(folder, "--limit", 9, "--resume"))
    assert "nothing to go on with in out/colours" in done.err
    SavedPass(asked={"model": "another"}, position=7).save(tmp_path / "out" / "colours")
    done = paddleport(*words_for(folder, "--limit", 9, "--resume"))
    one_line_error(done, "model (was another, is", "leave --resume out")
    done = paddleport(*words_for(folder, "--limit", 9))
    assert "the interrupted pass of 7 pictures in out/colours is begun anew" in done.err
