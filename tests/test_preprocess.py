"""The tensor is PaddleClas's, bit for bit: held against a straight-line statement of its rules."""

import json
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from paddleport.errors import FeedError, ImageError, ModelFileError, UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing.prepare_image import preprocess_image, stack_pictures

Picture = NDArray[np.uint8]

CV2_FLAGS = {"nearest": 0, "linear": 1, "cubic": 2, "area": 3, "lanczos4": 4}

SIZES = [  # (height, width)
    (1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (2, 3), (17, 31), (31, 17), (223, 224),
    (224, 224), (255, 257), (256, 256), (257, 255), (256, 257), (480, 640), (640, 480),
    (512, 513), (513, 512), (375, 500), (333, 500), (500, 333), (768, 1025), (100, 1000),
    (997, 101), (1080, 1920), (2, 700),
]  # fmt: skip


def noise(height: int, width: int, seed: int = 0) -> Picture:
    random = np.random.default_rng((seed, height, width))
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def straight_line(
    bgr: Picture,
    *,
    resize_short: int | None = 256,
    resize_hw: tuple[int, int] | None = None,
    crop_hw: tuple[int, int] | None = (224, 224),
    interpolation: str = "linear",
    scale: float = 0.00392157,
    mean: tuple[float, ...] = (0.485, 0.456, 0.406),
    std: tuple[float, ...] = (0.229, 0.224, 0.225),
    rgb: bool = True,
) -> NDArray[np.float32]:
    """PaddleClas's ``deploy/python/preprocess.py`` and ``predict_cls.py``, step after step."""
    image: Any = np.array(bgr[:, :, ::-1] if rgb else bgr)
    height, width = image.shape[0], image.shape[1]
    if resize_short is not None:
        percent = float(resize_short) / min(width, height)
        w = int(round(width * percent))  # noqa: RUF046  # as PaddleClas writes it
        h = int(round(height * percent))  # noqa: RUF046
        image = cv2.resize(image, (w, h), interpolation=CV2_FLAGS[interpolation])
    elif resize_hw is not None:
        h, w = resize_hw
        image = cv2.resize(image, (w, h), interpolation=CV2_FLAGS[interpolation])
    if crop_hw is not None:
        h, w = crop_hw
        h_start = (image.shape[0] - h) // 2
        w_start = (image.shape[1] - w) // 2
        image = image[h_start : h_start + h, w_start : w_start + w, :]
    tensor = np.zeros((3, image.shape[0], image.shape[1]), np.float32)
    for channel in range(3):
        plane = image[:, :, channel].astype("float32")
        plane = plane * np.float32(scale)
        plane = plane - np.float32(mean[channel])
        plane = plane / np.float32(std[channel])
        tensor[channel] = plane
    return tensor


def assert_same_bits(one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    assert one.dtype == other.dtype == np.float32
    assert one.shape == other.shape
    assert np.array_equal(one.view(np.uint32), other.view(np.uint32))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_default_is_paddleclas_bit_for_bit(size: tuple[int, int]) -> None:
    image = noise(*size)
    tensor = preprocess_image(image, Preprocess())
    assert tensor.flags.c_contiguous and tensor.shape == (3, 224, 224)
    assert_same_bits(tensor, straight_line(image))


@pytest.mark.parametrize("interpolation", CV2_FLAGS)
@pytest.mark.parametrize("size", [(1, 1), (61, 97), (240, 320), (512, 513)])
def test_every_interpolation(size: tuple[int, int], interpolation: str) -> None:
    image = noise(*size)
    rules = replace(Preprocess(), interpolation=interpolation)  # type: ignore[arg-type]
    assert_same_bits(
        preprocess_image(image, rules), straight_line(image, interpolation=interpolation)
    )


def test_many_random_sizes_and_rules() -> None:
    random = np.random.default_rng(2)
    for seed in range(60):
        height, width, short, side = (int(n) for n in random.integers(1, 400, 4))
        crop = (min(short, side), min(short, side + 3))
        bgr = bool(random.integers(2))
        rules = Preprocess(
            resize_short=short,
            crop=crop if random.integers(2) else None,
            scale=1.0 / 255.0,
            mean=(0.5, 0.4, 0.3),
            std=(0.5, 0.25, 0.2),
            channels="BGR" if bgr else "RGB",
        )
        image = noise(height, width, seed)
        expected = straight_line(
            image,
            resize_short=short,
            crop_hw=rules.crop,
            scale=1.0 / 255.0,
            mean=rules.mean,
            std=rules.std,
            rgb=not bgr,
        )
        assert_same_bits(preprocess_image(image, rules), expected)


def test_a_fixed_size_is_height_then_width() -> None:
    image = noise(77, 55)
    rules = Preprocess(resize_short=None, resize=(48, 192), crop=None)
    tensor = preprocess_image(image, rules)
    assert tensor.shape == (3, 48, 192)
    expected = straight_line(image, resize_short=None, resize_hw=(48, 192), crop_hw=None)
    assert_same_bits(tensor, expected)


def test_no_resize_and_no_crop_only_normalizes() -> None:
    image = noise(5, 7)
    rules = Preprocess(resize_short=None, crop=None)
    assert_same_bits(
        preprocess_image(image, rules), straight_line(image, resize_short=None, crop_hw=None)
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"channels": "BGR"},
        {"scale": 1.0 / 255.0},
        {"interpolation": "cubic"},
        {"resize_short": 257},
        {"std": (0.229, 0.224, 0.225000016)},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_the_comparison_sees_a_planted_fault(fault: dict[str, object]) -> None:
    image = noise(300, 400)
    wrong = replace(Preprocess(), **fault)  # type: ignore[arg-type]
    assert not np.array_equal(preprocess_image(image, wrong), straight_line(image))


def test_the_side_is_rounded_to_even_at_one_half() -> None:
    # 512 x 513: 513 * 0.5 = 256.5, which Python rounds to 256 and C to 257
    rules = replace(Preprocess(), crop=None)
    assert preprocess_image(noise(512, 513), rules).shape == (3, 256, 256)
    assert preprocess_image(noise(512, 515), rules).shape == (3, 256, 258)


def test_the_crop_is_rounded_down() -> None:
    image = np.zeros((3, 5, 3), np.uint8)
    image[0, 1] = 255
    rules = Preprocess(resize_short=None, crop=(2, 2), scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    assert preprocess_image(image, rules)[0].tolist() == [[255.0, 0.0], [0.0, 0.0]]


def test_a_picture_smaller_than_the_crop_is_an_error() -> None:
    with pytest.raises(ImageError, match=r"cat.jpg is 64x32 pixels .* takes 224x224"):
        rules = replace(Preprocess(), resize_short=None)
        preprocess_image(noise(32, 64), rules, name="cat.jpg")


def test_a_thin_picture_is_refused_before_memory_is_taken() -> None:
    # 1 x 100000 would become 256 x 25,600,000
    with pytest.raises(ImageError, match="25600000x256"):
        preprocess_image(noise(1, 100_000), Preprocess())


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
    ids=["grey", "alpha", "empty", "float"],
)
def test_only_bgr_bytes_are_taken(image: Picture) -> None:
    with pytest.raises(ImageError, match=r"not uint8 \[height, width, 3\]"):
        preprocess_image(image, Preprocess())


def test_the_picture_is_left_as_it_was() -> None:
    image = noise(30, 40)
    before = image.copy()
    tensor = preprocess_image(image, Preprocess(resize_short=None, crop=None))
    tensor[:] = 0
    assert np.array_equal(image, before)


def test_a_batch_takes_one_size() -> None:
    one = preprocess_image(noise(30, 40), Preprocess())
    assert stack_pictures([one, one]).shape == (2, 3, 224, 224)
    with pytest.raises(FeedError, match=r"one size"):
        stack_pictures([one, one[:, :100]])
    with pytest.raises(FeedError, match="nothing"):
        stack_pictures([])


def test_the_rules_travel_through_json() -> None:
    for rules in (
        Preprocess(),
        Preprocess(resize_short=None, resize=(48, 192), crop=None, channels="BGR", scale=1 / 255),
    ):
        assert Preprocess.from_dict(json.loads(json.dumps(rules.to_dict()))) == rules


@pytest.mark.parametrize(
    "change",
    [
        {"gamma": 2.2},
        {"scale": "1.0/255.0"},
        {"scale": float("nan")},
        {"scale": True},
        {"mean": [0.5, 0.5]},
        {"std": [0.5, 0.0, 0.5]},
        {"crop": [224]},
        {"crop": [224, -1]},
        {"crop": 224},
        {"resize": [224, 224]},  # and resize_short as well
        {"resize_short": 0},
        {"resize_short": 10**9},
        {"interpolation": "pil"},
        {"channels": "GRB"},
    ],
    ids=str,
)
def test_rules_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ModelFileError):
        Preprocess.from_dict({**Preprocess().to_dict(), **change})


def test_missing_rules_are_not_guessed() -> None:
    values = Preprocess().to_dict()
    del values["mean"]
    with pytest.raises(ModelFileError, match="mean"):
        Preprocess.from_dict(values)
    nonsense: tuple[Any, ...] = (None, [], "Preprocess()", 3)
    for value in nonsense:
        with pytest.raises(ModelFileError):
            Preprocess.from_dict(value)


def test_rules_are_checked_when_they_are_written() -> None:
    with pytest.raises(UsageError, match="not both"):
        Preprocess(resize=(224, 224))
