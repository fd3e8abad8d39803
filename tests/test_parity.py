"""Validation as a whole: planted backends and files, each fault named rightly."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from planted import plant

from paddleport.cli.feed_files import feeds_from
from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.validate import Plan, validate
from paddleport.validate.parity.parity_report import BackendRow, ParityReport
from paddleport.validate.parity.validation import save_worst, validate_on_feeds

UNTIMED = Plan(seconds_each=0)


@pytest.fixture
def source(small_pir: Artifact) -> SourceModel:
    return resolve(small_pir.path.parent)


def by_name(report: ParityReport) -> dict[str, BackendRow]:
    return {row.name: row for row in report.rows}


FAULTS = [
    ("swaps", "preprocessing", "channels swapped"),
    ("scales", "runtime", "Divided by 1.001"),
    ("transposes", "runtime", "Transposed by [1, 0]"),
    ("buffers", "runtime", "its own buffer"),
    ("positions", "batching", "in position 1 of 'batch of"),
    ("random", "nondeterminism", "Two runs of random"),
    ("tires", "nondeterminism", "Two runs of tires"),
    ("rounds", "runtime", "fits into bf16"),
    ("poisons", "runtime", "not comparable"),
]


@pytest.mark.slow
def test_every_planted_fault_is_named(
    source: SourceModel,
    small_onnx: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [name for name, _, _ in FAULTS]
    plant(tmp_path / "planted", monkeypatch, *names, "honest", "crashes", "raises", "missing")
    report = validate(source, small_onnx, UNTIMED)
    rows = by_name(report)
    assert rows["paddle plain"].verdict == "reference"
    for name in ("paddle", "onnxruntime", "openvino", "reference", "honest"):
        assert (rows[name].verdict, rows[name].cause) == ("agrees", ""), rows[name]
    found = {name: (rows[name].verdict, rows[name].cause) for name in names}
    assert found == {name: ("differs", cause) for name, cause, _ in FAULTS}
    for name, _, telling in FAULTS:
        assert telling in rows[name].explanation, name
    assert rows["crashes"].verdict == rows["raises"].verdict == "failed"
    assert "SIGSEGV" in rows["crashes"].reason
    assert "no such luck" in rows["raises"].reason
    assert (rows["missing"].verdict, rows["missing"].reason) == (
        "skipped",
        "no such chip here: buy one",
    )
    assert report.verdict == "differs"


@pytest.mark.slow
def test_a_narrow_precision_that_is_admitted(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within bf16's limit it agrees; fp32's limit is held against what claims to be fp32."""
    plant(tmp_path / "planted", monkeypatch, "narrow", "rounds")
    rows = by_name(
        validate(source, small_onnx, Plan(backends=("narrow", "rounds"), seconds_each=0))
    )
    assert rows["narrow"].computes_in == "bf16"
    assert rows["narrow"].verdict == "agrees"
    assert (rows["rounds"].verdict, rows["rounds"].computes_in) == ("differs", "fp32")


def changed(onnx_model: Artifact, target: Path, weight: str, factor: float) -> Artifact:
    """The file with one weight multiplied."""
    proto = onnx.load(str(onnx_model.path))
    for tensor in proto.graph.initializer:
        if tensor.name == weight:
            values = numpy_helper.to_array(tensor) * np.float32(factor)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(proto, str(target))
    return onnx_artifact(target)


@pytest.mark.parametrize(("weight", "factor"), [("kernel", 1.01), ("linear", 0.8)])
def test_a_fault_in_the_file_is_the_converters(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path, weight: str, factor: float
) -> None:
    file = changed(small_onnx, tmp_path / "wrong.onnx", weight, factor)
    rows = by_name(validate(source, file, UNTIMED))
    for name in ("onnxruntime", "openvino", "reference"):
        assert (rows[name].verdict, rows[name].cause) == ("differs", "converter"), rows[name]
    assert rows["paddle"].verdict == "agrees"


def test_row_and_reference_are_compared_with_float64(
    source: SourceModel, small_onnx: Artifact
) -> None:
    report = validate(source, small_onnx, Plan(backends=("onnxruntime",), seconds_each=0))
    reference, row = report.rows
    own = reference.comparisons[0].against_float64
    assert own is not None
    assert 0 < own.scaled < 1e-5
    (comparison, _) = row.comparisons
    voices = (
        comparison.against_reference,
        comparison.against_float64,
        comparison.reference_against_float64,
    )
    for voice in voices:
        assert voice is not None
        assert 0 < voice.ulp < 100
        assert voice.snr_db is not None
        assert voice.snr_db > 100
    assert comparison.reference_against_float64 == own
    kinds = {item.kind for item in comparison.worst_feeds}
    assert kinds == {"drawn", "noise", "extreme", "batch"}
    assert comparison.sensitivity is not None
    assert comparison.sensitivity.holds


def test_the_worst_feeds_can_be_fed_again(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    plan = Plan(backends=("onnxruntime",), seconds_each=0)
    found = validate_on_feeds(source, small_onnx, plan)
    files = save_worst(found, tmp_path)
    assert {file.name for file in files} == {
        f"onnxruntime-{kind}.npz" for kind in ("drawn", "noise", "extreme", "batch")
    }
    again = validate(source, small_onnx, plan, feed=feeds_from([str(tmp_path / files[0].name)]))
    assert [feed.kind for feed in again.feeds] == ["given"]
    first, second = (item.rows[1].comparisons[0].worst_error for item in (found.report, again))
    assert first is not None
    assert second is not None
    assert second <= first * 2  # the same feed; the scale is now that of this feed alone


def test_a_named_backend_must_be_there(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "planted", monkeypatch, "missing")
    with pytest.raises(BackendUnavailableError, match="no such chip"):
        validate(source, small_onnx, Plan(backends=("missing",), seconds_each=0))


@pytest.mark.slow
def test_strict_counts_what_is_skipped(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "planted", monkeypatch, "missing")
    assert validate(source, small_onnx, UNTIMED).verdict == "agrees"
    assert validate(source, small_onnx, Plan(seconds_each=0, strict=True)).verdict == "differs"


def test_options_go_to_those_who_know_them(source: SourceModel, small_onnx: Artifact) -> None:
    plan = Plan(backends=("paddle",), extras={"onednn": "false"}, seconds_each=0)
    assert validate(source, small_onnx, plan).verdict == "agrees"
    with pytest.raises(UsageError, match="Did you mean 'onednn'"):
        validate(source, small_onnx, Plan(backends=("paddle",), extras={"onedn": "0"}))


@pytest.mark.slow
def test_the_report_in_its_forms(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    plan = Plan(backends=("onnxruntime",), seconds_each=0.2)
    report = validate(source, small_onnx, plan)
    files = report.write(tmp_path / "out")
    assert [file.name for file in files] == ["parity.html", "parity.md", "parity.json"]
    written = json.loads(files[2].read_text())
    assert (written["schema"], written["verdict"]) == (3, "agrees")
    row = written["rows"][1]
    assert row["comparisons"][0]["worst_error"] <= 1e-4
    assert {(item["batch"], item["scope"]) for item in row["latencies"]} >= {
        (1, "inference"),
        (4, "inference"),
        (8, "inference"),
    }
    assert row["load"]["peak_memory_bytes"] > 1e7
    assert written["environment"]["packages"]["onnxruntime"]
    assert written["model"]["paddle sha256"] == source.sha256
    assert "paddle was not among the backends" in written["speed_reference"]
    markdown = files[1].read_text()
    assert markdown == str(report) == report._repr_markdown_()
    assert "onnxruntime" in markdown


def test_a_file_from_elsewhere_with_another_input_name(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    proto = onnx.load(str(small_onnx.path))
    old = proto.graph.input[0].name
    for node in proto.graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = "pixels"
    proto.graph.input[0].name = "pixels"
    onnx.save(proto, str(tmp_path / "theirs.onnx"))
    plan = Plan(backends=("onnxruntime",), seconds_each=0)
    report = validate(source, onnx_artifact(tmp_path / "theirs.onnx"), plan)
    assert report.verdict == "agrees"
    assert "as pixels" in report.rows[1].notes[0]


def test_a_file_with_a_fixed_batch_is_fed_no_others(
    source: SourceModel, small_onnx: Artifact, tmp_path: Path
) -> None:
    proto = onnx.load(str(small_onnx.path))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(proto, str(tmp_path / "fixed.onnx"))
    plan = Plan(backends=("onnxruntime",), seconds_each=0)
    report = validate(source, onnx_artifact(tmp_path / "fixed.onnx"), plan)
    assert report.verdict == "agrees"
    assert {feed.batch for feed in report.feeds} == {1}
