"""Other people's preprocessing against ours: what was planted is what is named, and only that."""

import importlib.resources
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from planted_pipelines import IMAGENET, Pipeline

from paddleport.errors import FeedError
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.tensors import Array
from paddleport.validate.input_diff.explain import explain_input
from paddleport.validate.input_diff.explanation import Explanation

PICTURES = ("chelsea", "coffee", "rocket", "astronaut", "portrait", "small", "drawn")
HALF = (0.5, 0.5, 0.5)
NONE, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
FAULTS: dict[str, tuple[Pipeline, set[str]]] = {
    "BGR": (Pipeline(order="BGR"), {"channel order"}),
    "grey": (Pipeline(order="grey"), {"channel order"}),
    "NHWC": (Pipeline(layout="NHWC"), {"layout"}),
    "bytes reshaped": (Pipeline(layout="HWC reshaped to NCHW"), {"layout"}),
    "mirrored": (Pipeline(turn="mirrored"), {"turn"}),
    "clockwise": (Pipeline(turn_after="clockwise"), {"turn"}),
    "0 to 1": (Pipeline(mean=NONE, std=ONE), {"mean", "std"}),
    "bytes": (Pipeline(scale=1.0, mean=NONE, std=ONE), {"scale", "mean", "std"}),
    "Keras": (Pipeline(scale=1 / 127.5, mean=ONE, std=ONE), {"mean", "std"}),
    "Caffe": (
        Pipeline(order="BGR", scale=1.0, mean=(103.939, 116.779, 123.68), std=ONE),
        {"channel order", "scale", "mean", "std"},
    ),
    "twice": (Pipeline(twice=True), {"mean", "std"}),
    "inverted": (Pipeline(inverted=True), {"sign"}),
    "std forgotten": (Pipeline(std=ONE), {"std"}),
    "reversed": (Pipeline(mean=IMAGENET[0][::-1], std=IMAGENET[1][::-1]), {"mean", "std"}),
    "area": (Pipeline(kernel="cv2 area"), {"interpolation"}),
    "nearest": (Pipeline(kernel="cv2 nearest"), {"interpolation"}),
    "Pillow bicubic": (Pipeline(kernel="pil bicubic"), {"interpolation"}),
    "squashed": (Pipeline(resize=("exact", 224, 224)), {"resize"}),
    "short side 232": (Pipeline(resize=("short", 232, "round")), {"resize"}),
    "letterbox": (Pipeline(resize=("letterbox", 224, 224)), {"resize", "filling"}),
    "top left": (Pipeline(corner="top left"), {"crop"}),
    "off by one": (Pipeline(shift=(1, -1)), {"crop"}),
}  # fmt: skip
WITHOUT_CROP = ("squashed", "letterbox", "small")


@cache
def picture(name: str) -> Array:
    """[H, W, 3] uint8 BGR."""
    if name == "portrait":
        return np.ascontiguousarray(picture("coffee").transpose(1, 0, 2)[:, :333])
    if name == "small":
        return np.asarray(cv2.resize(picture("rocket"), (150, 101), interpolation=cv2.INTER_AREA))
    if name == "drawn":
        return draw_picture(5, (301, 511))
    suffix = ".jpg" if name == "rocket" else ".png"
    file = importlib.resources.files("skimage") / "data" / f"{name}{suffix}"
    return np.asarray(cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR))


def explained(name: str, pipeline: Pipeline) -> Explanation:
    return explain_input(picture(name), pipeline.apply(picture(name)), Preprocess())


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_pipeline(name: str) -> None:
    found = explained(name, Pipeline())
    assert (found.verdict, found.exact, found.parts) == ("same", True, ())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["chelsea", "portrait"])
def test_one_fault_is_named_and_nothing_else(name: str, fault: str) -> None:
    pipeline, parts = FAULTS[fault]
    found = explained(name, pipeline)
    assert (found.verdict, set(found.parts)) == ("explained", parts), found.sentence


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["coffee", "rocket", "astronaut", "drawn"])
def test_one_fault_on_more_pictures(name: str, fault: str) -> None:
    pipeline, parts = FAULTS[fault]
    if np.array_equal(pipeline.apply(picture(name)), Pipeline().apply(picture(name))):
        # at exactly half the size OpenCV's linear is its area
        assert (name, fault) == ("astronaut", "area")
        assert explained(name, pipeline).verdict == "same"
        return
    if (name, fault) == ("astronaut", "letterbox"):
        parts = {"resize"}  # nothing to fill around a square
    found = explained(name, pipeline)
    assert (found.verdict, set(found.parts)) == ("explained", parts), found.sentence


def test_torchvision_s_recipe_differs_where_it_does() -> None:
    torchvision = Pipeline(
        resize=("short", 256, "down"), corner="torchvision", kernel="pil bilinear", scale=1 / 255
    )
    found = explained("chelsea", torchvision)  # 300 x 451: the long side is 384, not 385
    assert (found.verdict, set(found.parts)) == ("explained", {"resize", "interpolation"})
    assert any("1/255" in note for note in found.notes)


@pytest.mark.slow
def test_several_faults_at_once() -> None:
    """Two and three of the table together, except where one hides the other."""
    generator = random.Random(2026)
    right = total = 0
    names = [name for name, (_, parts) in FAULTS.items() if not parts & {"mean", "std", "scale"}]
    wrong = []
    while total < 24:
        chosen = generator.sample(names, generator.choice((2, 3)))
        pipelines = [FAULTS[name][0] for name in chosen]
        changes: dict[str, object] = {}
        for pipeline in pipelines:
            for key, value in vars(pipeline).items():
                if value != getattr(Pipeline(), key):
                    changes.setdefault(key, value)
        parts = set[str]().union(*(FAULTS[name][1] for name in chosen))
        clash = len(parts) < sum(len(FAULTS[name][1]) for name in chosen)
        if clash or ({"resize", "crop"} <= parts and set(chosen) & set(WITHOUT_CROP)):
            continue
        total += 1
        found = explained(generator.choice(("chelsea", "coffee", "portrait")), Pipeline(**changes))  # type: ignore[arg-type]  # one table of faults
        if (found.verdict, set(found.parts)) == ("explained", parts):
            right += 1
        else:
            wrong.append((chosen, found.parts, found.sentence))
    assert right >= 0.9 * total, wrong


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["another picture", "noise", "blurred", "brighter"])
def test_what_no_combination_makes_is_called_that(kind: str) -> None:
    whole = picture("coffee")
    tensors: dict[str, Callable[[], Array]] = {
        "another picture": lambda: Pipeline().apply(picture("chelsea")),
        "noise": lambda: np.random.default_rng(0).normal(size=(1, 3, 224, 224)),
        "blurred": lambda: Pipeline().apply(np.asarray(cv2.GaussianBlur(whole, (0, 0), 1.0))),
        "brighter": lambda: Pipeline().apply(np.clip(whole * 1.2 + 10, 0, 255).astype(np.uint8)),
    }
    found = explain_input(whole, tensors[kind]().astype(np.float32), Preprocess())
    assert found.verdict == "unexplained", found.sentence
    assert found.sentence.startswith("No combination reproduces")


def test_a_picture_of_one_colour_cannot_tell() -> None:
    flat = np.full((300, 400, 3), (10, 120, 200), np.uint8)
    assert (
        explain_input(flat, Pipeline(order="BGR").apply(flat), Preprocess()).verdict == "ambiguous"
    )
    grey = np.repeat(picture("chelsea")[:, :, :1], 3, axis=2)
    assert explain_input(grey, Pipeline(order="BGR").apply(grey), Preprocess()).verdict == "same"


def test_a_row_of_a_batch_and_other_types() -> None:
    batch = np.stack([Pipeline(order="BGR").apply(picture(name)) for name in ("coffee", "rocket")])
    found = explain_input(picture("rocket"), batch, Preprocess())
    assert (found.row, found.parts) == (1, ("channel order",))
    assert found.sentence.startswith("Row 1 of your batch is BGR")
    half = explained("coffee", Pipeline(dtype="float16"))
    assert half.verdict == "same"
    assert any("float16" in note for note in half.notes)


BY_PILLOW = Preprocess(
    resize_short=248, resize_backend="pil", interpolation="bicubic", scale=1 / 255
)
OURS = Pipeline(resize=("short", 248, "round"), kernel="pil bicubic", scale=1 / 255)


@pytest.mark.parametrize(
    ("kernel", "named"),
    [
        ("pil bicubic", ""),
        ("cv2 cubic", "cubic (OpenCV)"),
        ("cv2 linear", "linear (OpenCV)"),
        ("pil bilinear", "bilinear (Pillow, antialiased)"),
        ("cv2-float cubic", "cubic (on floats)"),
    ],
)
def test_what_takes_the_place_of_pillow(kernel: str, named: str) -> None:
    tensor = replace(OURS, kernel=kernel).apply(picture("chelsea"))
    found = explain_input(picture("chelsea"), tensor, BY_PILLOW)
    if not named:
        assert (found.verdict, found.exact, found.parts) == ("same", True, ())
        return
    assert (found.verdict, found.parts) == ("explained", ("interpolation",)), found.sentence
    assert f"resized with {named} instead of bicubic (Pillow, antialiased)" in found.sentence


def test_a_fourth_channel_of_zeros_is_looked_past() -> None:
    tensor = replace(OURS, kernel="cv2 cubic").apply(picture("chelsea"))
    four = replace(BY_PILLOW, channel_num=4)
    padded = np.concatenate([tensor, np.zeros_like(tensor[:1])])
    assert explain_input(picture("chelsea"), padded, four).parts == ("interpolation",)
    with pytest.raises(FeedError, match="fourth channel is not the zeros"):
        explain_input(picture("chelsea"), padded + 1, four)
