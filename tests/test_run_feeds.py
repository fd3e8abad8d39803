"""``paddleport run`` on models that classify no pictures: what it says works as it is typed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_network
from onnx import TensorProto, helper

from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import write_metadata
from paddleport.models.preprocess import Preprocess

PICTURE = [1, 3, 8, 8]


def paddleport(*arguments: object, code: int = 0) -> tuple[str, str]:
    """What the command prints to standard output, and its only line of error."""
    done = subprocess.run(
        [sys.executable, "-m", "paddleport", *map(str, arguments)],
        env=os.environ | {"PADDLEPORT_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == bool(code), done.stderr
    return done.stdout, done.stderr


def save(
    path: Path, inputs: list[str], *, outputs: int = 1, rules: Preprocess | None = None
) -> Path:
    """A file that doubles the sum of its inputs, once for each output."""
    value = helper.make_tensor_value_info
    names = [f"y{index}" for index in range(outputs)]
    nodes = [helper.make_node("Sum", [*inputs, *inputs], [name]) for name in names]
    graph = helper.make_graph(
        nodes,
        "sum",
        [value(name, TensorProto.FLOAT, PICTURE) for name in inputs],
        [value(name, TensorProto.FLOAT, PICTURE) for name in names],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    write_metadata(proto, preprocess=rules, labels=None, provenance={})
    onnx.save(proto, str(path))
    return path


@pytest.mark.parametrize("inputs", [["x"], ["image", "offset"]])
def test_a_model_without_preprocessing_is_fed_as_it_says(tmp_path: Path, inputs: list[str]) -> None:
    model = save(tmp_path / "sum.onnx", inputs)
    for words in ([], ["--task", "tensors"]):
        _, error = paddleport("run", model, *words, code=2)
        assert "does not say how pictures are fed" in error
    advice = re.findall(r"(--feed) (\w+)=FILE\.npy", error)
    assert [name for _, name in advice] == inputs
    np.save(tmp_path / "one.npy", np.ones(PICTURE, np.float32))
    typed = [text for option, name in advice for text in (option, f"{name}={tmp_path}/one.npy")]
    shown, _ = paddleport("run", model, *typed)
    assert shown.splitlines()[1:] == [
        "given",
        f"y0  float32 [1, 3, 8, 8]  {2 * len(inputs)} to {2 * len(inputs)}",
    ]


@pytest.mark.parametrize("outputs", [1, 2])
def test_pictures_of_what_is_no_classifier_are_shown_as_it_says(
    tmp_path: Path, outputs: int
) -> None:
    rules = Preprocess(resize_short=8, crop=(8, 8))
    model = save(tmp_path / "map.onnx", ["x"], outputs=outputs, rules=rules)
    _, error = paddleport("run", model, code=2)
    (advice,) = re.findall(r"--task \w+", error)
    shown, _ = paddleport("run", model, *advice.split())
    assert [line.split()[0] for line in shown.splitlines()[2:]] == ["y0", "y1"][:outputs]


def test_several_feeds_are_answered_in_order(small_onnx: Artifact, tmp_path: Path) -> None:
    feeds = []
    for number in (1, 2):
        np.savez(tmp_path / f"{number}.npz", x=small_network.feed(1, seed=number)["x"])
        feeds += ["--feed", tmp_path / f"{number}.npz"]
    shown, _ = paddleport("run", small_onnx.path, *feeds, "--json")
    told = json.loads(shown)
    assert [item["feed"] for item in told] == ["given 1", "given 2"]
    one, other = (item["outputs"]["logits"] for item in told)
    assert np.shape(one) == (1, 5)
    assert one != other


def test_what_cannot_be_together(small_onnx: Artifact, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((1, 3, 9, 9), np.float32))
    feed = ["run", small_onnx.path, "--feed", tmp_path / "a.npz"]
    assert "give one of the two" in paddleport(*feed, "photo.jpg", code=2)[1]
    assert "leave --task class" in paddleport(*feed, "--task", "classification", code=2)[1]
    assert "Known: classification, tensors" in paddleport(*feed, "--task", "x", code=2)[1]
