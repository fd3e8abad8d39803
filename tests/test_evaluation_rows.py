"""Which rows an evaluation has: backends, precisions, files, and what is refused before it runs."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_network
from colour_pictures import PREPROCESS, save_classifier
from PIL import Image

import paddleport as pp
from paddleport import runners
from paddleport.convert.evaluation_rows import REFERENCE, evaluation_rows
from paddleport.convert.model_to_evaluate import model_to_evaluate
from paddleport.convert.rows_asked import RowsAsked, check_rows
from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import resolve

DESCRIPTION = """
PreProcess:
  transform_ops:
  - ResizeImage:
      size: [9, 9]
  - NormalizeImage:
      scale: 1.0/255.0
      mean: [0.5, 0.5, 0.5]
      std: [0.5, 0.5, 0.5]
      order: ''
  - ToCHWImage: null
"""


@pytest.fixture
def paddle_model(small_pir: Artifact, tmp_path: Path) -> Path:
    """The small network, which says how pictures are fed."""
    folder = tmp_path / "small"
    folder.mkdir()
    for file in small_pir.files:
        shutil.copy(file, folder / f"inference{file.suffix}")
    (folder / "inference.yml").write_text(DESCRIPTION)
    return folder


def test_a_file_alone_has_a_row_for_every_backend_that_loads_it(tmp_path: Path) -> None:
    file = save_classifier(tmp_path / "m.onnx", described=True).path
    asked = RowsAsked(files=(file,), reference=False)
    rows = {row.name: row for row in evaluation_rows(asked, PREPROCESS, None)}
    assert rows["onnxruntime m.onnx"].sources
    assert "reference m.onnx" not in rows  # float64, and slow: only where it is named
    assert rows["paddle"].skipped.startswith("paddle runs Paddle's own program")
    for name in runners.default_names():
        if runners.why_not(name):
            assert rows[name].skipped == runners.why_not(name)
    asked = RowsAsked(files=(file,), reference=False, backends=("reference",))
    assert [row.name for row in evaluation_rows(asked, PREPROCESS, None)] == ["reference m.onnx"]


def test_precisions_of_files_that_are_given_are_the_runtime_s_own(tmp_path: Path) -> None:
    file = save_classifier(tmp_path / "m.onnx", described=True).path
    asked = RowsAsked(files=(file,), reference=False, backends=("openvino",))
    two = replace(asked, precisions=("fp32", "bf16"))
    found = evaluation_rows(two, PREPROCESS, None)
    assert [row.name for row in found] == ["openvino m.onnx fp32", "openvino m.onnx bf16"]
    assert [len(row.sources) for row in found] == [1, 1]
    with pytest.raises(BackendUnavailableError, match="does not compute in fp16"):
        evaluation_rows(replace(asked, precisions=("fp16",)), PREPROCESS, None)


def test_files_of_one_name_are_rows_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = (
        save_classifier(tmp_path / name / "m.onnx", described=True).path for name in ("a", "b")
    )
    again = tmp_path / "a" / ".." / "b" / "m.onnx"
    asked = RowsAsked(files=(one, other, again), reference=False, backends=("onnxruntime",))
    found = evaluation_rows(asked, PREPROCESS, None)
    assert [row.name for row in found] == ["onnxruntime a/m.onnx", "onnxruntime b/m.onnx"]
    made = [row.sources[0].make().path.parent.name for row in found]
    assert made == ["a", "b"]


def test_a_file_of_another_preprocessing_is_refused(tmp_path: Path) -> None:
    file = save_classifier(tmp_path / "m.onnx", described=True).path
    asked = RowsAsked(files=(file,), reference=False, backends=("onnxruntime",))
    with pytest.raises(UsageError, match="was converted for another preprocessing"):
        evaluation_rows(asked, replace(PREPROCESS, channels="BGR"), None)


def test_what_is_not_to_be_had_is_said_before_anything_is_converted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(BackendUnavailableError, match="tensorrt can't be used here"):
        check_rows(RowsAsked(backends=("tensorrt",)))
    with pytest.raises(UsageError, match="unknown option"):
        check_rows(RowsAsked(backends=("onnxruntime",), extras={"colour": "red"}))
    check_rows(RowsAsked(backends=("onnxruntime",), extras={"onednn": "false"}))  # Paddle's
    monkeypatch.setattr(runners, "why_not", lambda name: "planted" if name == "paddle" else "")
    with pytest.raises(BackendUnavailableError, match="planted; or leave it out: --no-reference"):
        check_rows(RowsAsked())
    check_rows(RowsAsked(reference=False))


def test_native_paddle_alone_needs_no_conversion(
    paddle_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(*given: object, **more: object) -> None:
        raise AssertionError("nothing is to be converted")

    monkeypatch.setattr("paddleport.convert.artifact_cache.cached_onnx", planted)
    random, tensors, labels = np.random.default_rng(0), [], []
    for index in range(12):
        picture = random.integers(0, 256, (9, 9, 3)).astype(np.uint8)
        label = index % 5
        (tmp_path / "val" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "val" / str(label) / f"{index}.png")
        tensors.append((picture / 255 - 0.5).transpose(2, 0, 1) / 0.5)
        labels.append(label)
    report = pp.evaluate(
        paddle_model, tmp_path / "val", backends=["paddle"], batch_size=5, out=tmp_path / "out"
    )
    assert [row.name for row in report.rows] == [REFERENCE]
    logits, _ = small_network.expected(np.stack(tensors))  # 5 classes; the first output counts
    assert report.rows[0].top1.right == int((logits.argmax(axis=1) == labels).sum())
    assert report.data.pictures == 12
    (row,) = evaluation_rows(RowsAsked(backends=("paddle",)), PREPROCESS, resolve(paddle_model))
    assert "onednn=false" in row.advice


def test_the_published_figure_is_not_of_a_model_with_other_classes(paddle_model: Path) -> None:
    """As where a checkpoint with a classifier for ten classes is the weights of a zoo's name."""
    own, _, _ = model_to_evaluate("MobileNetV2", reference=True, weights=str(paddle_model))
    assert own.classes != 1000
    assert own.published == {}
