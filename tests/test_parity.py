"""Validation against planted backends: each fault must be a row that says so."""

import json
from pathlib import Path

import onnx
import pytest

from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.models.card import OnnxModel, PaddleModel
from paddleport.models.resolve import SourceModel, resolve
from paddleport.validate import Plan, validate
from paddleport.validate.report import ParityReport

PLANTED = """
import ctypes
import numpy as np
from paddleport.errors import BackendUnavailableError
from paddleport.runners.onnxruntime import OnnxRuntimeRunner

class Swaps(OnnxRuntimeRunner):
    name = "swaps"
    def infer(self, feed):
        return super().infer({key: np.ascontiguousarray(x[:, ::-1]) for key, x in feed.items()})

class Scales(OnnxRuntimeRunner):
    name = "scales"
    def infer(self, feed):
        return {key: y * np.float32(1.001) for key, y in super().infer(feed).items()}

class Crashes(OnnxRuntimeRunner):
    name = "crashes"
    def infer(self, feed):
        ctypes.string_at(0)

class Missing(OnnxRuntimeRunner):
    name = "missing"
    def load(self, model):
        raise BackendUnavailableError("no such chip here: buy one")
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with four faulty backends, seen by this process and its workers."""
    folder = tmp_path / "planted"
    info = folder / "planted-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "planted_runners.py").write_text(PLANTED)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    entries = "".join(
        f"{name.lower()} = planted_runners:{name}\n"
        for name in ("Swaps", "Scales", "Crashes", "Missing")
    )
    (info / "entry_points.txt").write_text(f"[paddleport.runners]\n{entries}")
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def source(small_pir: PaddleModel) -> SourceModel:
    return resolve(small_pir.program.parent)


def rows(report: ParityReport) -> dict[str, tuple[str, str]]:
    return {row.name: (row.verdict, row.reason) for row in report.rows}


@pytest.mark.usefixtures("planted")
def test_every_planted_fault_is_a_row_that_names_it(
    source: SourceModel, small_onnx: OnnxModel
) -> None:
    report = validate(source, small_onnx, Plan(seconds_each=0.2))
    found = rows(report)
    assert found["paddle plain"][0] == "reference"
    for name in ("paddle", "onnxruntime", "openvino", "reference"):
        assert found[name][0] == "agrees", found
    for name in ("swaps", "scales"):
        assert found[name][0] == "differs"
        assert "above the limit" in found[name][1]
    assert found["crashes"][0] == "failed"
    assert "SIGSEGV" in found["crashes"][1]
    assert found["missing"] == ("skipped", "no such chip here: buy one")
    assert report.verdict == "differs"
    timed = {row.name for row in report.rows if row.latency}
    assert timed == {"paddle plain", "paddle", "onnxruntime", "openvino", "swaps", "scales"}
    speeds = {row.name: row.speed_up for row in report.rows}
    assert speeds["paddle"] == 1.0
    assert speeds["onnxruntime"] is not None


@pytest.mark.usefixtures("planted")
def test_a_named_backend_must_be_there(source: SourceModel, small_onnx: OnnxModel) -> None:
    with pytest.raises(BackendUnavailableError, match="no such chip"):
        validate(source, small_onnx, Plan(backends=("missing",), seconds_each=0))


def test_options_go_to_those_who_know_them(source: SourceModel, small_onnx: OnnxModel) -> None:
    plan = Plan(backends=("paddle",), extras={"onednn": "false"}, seconds_each=0)
    assert validate(source, small_onnx, plan).verdict == "agrees"
    with pytest.raises(UsageError, match="Did you mean 'onednn'"):
        validate(source, small_onnx, Plan(backends=("paddle",), extras={"onedn": "0"}))


def test_the_report_in_its_three_forms(
    source: SourceModel, small_onnx: OnnxModel, tmp_path: Path
) -> None:
    plan = Plan(backends=("onnxruntime",), seconds_each=0.2)
    report = validate(source, small_onnx, plan)
    files = report.write(tmp_path / "out")
    assert [file.name for file in files] == ["parity.md", "parity.json"]
    written = json.loads(files[1].read_text())
    assert written["schema"] == 1
    assert written["verdict"] == "agrees"
    assert written["rows"][1]["comparisons"][0]["worst_error"] <= 1e-4
    assert written["rows"][1]["latency"]["runs"] > 10
    assert written["environment"]["packages"]["onnxruntime"]
    assert written["model"]["paddle sha256"] == source.sha256
    assert "paddle was not among the backends" in written["speed_reference"]
    markdown = files[0].read_text()
    assert markdown == str(report) == report._repr_markdown_()
    assert "| onnxruntime | fp32 | agrees |" in markdown


def test_a_file_from_elsewhere_with_another_input_name(
    source: SourceModel, small_onnx: OnnxModel, tmp_path: Path
) -> None:
    proto = onnx.load(str(small_onnx.path))
    old = proto.graph.input[0].name
    for node in proto.graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = "pixels"
    proto.graph.input[0].name = "pixels"
    onnx.save(proto, str(tmp_path / "theirs.onnx"))
    plan = Plan(backends=("onnxruntime",), seconds_each=0.1)
    report = validate(source, OnnxModel(tmp_path / "theirs.onnx"), plan)
    assert report.verdict == "agrees"
    assert "as pixels" in report.rows[1].notes[0]
