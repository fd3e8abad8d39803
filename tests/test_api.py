"""``import paddleport as pp``: quick to import, typed, and callable though rooms have its names."""

import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_network

import paddleport as pp
from paddleport.errors import (
    BackendUnavailableError,
    FeedError,
    ModelNotFoundError,
    ModelWarning,
    UsageError,
)
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners.tasks import task_named
from paddleport.validate import Plan


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))


def test_the_import_loads_nothing() -> None:
    code = (
        "import sys, time; started = time.perf_counter(); import paddleport; "
        "took = time.perf_counter() - started; "
        "loaded = [name for name in sys.modules if name.startswith('paddleport.')]; "
        "print(took, *loaded)"
    )
    fastest, loaded = 1.0, [""]
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        took, *loaded = done.stdout.split()
        fastest = min(fastest, float(took))
        time.sleep(0.01)
    assert fastest < 0.03
    assert loaded == ["paddleport.lazy_names"]


def test_names_that_are_rooms_too_are_called_before_and_after_the_rooms_are_imported() -> None:
    code = (
        "import paddleport as pp\n"
        "assert len(pp.models()) >= 7\n"
        "import paddleport.convert.pipeline, paddleport.validate.parity.validation\n"
        "import paddleport.models.zoo.registry\n"
        "for verb in (pp.convert, pp.validate):\n"
        "    try: verb('MobilNetV2')\n"
        "    except pp.errors.ModelNotFoundError as error: assert 'MobileNetV2' in str(error)\n"
        "    else: raise SystemExit('nothing was raised')\n"
        "assert len(pp.models()) >= 7\n"
        "from paddleport.convert import convert, cached_onnx\n"
        "try: pp.nothing\n"
        "except AttributeError as error: assert 'nothing' in str(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_model_is_converted_loaded_and_validated(small_pir: Artifact, tmp_path: Path) -> None:
    done = pp.convert(small_pir.path.parent, tmp_path / "small.onnx", opset=13)
    assert (done.verdict, done.opset, done.path) == ("agrees", 13, tmp_path / "small.onnx")
    feed = small_network.feed(2)
    for model in (done.artifact, done.path, small_pir.path.parent):
        assert model is not None
        with pp.load(model, "openvino", threads=1) as predictor:
            answers = predictor.run(feed)
        for found, wanted in zip(answers.values(), small_network.expected(feed["x"]), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-4)
    report = pp.validate(
        small_pir.path.parent, backends=["onnxruntime"], plan=Plan(quick=True, seconds_each=0)
    )
    assert report.verdict == "agrees"
    assert [row.name for row in report.rows] == ["paddle plain", "onnxruntime"]
    assert "onnxruntime" in report._repr_markdown_()


def test_a_loaded_model_is_not_opened_before_it_is_used(small_pir: Artifact) -> None:
    predictor = pp.load(small_pir.path.parent, "onnxruntime")
    again = pickle.loads(pickle.dumps(predictor))
    assert again.spec == predictor.spec
    feed = small_network.feed(1)
    with predictor, again:
        for name, tensor in predictor.run(feed).items():
            np.testing.assert_array_equal(again.run(feed)[name], tensor)


def test_load_refuses_unknown_names_and_devices(small_pir: Artifact, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="Did you mean 'MobileNetV2'"):
        pp.load("MobilNetV2")
    with pytest.raises(UsageError, match="Did you mean 'openvino'"):
        pp.load(small_pir.path.parent, "openvno")
    with pp.load(small_pir.path.parent) as predictor:
        with pytest.raises(FeedError, match="a mapping of input names to arrays, not"):
            predictor.run(np.zeros((1, 3, 9, 9), np.float32))  # type: ignore[arg-type]
        assert len(repr(predictor.spec)) < 2000
    with pytest.raises(BackendUnavailableError, match="no device 'cuda'"):
        pp.load(small_pir.path.parent, "openvino", device="cuda")


def test_backends_and_models_are_listed() -> None:
    assert {"onnxruntime", "openvino", "paddle"} <= {item.name for item in pp.backends()}
    (card,) = [item for item in pp.models() if item.name == "MobileNetV2"]
    assert card.published["top1"] == pytest.approx(0.722, abs=0.01)


@pytest.mark.slow
def test_seeded_weights_are_warned_of(tmp_path: Path) -> None:
    with pytest.warns(ModelWarning, match="untrained, so its labels mean nothing"):
        done = pp.convert("MobileNetV2_x0_25", tmp_path / "it.onnx", weights="seeded")
    assert done.verdict == "agrees"
    with pytest.warns(ModelWarning, match="untrained"):
        pp.load(done.artifact, "onnxruntime")
    with pytest.warns(ModelWarning, match="untrained"):
        pp.load("MobileNetV2_x0_25", "onnxruntime", weights="seeded")


def test_an_artifact_is_loaded_from_its_own_files(small_pir: Artifact, tmp_path: Path) -> None:
    assert small_pir.weights_file is not None
    program, params = tmp_path / "one.json", tmp_path / "else" / "where.pdiparams"
    params.parent.mkdir()
    program.write_bytes(small_pir.path.read_bytes())
    params.write_bytes(small_pir.weights_file.read_bytes())
    labels = tuple("abcde")
    preprocess = Preprocess(resize_short=12, crop=(9, 9))
    model = replace(small_pir, files=(program, params), labels=labels, preprocess=preprocess)
    feed = small_network.feed(1)
    for backend in ("paddle", "onnxruntime"):
        with pp.load(model, backend) as predictor:
            answers = predictor.run(feed)
            assert (predictor.spec.labels, predictor.spec.preprocess) == (labels, preprocess)
        for found, wanted in zip(answers.values(), small_network.expected(feed["x"]), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-4)
    onnx = pp.convert(small_pir.path, tmp_path / "small.onnx").artifact
    spec = pp.load(replace(onnx, labels=labels, preprocess=preprocess)).spec
    assert (spec.labels, spec.preprocess) == (labels, preprocess)
    assert pp.load(onnx_artifact(onnx.path)).spec.model.provenance == onnx.provenance


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"backend": None}, "backend=None"),
        ({"backend": 3}, "a name of backends.. is taken"),
        ({"threads": "2"}, "threads='2'"),
        ({"threads": 1.5}, "a whole number from 1 on"),
        ({"threads": 0}, "threads=0 is not possible: 1 or more"),
        ({"batch_size": 0}, "batch_size=0 is not possible: 1 or more"),
        ({"batch_size": -1}, "batch_size=-1"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"batch_size": "a"}, "batch_size='a'"),
        ({"opset": "17"}, "opset='17'"),
        ({"device": 0}, "device=0"),
        ({"options": "streams=2"}, "options='streams=2'"),
        ({"options": {"streams": [2]}}, "a text, number or bool is taken"),
        ({"task": "tensors", "task_options": {"name": "a"}}, "unknown tensors option .name"),
        ({"task": 1}, "task=1"),
        ({"model": 5}, "a name, a path or an artifact"),
    ],
)
def test_load_refuses_what_cannot_be(
    small_pir: Artifact, given: dict[str, object], said: str
) -> None:
    arguments = {"model": small_pir, **given}
    with pytest.raises(UsageError, match=said) as raised:
        pp.load(**arguments)  # type: ignore[arg-type]  # a table
    assert "\n" not in str(raised.value)


def test_load_takes_options_as_values(small_pir: Artifact) -> None:
    given: dict[str, bool | int] = {"cache": False, "streams": 1}
    extras = pp.load(small_pir, "openvino", threads=2, options=given).spec.options
    assert extras.extras == {"cache": "false", "streams": "1"}


def test_validate_refuses_an_artifact(small_pir: Artifact) -> None:
    with pytest.raises(UsageError, match=f"the path of a Paddle model, such as {small_pir.path}"):
        pp.validate(small_pir)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(UsageError, match="opset='17'"):
        pp.validate(small_pir.path, opset="17")  # type: ignore[arg-type]  # what is refused


def test_convert_refuses_what_it_cannot_read(small_pir: Artifact, small_onnx: Artifact) -> None:
    wanted = "a name of the zoo, or the path of a Paddle model"
    refused: list[tuple[Any, str]] = [
        (small_pir, f"{wanted}, such as {small_pir.path} is taken"),
        (small_onnx, f"model=Artifact is not possible: {wanted} is taken"),
        (3, f"model=3 .int. is not possible: {wanted}"),
    ]
    for model, said in refused:
        with pytest.raises(UsageError, match=said):
            pp.convert(model)
    with pytest.raises(UsageError, match="opset='17'"):
        pp.convert(small_pir.path, opset="17")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(FeedError, match="mapping"):
        pp.convert(small_pir.path, feed="x.npz")  # type: ignore[arg-type]  # what is refused


def test_task_options_are_those_that_can_be_set() -> None:
    with pytest.raises(UsageError, match=r"Known: topk$"):
        task_named("classification", options={"takes_labels": True})
    for wrong in ("3", 2.5, True):
        with pytest.raises(UsageError, match=r"classification option topk=.*: int is taken"):
            task_named("classification", options={"topk": wrong})
