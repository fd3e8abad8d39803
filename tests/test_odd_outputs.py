"""Outputs that are no table of classes, from Paddle's own networks through every command."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import odd_outputs
import onnx
import pytest
from onnx import numpy_helper

from paddleport.convert import convert
from paddleport.models.artifact import onnx_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.validate import Plan, validate
from paddleport.worker import run_in_worker

pytestmark = pytest.mark.slow

PLAN = Plan(backends=("onnxruntime", "openvino"), seconds_each=0, quick=True)
Saved = Callable[[str], SourceModel]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    def save(kind: str) -> SourceModel:
        folder = tmp_path / kind
        folder.mkdir()
        run_in_worker(odd_outputs.save, 120, kind, str(folder / "inference"))
        return resolve(folder)

    return save


def test_scalars_counts_lists_and_logits_far_apart(saved: Saved, tmp_path: Path) -> None:
    source = saved("numbers")
    done = convert(source, tmp_path / "numbers.onnx")
    assert done.verdict == "agrees"
    assert [item.verdict for item in done.comparisons] == [
        *("agrees",) * 3,
        *("unproven",) * 2,
        "agrees",
    ]
    assert [item.measure for item in done.comparisons[:2]] == ["log-probabilities", "values"]
    assert [item.ranking is not None for item in done.comparisons] == [True, *(False,) * 5]
    report = validate(source, onnx_artifact(tmp_path / "numbers.onnx"), PLAN)
    assert report.verdict == "agrees"
    for row in report.rows[1:]:
        assert not row.reason
        assert any("empty for every feed" in note for note in row.notes)


def test_a_fault_beside_them_is_found_and_located(saved: Saved, tmp_path: Path) -> None:
    source = saved("numbers")
    convert(source, tmp_path / "numbers.onnx")
    proto = onnx.load(str(tmp_path / "numbers.onnx"))
    weight = next(item for item in proto.graph.initializer if list(item.dims) == [6, 20])
    wrong = numpy_helper.to_array(weight) * np.float32(1.001)
    weight.CopyFrom(numpy_helper.from_array(wrong, weight.name))
    onnx.save(proto, str(tmp_path / "wrong.onnx"))
    result = subprocess.run(
        [
            *(sys.executable, "-m", "paddleport", "validate", str(tmp_path / "numbers")),
            *("--onnx", str(tmp_path / "wrong.onnx"), "--quick", "--seconds", "0"),
            *("--backend", "onnxruntime", "--locate", "--save-worst"),
            *("--out", str(tmp_path / "out"), "--junit", str(tmp_path / "out/junit.xml")),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert result.returncode == 1, result.stderr
    assert "differs: converter" in result.stdout
    assert "pd_op.matmul" in result.stdout
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert written >= {"parity.html", "parity.md", "parity.json", "junit.xml", "worst"}


def test_ties(saved: Saved, tmp_path: Path) -> None:
    source = saved("ties")
    done = convert(source, tmp_path / "ties.onnx")
    assert done.verdict == "agrees"
    assert done.comparisons[1].note.startswith("other indices of equal values")
    report = validate(source, onnx_artifact(tmp_path / "ties.onnx"), PLAN)
    assert report.verdict == "agrees"
    assert all("other indices of equal values" in row.notes[-1] for row in report.rows[1:])


def test_a_detector(saved: Saved, tmp_path: Path) -> None:
    source = saved("detector")
    done = convert(source, tmp_path / "detector.onnx")
    assert done.verdict == "agrees"
    assert not any(item.ranking for item in done.comparisons)
    report = validate(source, onnx_artifact(tmp_path / "detector.onnx"), PLAN)
    rows = {row.name: row for row in report.rows}
    assert rows["onnxruntime"].verdict == "agrees"
    # OpenVINO's suppression does not give its boxes by falling score
    assert (rows["openvino"].verdict, rows["openvino"].cause) == ("differs", "row-order")
    assert "top-1" not in report.to_markdown().lower()


@pytest.mark.parametrize("kind", ["no boxes", "undefined"])
def test_what_shows_nothing_is_unproven(kind: str, saved: Saved, tmp_path: Path) -> None:
    source = saved(kind)
    done = convert(source, tmp_path / "nothing.onnx", keep=True)
    assert done.verdict == "unproven"
    assert done.path is not None
    report = validate(source, onnx_artifact(done.path), PLAN)
    assert report.verdict == "unproven"
    assert {row.verdict for row in report.rows[1:]} == {"unproven"}
    for text in (report.to_json(), report.to_markdown(), report.to_html(), report.to_junit()):
        assert "nothing is proven" in text
