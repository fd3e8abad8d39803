"""The cause ``converter`` says which step of the conversion did it; each step is planted faulty."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from paddleport.convert import cached_onnx, remaking
from paddleport.convert.paddle2onnx.export import RawExport
from paddleport.convert.paddle2onnx.finish import finish
from paddleport.convert.precision.lowering import lower_onnx
from paddleport.convert.provenance import step as step_record
from paddleport.convert.provenance import with_step
from paddleport.convert.remaking import (
    CHANGED,
    OTHER_TOOLS,
    PRECISION_OR_CHANGED,
    PRECISION_OR_TOOLS,
    RemadeConversion,
)
from paddleport.convert.targets import TargetOptions
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.onnx.onnx_file import read_onnx_model, write_metadata
from paddleport.models.resolve import SourceModel, resolve
from paddleport.validate import BackendRow, Plan
from paddleport.validate.diagnose.conversions import Stage
from paddleport.validate.parity.validation import validate


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))


def spoil(path: Path) -> Path:
    """The largest weight, 5 % larger."""
    proto = onnx.load(str(path))
    weight = max(proto.graph.initializer, key=lambda item: len(item.raw_data))
    values = onnx.numpy_helper.to_array(weight) * np.float32(1.05)
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(proto, str(path))
    return path


def faulty_finish(raw: RawExport, target: Path, **options: Any) -> Any:
    done = finish(raw, target, **options)
    spoil(target)
    return done


def row_of(source: SourceModel, file: Artifact, conversions: Any) -> BackendRow:
    plan = Plan(backends=("onnxruntime",), seconds_each=0, quick=True)
    return validate(source, file, plan, conversions=conversions).rows[1]


def spoilt(source: SourceModel, folder: Path) -> Artifact:
    """Our own file, with its provenance, and another weight."""
    content = cached_onnx(source).path.read_bytes()
    (folder / "spoilt.onnx").write_bytes(content)
    return read_onnx_model(spoil(folder / "spoilt.onnx"))


@pytest.mark.slow
def test_a_file_changed_afterwards(small_pir: Artifact, tmp_path: Path) -> None:
    source = resolve(small_pir.path)
    file = spoilt(source, tmp_path)
    with RemadeConversion(source, file) as conversions:
        row = row_of(source, file, conversions)
    assert (row.verdict, row.cause, row.step) == ("differs", "converter", CHANGED)
    assert f"The step that did it is {CHANGED}." in row.explanation


@pytest.mark.slow
def test_the_simplifier(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = resolve(small_pir.path)
    file = spoilt(source, tmp_path)
    monkeypatch.setattr(remaking, "finish", faulty_finish)
    with RemadeConversion(source, file) as conversions:
        steps = [stage.step for stage in conversions.stages()]
        row = row_of(source, file, conversions)
    assert steps == ["Paddle2ONNX", "simplifier"]  # it is the file at hand, made again
    assert (row.cause, row.step) == ("converter", "simplifier")


@pytest.mark.slow
def test_paddle2onnx_and_precision(small_pir: Artifact, tmp_path: Path) -> None:
    source = resolve(small_pir.path)
    good, file = cached_onnx(source), spoilt(source, tmp_path)

    for stages, step in (
        ([("Paddle2ONNX", file), ("simplifier", file)], "Paddle2ONNX"),
        ([("Paddle2ONNX", good), ("simplifier", good), ("precision", file)], "precision"),
    ):
        with RemadeConversion(source, file) as conversions:
            conversions._stages = [Stage(name, each) for name, each in stages]
            row = row_of(source, file, conversions)
        assert (row.cause, row.step) == ("converter", step)


@pytest.mark.slow
def test_a_file_from_elsewhere_has_no_steps(small_pir: Artifact, tmp_path: Path) -> None:
    source = resolve(small_pir.path)
    file = spoilt(source, tmp_path)
    proto = onnx.load(str(file.path))
    del proto.metadata_props[:]
    onnx.save(proto, str(file.path))
    elsewhere = onnx_artifact(file.path)
    with RemadeConversion(source, elsewhere) as conversions:
        assert conversions.stages() == []
        row = row_of(source, elsewhere, conversions)
    assert (row.cause, row.step) == ("converter", "")
    assert "The step that did it" not in row.explanation


def test_a_right_file_made_again_is_itself(small_pir: Artifact) -> None:
    source = resolve(small_pir.path)
    with RemadeConversion(source, cached_onnx(source)) as conversions:
        assert [stage.step for stage in conversions.stages()] == ["Paddle2ONNX", "simplifier"]


def lowered(source: SourceModel, folder: Path, **recorded: Any) -> Artifact:
    """The file in bf16, with what its last step is to say otherwise."""
    onnx_file, path = cached_onnx(source), folder / "lowered.onnx"
    lower_onnx(onnx_file.path, path, TargetOptions(precision="bf16"), ())
    options = {"precision": "bf16", "keep_fp32": [], **recorded}
    added = step_record("precision", tools={}, options=options)
    proto = onnx.load(str(path))
    provenance = with_step(onnx_file.provenance, added)
    write_metadata(proto, preprocess=None, labels=None, provenance=provenance)
    onnx.save(proto, str(path))
    return read_onnx_model(path)


def steps_made_again(source: SourceModel, file: Artifact) -> list[str]:
    with RemadeConversion(source, file) as conversions:
        return [stage.step for stage in conversions.stages()]


@pytest.mark.slow
def test_a_lowered_file_changed_afterwards(small_pir: Artifact, tmp_path: Path) -> None:
    source = resolve(small_pir.path)
    file = lowered(source, tmp_path)
    made = ["Paddle2ONNX", "simplifier", "precision"]
    assert steps_made_again(source, file) == made
    assert steps_made_again(source, read_onnx_model(spoil(file.path))) == [*made, CHANGED]
    with RemadeConversion(source, file) as conversions:
        assert conversions.stages()[2].onnx.path != file.path


@pytest.mark.slow
def test_int8_is_not_told_from_a_change_of_the_file(small_pir: Artifact, tmp_path: Path) -> None:
    source = resolve(small_pir.path)
    file = lowered(source, tmp_path, precision="int8")
    assert steps_made_again(source, file)[-1] == PRECISION_OR_CHANGED
    unknown = lowered(source, tmp_path, keep_fp32=["no such node"])
    assert steps_made_again(source, unknown)[-1] == PRECISION_OR_CHANGED
    assert steps_made_again(source, with_other_tools(file))[-1] == PRECISION_OR_TOOLS


def with_other_tools(file: Artifact) -> Artifact:
    tools = {**file.provenance["tools"], "onnxslim": "0.0.1"}
    return replace(file, provenance={**file.provenance, "tools": tools})


@pytest.mark.slow
def test_other_versions_of_the_tools_are_no_proof_of_a_change(
    small_pir: Artifact, tmp_path: Path
) -> None:
    source = resolve(small_pir.path)
    file = with_other_tools(spoilt(source, tmp_path))
    with RemadeConversion(source, file) as conversions:
        row = row_of(source, file, conversions)
    assert (row.cause, row.step) == ("converter", OTHER_TOOLS)
    assert f"The step that did it is {OTHER_TOOLS}." in row.explanation


@pytest.mark.slow
def test_a_provenance_that_cannot_be_followed_names_no_step(
    small_pir: Artifact, tmp_path: Path
) -> None:
    source = resolve(small_pir.path)
    file = spoilt(source, tmp_path)
    damaged = replace(file, provenance={**file.provenance, "opset": "the last"})
    with RemadeConversion(source, damaged) as conversions:
        row = row_of(source, damaged, conversions)
    assert (row.verdict, row.cause, row.step) == ("differs", "converter", "")
