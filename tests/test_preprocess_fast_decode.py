"""Reduced-size decoding: only when asked, only where it is still resized down, always measured."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from paddleport.errors import ImageError
from paddleport.models.preprocess import Preprocess
from paddleport.models.synthetic.samples import draw_picture
from paddleport.runners.preprocessing import fast_decode as measuring
from paddleport.runners.preprocessing.crop_and_normalize import reduction, resized_size
from paddleport.runners.preprocessing.fast_decode import FastDecodingEffect, effect_of_fast_decoding
from paddleport.runners.preprocessing.prepare_image import crop_image, decode_image
from paddleport.runners.tasks.classification import Classification

Picture = NDArray[np.uint8]


def encoded(height: int, width: int, kind: str = "JPEG", orientation: int = 1, **how: Any) -> bytes:
    picture = cv2.resize(draw_picture(3, (240, 320)), (width, height))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(picture[:, :, ::-1]).save(stream, kind, exif=exif, quality=95, **how)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("size", "rules", "times"),
    [
        ((512, 512), Preprocess(), 2),
        ((511, 511), Preprocess(), 2),  # libjpeg rounds up: 256
        ((510, 510), Preprocess(), 1),
        ((3000, 4000), Preprocess(), 8),
        ((1080, 1920), Preprocess(), 4),
        ((1080, 1080), Preprocess(resize_short=None, resize=(224, 224), crop=None), 4),
        ((1000, 4000), Preprocess(resize_short=None, resize=(500, 100), crop=None), 2),
        ((4000, 4000), Preprocess(resize_short=None, crop=(224, 224)), 1),
        ((1, 1), Preprocess(), 1),
        # an eighth would come to 334x256; a quarter comes to 335x256 as the whole does
        ((2703, 2066), Preprocess(crop=None), 4),
    ],
    ids=str,
)
def test_the_reduction(size: tuple[int, int], rules: Preprocess, times: int) -> None:
    assert reduction(*size, rules) == times
    assert reduction(*size[::-1], rules) == times


def test_a_reduced_picture_is_never_resized_up_nor_to_another_size() -> None:
    random = np.random.default_rng(0)
    for _ in range(3000):
        height, width, short = (int(n) for n in random.integers(1, (5000, 5000, 600)))
        rules = Preprocess(resize_short=short, crop=None)
        times = reduction(height, width, rules)
        small = -(-height // times), -(-width // times)
        full = resized_size(height, width, rules)
        assert resized_size(*small, rules) == full
        assert times == 1 or (small[0] >= full[0] and small[1] >= full[1])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("progressive", [False, True])
def test_the_turn_and_the_colours_stay(orientation: int, progressive: bool) -> None:
    data = encoded(605, 1003, orientation=orientation, progressive=progressive)
    whole, small = decode_image(data), decode_image(data, fast_for=Preprocess())
    assert small.shape == tuple(-(-side // 2) if side > 3 else 3 for side in whole.shape)
    averaged = cv2.resize(whole, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - averaged).mean() < 3
    assert crop_image(small, Preprocess()).shape == (224, 224, 3)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "TIFF"])
def test_other_formats_are_decoded_whole(kind: str) -> None:
    data = encoded(600, 800, kind)
    assert np.array_equal(decode_image(data), decode_image(data, fast_for=Preprocess()))


def test_nothing_is_reduced_unless_asked() -> None:
    data = encoded(600, 800)
    expected: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decode_image(data), expected)


def test_a_cut_picture_is_refused_all_the_same() -> None:
    with pytest.raises(ImageError, match="truncated"):
        decode_image(encoded(600, 800)[:-5000], fast_for=Preprocess())


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    for index in range(12):
        (tmp_path / f"{index:02}.jpg").write_bytes(encoded(520 + 9 * index, 700))
    (tmp_path / "01.jpg").write_bytes(encoded(300, 300))  # decoded as it is
    (tmp_path / "02.jpg").write_text("no picture")
    (tmp_path / "03.jpg").write_bytes(encoded(600, 600, "PNG"))
    (tmp_path / "04.jpg").write_bytes(encoded(600, 600)[:3000])
    return [*sorted(tmp_path.glob("*.jpg")), tmp_path / "none.jpg", tmp_path]


def test_the_effect_is_measured(pictures: list[Path]) -> None:
    rules = Preprocess()
    asked: list[Picture] = []

    def same(picture: Picture, other: Picture) -> bool:
        asked.extend((picture, other))
        return len(asked) > 2  # the first changes

    effect = effect_of_fast_decoding(pictures, rules, same, Classification.changed)
    jpegs = [path for path in pictures[:12] if path.name not in ("02.jpg", "03.jpg", "04.jpg")][:8]
    levels = [
        np.abs(
            crop_image(decode_image(path), rules).astype(int)
            - crop_image(decode_image(path, fast_for=rules), rules)
        )
        for path in jpegs
    ]
    assert effect.mean_levels == pytest.approx(np.mean(levels))
    assert 0 < effect.mean_levels < effect.max_levels == np.max(levels)
    assert (effect.pictures, effect.reduced, effect.answers_changed) == (8, 7, 1)
    assert len(asked) == 16
    assert "8 JPEGs, 7 of them decoded smaller" in str(effect)
    assert str(effect).endswith("the likeliest class changed in 1 of 8")


def test_pictures_smaller_than_the_crop_are_passed_over(pictures: list[Path]) -> None:
    rules = Preprocess(resize_short=None, crop=(5000, 5000))
    effect = effect_of_fast_decoding(pictures, rules)
    assert effect == FastDecodingEffect()
    assert "none was read" in str(effect)


def test_a_decoder_that_mixes_up_the_colours_shows(
    pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = effect_of_fast_decoding(pictures, Preprocess())

    def mixed(path: Path, *, fast_for: Preprocess | None = None) -> Picture:
        made = decode_image(path, fast_for=fast_for)
        return made if fast_for is None else made[:, :, ::-1]

    monkeypatch.setattr(measuring, "decode_image", mixed)
    assert effect_of_fast_decoding(pictures, Preprocess()).mean_levels > 3 * honest.mean_levels
