import subprocess
import sys
from typing import Any

import pytest

from paddleport.cli.models import _feeding
from paddleport.errors import ModelNotFoundError
from paddleport.models.preprocess import Preprocess
from paddleport.models.zoo import registry as zoo
from paddleport.models.zoo.architecture import load_architecture

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
    assert zoo.names() == SERIES


@pytest.mark.parametrize(("name", "scale"), list(zip(SERIES, SCALES, strict=True)))
def test_a_card_says_how_to_feed_the_model(name: str, scale: float) -> None:
    card = zoo.lookup(name)
    assert (card.name, card.arguments) == (name, {"scale": scale})
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
    (archive,) = card.archives
    assert archive.url.endswith(f"/inference/{name}_infer.tar")
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
    entries = load_architecture(card).state_entries(card.arguments, 1000)
    count = sum(entry.size for entry in entries if entry.trainable)
    assert card.published["mparams"] == pytest.approx(count / 1e6, rel=0.03)


@pytest.mark.parametrize("asked", ["mobilenetv2", "MobileNetV2 ", "MobilNetV2"])
def test_an_unknown_name_is_answered_with_the_likely_one_and_the_list(asked: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        zoo.lookup(asked)
    message = str(caught.value)
    assert message.startswith(f"unknown model '{asked}'. Did you mean 'MobileNetV2'? Known: ")
    assert all(name in message for name in SERIES)
    assert "\n" not in message


def test_listing_imports_no_library_that_takes_time() -> None:
    heavy = "{'paddle', 'onnx', 'cv2', 'httpx', 'onnxruntime', 'openvino', 'asyncio'}"
    code = (
        "import sys; from paddleport.models.zoo import registry as zoo; "
        "zoo.names(); zoo.lookup('MobileNetV2'); "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pillow_and_a_fourth_channel_are_said() -> None:
    four = Preprocess(resize_backend="pil", interpolation="bicubic", channel_num=4)
    said = _feeding(four)["preprocess"]
    assert said == "short side 256 (bicubic, Pillow), crop 224×224, a fourth channel of zeros, RGB"
