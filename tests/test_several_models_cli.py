"""``validate`` and ``convert`` on several models, as they are typed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.cli.several_models import names_of_models
from paddleport.models.artifact import Artifact
from paddleport.models.zoo import registry as zoo

__all__ = ["cache", "paddleport"]  # fixtures

NAMES = ("one", "two", "three")
QUICK = ("--seconds", 0, "--quick", "--backend", "onnxruntime")


@pytest.fixture
def models(small_pir: Artifact, tmp_path: Path) -> Path:
    """Three small models, and a folder that holds none."""
    for name in NAMES:
        shutil.copytree(small_pir.path.parent, tmp_path / name)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "readme.txt").write_text("no model")
    return tmp_path


def told(overview: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows without what tells one run from another."""
    times = ("seconds", "measured", "from_before")
    return [
        {key: value for key, value in row.items() if key not in times} for row in overview["rows"]
    ]


def test_convert_gives_files_and_a_table(paddleport: Command, models: Path) -> None:
    done = paddleport("convert", "one", "broken", "--opset", 13)
    assert done.code == 2, done.err
    assert "1 agrees, 1 failed of 2 · out/conversions.html" in done.out
    assert "broken: broken holds no Paddle program" in done.out
    assert (models / "out" / "one" / "one.onnx").is_file()
    overview = json.loads((models / "out" / "conversions.json").read_text())
    assert [row["page"] for row in overview["rows"]] == ["one/one.onnx", ""]
    assert [row["opset"] for row in overview["rows"]] == [13, None]
    again = paddleport("convert", "broken", "one", "--opset", 13, "--json")
    assert [row["from_before"] for row in json.loads(again.out)["rows"]] == [False, True]


def test_what_is_mistyped_comes_up_at_once(paddleport: Command, models: Path) -> None:
    one_line_error(
        paddleport("validate", "one", "MobilNetV2"), "MobilNetV2", "Did you mean 'MobileNetV2'?"
    )
    family = paddleport("convert", "--all-of", "MobilNetV2")
    one_line_error(family, "unknown family 'MobilNetV2'. Did you mean 'MobileNetV2'?")
    onnx = paddleport("validate", "one", "two", "--onnx", "x.onnx")
    one_line_error(onnx, "--onnx goes with one model")
    assert not (models / "out").exists()


@pytest.mark.slow
def test_an_interrupted_run_ends_with_the_same_table(paddleport: Command, models: Path) -> None:
    names = ("one", "broken", "two", "three")
    whole = paddleport("validate", *names, *QUICK, "--out", "whole", "--json")
    assert whole.code == 2, whole.err
    environ = os.environ | {"PADDLEPORT_OFFLINE": "1"}
    command = [sys.executable, "-m", "paddleport", "validate", *names, *map(str, QUICK)]
    process = subprocess.Popen([*command, "--out", "cut"], cwd=models, env=environ)
    kept = models / "cut" / "one" / "validate.row.json"
    deadline = time.monotonic() + 150
    while not kept.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not (models / "cut" / "three" / "validate.row.json").exists()
    resumed = paddleport("validate", *names, *QUICK, "--out", "cut", "--json")
    assert resumed.code == 2, resumed.err
    first, second = json.loads(whole.out), json.loads(resumed.out)
    assert told(first) == told(second)
    assert second["rows"][0]["from_before"]
    assert [row["verdict"] for row in second["rows"]] == ["agrees", "failed", "agrees", "agrees"]
    assert (models / "cut" / "three" / "parity.html").is_file()


def test_names_and_families_are_each_model_once() -> None:
    family = [card.name for card in zoo.family_cards("MobileNetV2")]
    assert len(family) > 5
    assert names_of_models(None, ["mobilenetv2"]) == family
    alias = next(iter(zoo.lookup("MobileNetV2").aliases))
    named = names_of_models([family[-1], alias, "."], ["MobileNetV2"])
    assert named[:3] == [family[-1], "MobileNetV2", "."]
    assert sorted(named) == sorted([*family, "."])
