"""The fast preprocessing gives the bits of the plain one, whatever the rules and the picture."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from paddleport.errors import FeedError, ImageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing import crop_and_normalize
from paddleport.runners.preprocessing.crop_and_normalize import normalization_table
from paddleport.runners.preprocessing.prepare_image import (
    crop_image,
    fed_picture,
    preprocess_image,
    stack_pictures,
)
from paddleport.tensors import TensorSpec

Picture = NDArray[np.uint8]
Tensor = NDArray[np.float32]

INTERPOLATIONS = ("nearest", "linear", "cubic", "area", "lanczos4")


def plain_crop(image: Picture, rules: Preprocess) -> Picture:
    """Resized whole, then cropped, then turned: what the package did before it was fast."""
    height, width = image.shape[:2]
    size: tuple[int, int] | None = rules.resize
    if rules.resize_short is not None:
        percent = float(rules.resize_short) / min(width, height)
        size = (round(height * percent), round(width * percent))
    made: Any = image
    if size is not None:
        flag = getattr(cv2, f"INTER_{rules.interpolation.upper()}")
        made = cv2.resize(image, (size[1], size[0]), interpolation=flag)
    if rules.crop is not None:
        height, width = rules.crop
        top, left = (made.shape[0] - height) // 2, (made.shape[1] - width) // 2
        made = made[top : top + height, left : left + width]
    return np.asarray(made[:, :, ::-1] if rules.channels == "RGB" else made)


def plain(image: Picture, rules: Preprocess) -> Tensor:
    scale, mean, std = (np.asarray(v, np.float32) for v in (rules.scale, rules.mean, rules.std))
    with np.errstate(all="ignore"):
        made = (plain_crop(image, rules).astype(np.float32) * scale - mean) / std
    return np.ascontiguousarray(made.transpose(2, 0, 1))


def same_bits(image: Picture, rules: Preprocess) -> None:
    expected = plain(image, rules)
    batch = np.full((2, *expected.shape), 7, np.float32)
    made = preprocess_image(image, rules, out=batch[1])
    assert made.shape == expected.shape and made.dtype == np.float32
    assert np.array_equal(made.view(np.uint32), expected.view(np.uint32))
    assert np.array_equal(batch[1].view(np.uint32), expected.view(np.uint32)), "not in the batch"
    assert (batch[0] == 7).all()
    alone = preprocess_image(image, rules)
    assert alone.flags.c_contiguous
    assert np.array_equal(alone.view(np.uint32), expected.view(np.uint32))
    assert np.array_equal(crop_image(image, rules), plain_crop(image, rules))


def noise(height: int, width: int, seed: int = 0) -> Picture:
    random = np.random.default_rng((seed, height, width))
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


NUMBERS = st.one_of(
    st.sampled_from((0.0, -0.0, 1.0, 1 / 255, 0.00392157, -1.0, 255.0, 1e-44, 3e38, 1e-20)),
    st.floats(-1e6, 1e6, width=32),
)
DIVISORS = NUMBERS.filter(lambda value: np.float32(value) != 0)


@st.composite
def rules_and_sizes(draw: st.DrawFn) -> tuple[Preprocess, tuple[int, int], int]:
    height, width = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    short = resize_to = crop = None
    way = draw(st.sampled_from(("short", "exact", "divided", "none")))
    if way == "short":
        short = draw(st.integers(1, min(120, 40 * min(height, width))))
    elif way == "exact":
        resize_to = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    elif way == "divided":  # whole factors are other paths of OpenCV, and two of ours
        times, other = draw(st.sampled_from((1, 2, 3, 4, 8))), draw(st.integers(1, 4))
        resize_to = draw(st.integers(1, 60)), draw(st.integers(1, 60))
        height, width = resize_to[0] * times, resize_to[1] * other
    rules = Preprocess(resize_short=short, resize=resize_to, crop=None)
    full = crop_and_normalize.resized_size(height, width, rules)
    if draw(st.booleans()):
        crop = draw(st.integers(1, full[0])), draw(st.integers(1, full[1]))
    rules = replace(
        rules,
        crop=crop,
        interpolation=draw(st.sampled_from((*INTERPOLATIONS, "linear", "linear"))),
        channels=draw(st.sampled_from(("RGB", "BGR"))),
        scale=draw(NUMBERS),
        mean=draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)),
        std=draw(st.tuples(DIVISORS, DIVISORS, DIVISORS)),
    )
    return rules, (height, width), draw(st.integers(0, 9))


@given(rules_and_sizes())
@settings(max_examples=300, deadline=None)
def test_any_rules_any_size(case: tuple[Preprocess, tuple[int, int], int]) -> None:
    rules, size, seed = case
    if np.prod(crop_and_normalize.resized_size(*size, rules), dtype=float) < 3e6:
        same_bits(noise(*size, seed), rules)


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(
    "size", [(512, 512), (1024, 512), (3000, 4000), (1080, 1920), (257, 300), (225, 1999)], ids=str
)
def test_photos(size: tuple[int, int], interpolation: Any, channels: Any) -> None:
    rules = Preprocess(interpolation=interpolation, channels=channels)
    same_bits(noise(*size), rules)


VIEWS: dict[str, Callable[[Picture], Picture]] = {
    "mirrored": lambda picture: picture[:, ::-1],
    "upside down": lambda picture: picture[::-1],
    "transposed": lambda picture: picture.transpose(1, 0, 2),
    "channels turned": lambda picture: picture[:, :, ::-1],
    "every other": lambda picture: picture[::2, ::3],
    "a part": lambda picture: picture[3:-5, 7:-2],
    "planar": lambda picture: np.ascontiguousarray(picture.transpose(2, 0, 1)).transpose(1, 2, 0),
    "one row for all": lambda picture: np.broadcast_to(picture[:1], picture.shape),
    "one pixel": lambda picture: picture[:1, :1],
    "one column": lambda picture: picture[:, 5:6],
    "read only": lambda picture: np.frombuffer(picture.tobytes(), np.uint8).reshape(picture.shape),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "rules",
    [
        Preprocess(resize_short=None, crop=None),
        Preprocess(resize_short=None, crop=(1, 1), channels="BGR"),
        Preprocess(resize_short=20, crop=(16, 18)),
        Preprocess(resize_short=None, resize=(9, 30), crop=(9, 7)),
    ],
    ids=["as it is", "one pixel", "short", "exact"],
)
def test_views_that_are_strided_in_any_way(view: str, rules: Preprocess) -> None:
    same_bits(VIEWS[view](noise(64, 90)), rules)


def test_minus_zero_is_not_zero() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    for mean in (0.0, -0.0):
        rules = Preprocess(
            resize_short=None, resize=None, crop=None, scale=-1.0, mean=(mean,) * 3, std=(1.0,) * 3
        )
        same_bits(picture, rules)


def test_values_that_overflow_warn_no_more_than_they_must() -> None:
    same_bits(
        noise(4, 4),
        Preprocess(resize_short=None, resize=None, crop=None, scale=1e38, mean=(0.0,) * 3),
    )


def test_nobody_can_change_a_table() -> None:
    with pytest.raises(ValueError, match="read-only"):
        normalization_table(Preprocess())[0, 0] = 1


@pytest.mark.parametrize(
    "out",
    [
        np.empty((3, 224, 223), np.float32),
        np.empty((3, 224, 224), np.float64),
        np.empty((3, 224, 448), np.float32)[:, :, ::2],
    ],
    ids=["size", "type", "strides"],
)
def test_a_place_that_does_not_fit_is_refused(out: Any) -> None:
    out[:] = 5
    with pytest.raises(FeedError, match=r"cat.jpg comes to float32 \[3, 224, 224\]"):
        preprocess_image(noise(300, 300), Preprocess(), name="cat.jpg", out=out)
    assert (out == 5).all()


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_pixels_for_a_model_that_normalizes_itself(channels: Any) -> None:
    spec = TensorSpec("x", "uint8", (None, 224, 224, 3))
    rules = Preprocess(channels=channels)
    fed = fed_picture(noise(400, 300), rules, spec)
    assert fed.flags.c_contiguous and fed.dtype == np.uint8
    assert np.array_equal(fed, plain_crop(noise(400, 300), rules))


def test_a_batch_of_one_is_not_copied() -> None:
    one = preprocess_image(noise(300, 300), Preprocess())
    assert np.shares_memory(stack_pictures([one]), one)
    two = stack_pictures([one, one])
    assert two.shape == (2, 3, 224, 224) and not np.shares_memory(two, one)


def test_only_the_crop_is_resized_here() -> None:
    """Otherwise the tests above say nothing about it."""
    assert crop_and_normalize.partial_resize_is_exact()
    for size, full in (((512, 512), (256, 256)), ((3000, 4000), (256, 341))):
        corner = (full[0] - 224) // 2, (full[1] - 224) // 2
        assert crop_and_normalize.resized_part(noise(*size), full, corner, (224, 224)) is not None


@st.composite
def parts(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    full = draw(st.integers(1, 80)), draw(st.integers(1, 80))
    grown = st.sampled_from((0, 1, 1, 2, 3, 40)), st.integers(1, 9)
    have = tuple(side * draw(grown[1]) + draw(grown[0]) for side in full)
    corner = tuple(draw(st.integers(0, side - 1)) for side in full)
    crop = tuple(draw(st.integers(1, side - at)) for side, at in zip(full, corner, strict=True))
    return have, full, corner, crop  # type: ignore[return-value]  # all are pairs


@given(parts())
@example(((166, 141), (165, 140), (5, 1), (26, 3)))  # a part that keeps its size is copied
@example(((357, 321), (356, 320), (0, 0), (66, 21)))
@settings(max_examples=1000, deadline=None)
def test_any_part_of_any_picture(case: tuple[tuple[int, int], ...]) -> None:
    have, full, corner, crop = case
    image = noise(*have)
    part = crop_and_normalize.resized_part(image, full, corner, crop)
    whole = cv2.resize(image, (full[1], full[0]), interpolation=cv2.INTER_LINEAR)
    rows, columns = (slice(at, at + n) for at, n in zip(corner, crop, strict=True))
    assert part is None or np.array_equal(part, whole[rows, columns])


def test_a_part_begun_between_pixels_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(have: int, full: int, first: int, count: int) -> tuple[slice, int]:
        start = first * have // full
        return slice(start, min(have, start + (count + 1) * have // full + 2)), 0

    monkeypatch.setattr(crop_and_normalize, "_source_span", begun)
    assert not crop_and_normalize.partial_resize_is_exact.__wrapped__()
    monkeypatch.setattr(crop_and_normalize, "partial_resize_is_exact", lambda: True)
    with pytest.raises(AssertionError):
        same_bits(noise(1000, 1500), Preprocess())


def test_an_opencv_that_resizes_parts_otherwise_gets_whole_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = cv2.resize

    def other(image: Any, size: Any, **options: Any) -> Any:
        made = honest(image, size, **options)
        return made if "fx" not in options else made ^ 1

    monkeypatch.setattr(cv2, "resize", other)
    crop_and_normalize.partial_resize_is_exact.cache_clear()
    try:
        same_bits(noise(600, 800), Preprocess())
    finally:
        crop_and_normalize.partial_resize_is_exact.cache_clear()


def test_the_order_of_the_errors_stays() -> None:
    with pytest.raises(ImageError, match="would be resized"):
        preprocess_image(noise(1, 100_000), Preprocess(crop=(300, 300)))
    with pytest.raises(ImageError, match=r"20x10 pixels after resizing, .* takes 30x11"):
        rules = Preprocess(resize_short=None, resize=(10, 20), crop=(11, 30))
        preprocess_image(noise(5, 5), rules)
