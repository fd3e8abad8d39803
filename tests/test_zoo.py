import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from test_mobilenet_v2 import PARAMETERS

from paddleport.cli.card_page import describe_feeding
from paddleport.errors import ModelNotFoundError
from paddleport.models.preprocess import Preprocess
from paddleport.models.zoo import card_reader
from paddleport.models.zoo import registry as zoo
from paddleport.models.zoo.card_table import CardTable
from paddleport.models.zoo.model_card import ModelCard

SERIES = (
    "MobileNetV2_x0_25",
    "MobileNetV2_x0_5",
    "MobileNetV2_x0_75",
    "MobileNetV2",
    "MobileNetV2_x1_5",
    "MobileNetV2_x2_0",
    "MobileNetV2_ssld",
)
SCALES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 1.0)


def test_the_whole_series_is_there_in_the_page_s_order() -> None:
    assert tuple(card.name for card in zoo.family_cards("MobileNetV2")) == SERIES


@pytest.mark.parametrize(("name", "scale"), list(zip(SERIES, SCALES, strict=True)))
def test_a_card_says_how_to_feed_the_model(name: str, scale: float) -> None:
    card = zoo.lookup(name)
    assert (card.name, card.arguments) == (name, {"scale": scale})
    assert card.input is not None
    assert (card.input.name, card.input.dtype) == ("x", "float32")
    assert card.input.shape == (None, 3, 224, 224)
    assert card.preprocess == Preprocess(
        resize_short=256,
        resize=None,
        crop=(224, 224),
        interpolation="linear",
        scale=0.00392157,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        channels="RGB",
    )
    assert card.labels is not None and len(card.labels) == card.classes == 1000
    first = card.archives[0].url
    assert first is not None and first.endswith(f"/inference/{name}_infer.tar")
    assert card.checkpoint_url is not None
    assert card.checkpoint_url.endswith(f"/dygraph/{name}_pretrained.pdparams")


# Written down from the series page a second time: top-1, top-5, GFLOPs, M parameters, storage
# in MB, Snapdragon 855 with 1, 2, 4 threads, V100 TensorRT FP32 at batch 1, 4, 8.
PAGE = {
    "MobileNetV2_x0_25": (0.532, 0.765, 0.05, 1.5, 6.1, 3.46, 2.51, 2.03, 0.83, 1.17, 1.78),
    "MobileNetV2_x0_5": (0.65, 0.857, 0.17, 1.93, 7.8, 7.69, 4.92, 3.57, 0.84, 1.45, 2.04),
    "MobileNetV2_x0_75": (0.698, 0.89, 0.35, 2.58, 10, 13.69, 8.6, 5.82, 0.96, 1.62, 2.53),
    "MobileNetV2": (0.722, 0.907, 0.6, 3.44, 14, 20.74, 12.71, 8.1, 1.02, 1.93, 2.89),
    "MobileNetV2_x1_5": (0.741, 0.917, 1.32, 6.76, 26, 40.79, 24.49, 15.5, 1.32, 2.58, 4.14),
    "MobileNetV2_x2_0": (0.752, 0.926, 2.32, 11.13, 43, 67.5, 40.03, 25.55, 1.57, 3.13, 4.76),
    "MobileNetV2_ssld": (0.7674, 0.9339, 0.6, 3.44, 14, 20.71, 12.7, 8.06, 1.01, 1.97, 2.84),
}


@pytest.mark.parametrize("name", SERIES)
def test_every_published_figure_is_on_the_card(name: str) -> None:
    figures = dict(zoo.lookup(name).published)
    found: list[Any] = [figures.pop(key) for key in ("top1", "top5", "gflops", "mparams")]
    found.append(figures.pop("storage_mb"))
    found += [figures["sd855_ms"].pop(key) for key in ("threads1", "threads2", "threads4")]
    found += [figures["v100_trt_fp32_ms"].pop(key) for key in ("batch1", "batch4", "batch8")]
    assert tuple(found) == PAGE[name]
    assert {key for key, value in figures.items() if value != {}} == {
        "reference_top1",
        "reference_top5",
        "source",
        "methodology",
    }
    references = {"MobileNetV2": 0.718, "MobileNetV2_x0_5": 0.654, "MobileNetV2_x0_75": 0.698}
    assert figures["reference_top1"] == references.get(name)


def test_a_caller_cannot_change_the_next_caller_s_card() -> None:
    figures: Any = zoo.lookup("MobileNetV2").published
    figures["sd855_ms"]["threads1"] = 0
    assert zoo.lookup("MobileNetV2").published["sd855_ms"]["threads1"] == 20.74


@pytest.mark.parametrize("name", SERIES)
def test_the_published_size_is_that_of_the_architecture(name: str) -> None:
    # The page counts a little less (3.44 for 3.506): 3 % tell any two of the series apart.
    card = zoo.lookup(name)
    count = PARAMETERS[card.arguments["scale"]]
    assert card.published["mparams"] == pytest.approx(count / 1e6, rel=0.03)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("mobilenetv2", "'MobileNetV2'"),
        ("MobileNetV2 ", "'MobileNetV2'"),
        ("MobilNetV2", "'MobileNetV2'"),
        ("pp-lcnet-x1_0", "'PPLCNet_x1_0'"),
        ("ResNet50vd", "'ResNet50_vd'"),
        ("PP-OCRv5_mobile", "'PP-OCRv5_mobile_det' or 'PP-OCRv5_mobile_rec'"),
        ("yolox", "'YOLOX-L', 'YOLOX-M', 'YOLOX-N' or 'YOLOX-S'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_likely_ones(asked: str, answered: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        zoo.lookup(asked)
    count = len(zoo.names())
    assert str(caught.value) == (
        f"unknown model '{asked}'. Did you mean {answered}? paddleport models --search TEXT looks "
        f"through all {count}"
    )


def test_a_name_like_none_is_answered_with_what_lists_them() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        zoo.lookup("qqq")
    count = len(zoo.names())
    searched = f"paddleport models --search TEXT looks through all {count}"
    assert str(caught.value) == f"unknown model 'qqq'. {searched}"


def test_a_family_is_no_model() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        zoo.lookup("resnet")
    assert str(caught.value) == (
        "unknown model 'resnet', which is a family: paddleport models --family ResNet"
    )
    assert zoo.family_cards("RESNET") == zoo.family_cards("ResNet")
    with pytest.raises(
        ModelNotFoundError, match=r"unknown family 'RessNet'\. Did you mean 'ResNet'"
    ):
        zoo.family_cards("RessNet")


def test_one_model_is_one_card_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred are read when they are listed, and not for every ``convert``."""
    made = []
    read = card_reader._model_card

    def counted(family: CardTable, index: int) -> ModelCard:
        made.append(index)
        return read(family, index)

    monkeypatch.setattr(card_reader, "_model_card", counted)
    assert len(zoo.names()) > 500
    zoo.lookup("PP-OCRv5_mobile_det")
    assert len(made) == 1
    assert len(zoo.cards()) == len(made) - 1


def test_listing_imports_no_library_that_takes_time() -> None:
    heavy = "{'paddle', 'onnx', 'cv2', 'httpx', 'onnxruntime', 'openvino', 'asyncio', 'yaml'}"
    code = (
        "import sys; from paddleport.models.zoo import registry as zoo; "
        "zoo.names(); zoo.lookup('MobileNetV2'); "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pillow_and_a_fourth_channel_are_said() -> None:
    four = Preprocess(resize_backend="pil", interpolation="bicubic", channel_num=4)
    said = describe_feeding(replace(zoo.lookup("MobileNetV2"), preprocess=four))["preprocess"]
    assert said == "short side 256 (bicubic, Pillow), crop 224×224, a fourth channel of zeros, RGB"
