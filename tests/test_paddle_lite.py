"""Paddle Lite in the interpreter that PADDLEPORT_LITE_PYTHON names, against native Paddle."""

import json
from pathlib import Path

import numpy as np
import onnx
import planted_lite
import pytest
import small_network
from lite_interpreters import real_interpreter, spoiling
from test_cli import Command, cache, paddleport

from paddleport.convert import cached_onnx, convert
from paddleport.convert.making import Making, paddle_model
from paddleport.convert.remaking import RemadeConversion
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.errors import ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import read_onnx_model
from paddleport.models.paddle_lite.nb_file import read_nb
from paddleport.models.recognize import read_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners import open_runner
from paddleport.runners.paddle_lite.lite_interpreter import VARIABLE, device_here
from paddleport.validate import BackendRow, Plan
from paddleport.validate.parity.validation import validate

__all__ = ["cache", "paddleport"]
OTHER = "x86" if device_here() == "arm" else "arm"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("lite-cache")
    monkeypatch.setenv("PADDLEPORT_CACHE", str(cache))
    return real_interpreter()


def test_a_file_of_the_program_itself(
    small_protobuf: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_onnx(*_: object, **__: object) -> None:
        raise AssertionError("an ONNX file was asked for")

    monkeypatch.setattr("paddleport.convert.pipeline.cached_onnx", no_onnx)
    path = tmp_path / f"small.{device_here()}.nb"
    source = resolve(small_protobuf.path)
    done = convert(source, path, to="paddle-lite", lite_target=device_here())
    assert (done.verdict, done.made_of, done.explanation) == ("agrees", "paddle", "")
    assert all(item.sensitivity is not None for item in done.comparisons)
    made = read_artifact(path)
    assert made == done.artifact
    assert made.provenance["made_of"] == "paddle"
    (step,) = made.provenance["steps"]
    assert step["step"] == "paddle-lite"
    assert step["tools"]["paddlelite"] and step["tools"]["lite python"]
    assert step["options"]["lite_target"] == device_here()
    assert made.provenance["source"]["sha256"] == source.sha256
    assert read_nb(path).device == device_here()
    first = path.read_bytes()
    convert(source, path, to="paddle-lite", lite_target=device_here())
    assert path.read_bytes() == first


def test_a_file_for_another_cpu_is_not_run(small_protobuf: Artifact, tmp_path: Path) -> None:
    path = tmp_path / f"small.{OTHER}.nb"
    done = convert(small_protobuf.path, path, to="paddle-lite", lite_target=OTHER)
    assert (done.verdict, done.explanation) == ("not run", "")
    assert f"--lite-target {device_here()}" in done.not_run
    assert read_nb(path).device == OTHER
    with pytest.raises(ModelFileError, match=f"optimised for {OTHER}"):
        open_runner("paddle-lite", read_artifact(path))


def lite_file(source: SourceModel, path: Path, *, spoilt: bool = False) -> Artifact:
    """As ``convert`` makes it, or of a program with one changed weight."""
    target = planted_lite.SpoiltWeights if spoilt else target_class("paddle-lite")
    model = paddle_model(target, source)
    options = target().check(model, target.options_here({}))
    file, _ = Making(target=target, model=model, options=options).run(path, 120)
    return file


def test_batches_are_single_inferences_and_arrays_are_the_callers(
    small_protobuf: Artifact, tmp_path: Path
) -> None:
    file = lite_file(resolve(small_protobuf.path), tmp_path / "small.nb")
    with open_runner("paddle-lite", file) as runner:
        found = [runner.run(small_network.feed(3, seed=seed)) for seed in (0, 1)]
        assert any("1 thread" in note for note in runner.notes)
        assert runner.computes_in == "fp32"
    for seed, outputs in enumerate(found):
        exact = small_network.expected(small_network.feed(3, seed=seed)["x"])
        for value, right in zip(outputs.values(), exact, strict=True):
            np.testing.assert_allclose(value, right, atol=1e-5)


def row_of(source: SourceModel, made: Artifact) -> BackendRow:
    plan = Plan(backends=("paddle-lite",), seconds_each=0, quick=True)
    onnx = cached_onnx(source)
    with RemadeConversion(source, onnx, made) as conversions:
        return validate(source, onnx, plan, conversions=conversions).rows[1]


@pytest.mark.slow
def test_a_changed_weight_is_the_conversions(small_protobuf: Artifact, tmp_path: Path) -> None:
    source = resolve(small_protobuf.path)
    assert row_of(source, lite_file(source, tmp_path / "right.nb")).verdict == "agrees"
    row = row_of(source, lite_file(source, tmp_path / "wrong.nb", spoilt=True))
    assert (row.verdict, row.cause, row.step) == ("differs", "converter", "paddle-lite")


@pytest.mark.slow
def test_another_output_is_the_runtimes(
    small_protobuf: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = resolve(small_protobuf.path)
    made = lite_file(source, tmp_path / "right.nb")
    monkeypatch.setenv(VARIABLE, str(spoiling(tmp_path / "python")))
    row = row_of(source, made)
    assert (row.verdict, row.cause, row.step) == ("differs", "runtime", "")
    done = convert(source, tmp_path / "wrong.nb", to="paddle-lite", lite_target=device_here())
    assert (done.verdict, done.cause, done.path) == ("differs", "runtime", None)
    assert "at opset" not in done.explanation
    assert not (tmp_path / "wrong.nb").exists()


@pytest.mark.slow
def test_it_is_fed_as_the_program_beside_an_onnx_file_with_other_names(
    small_protobuf: Artifact, tmp_path: Path
) -> None:
    source = resolve(small_protobuf.path)
    graph = onnx.load(cached_onnx(source).path)
    (given,) = graph.graph.input
    for node in graph.graph.node:
        node.input[:] = ["pixels" if name == given.name else name for name in node.input]
    given.name = "pixels"
    path = tmp_path / "renamed.onnx"
    onnx.save(graph, path)
    file = read_onnx_model(path)
    plan = Plan(backends=("paddle-lite", "onnxruntime"), seconds_each=0, quick=True)
    with RemadeConversion(source, file) as conversions:
        report = validate(source, file, plan, conversions=conversions)
    assert [row.verdict for row in report.rows[1:]] == ["agrees", "agrees"]


def test_a_death_in_the_optimiser_is_one_line(
    small_protobuf: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = paddle_model(planted_lite.OldForm, resolve(small_protobuf.path))
    making = Making(
        target=planted_lite.OldForm, model=model, options=TargetOptions(lite_target=device_here())
    )
    with pytest.raises(planted_lite.ConversionError, match="ends on this program for") as refusal:
        making.run(tmp_path / "small.nb", 120)
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
def test_a_network_of_the_zoo_as_typed(paddleport: Command, tmp_path: Path) -> None:
    """It is a .json program, which Paddle Lite can't be given: its network is saved as .pdmodel."""
    python = {VARIABLE: str(real_interpreter())}
    words = ("MobileNetV2_x0_25", "--weights", "seeded")
    done = paddleport("convert", *words, "--to", "paddle-lite", "--json", **python)
    assert done.code == 0, done.err
    assert json.loads(done.out)["verdict"] == ("agrees" if device_here() == "arm" else "not run")
    assert (tmp_path / "MobileNetV2_x0_25.arm.nb").is_file()
    done = paddleport("run", *words, "-b", "paddle-lite", **python)
    assert done.code == 0 and "paddle-lite fp32" in done.out, done.err
    backends = ("-b", "paddle-lite", "-b", "paddle", "--quick", "--json")
    done = paddleport("validate", *words, *backends, **python)
    assert done.code == 0, done.err + done.out[-2000:]
