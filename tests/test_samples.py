"""The drawn pictures are the same bits everywhere, and resemble photos."""

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from paddleport.models.synthetic.drawing import RandomBits
from paddleport.models.synthetic.duck import draw_duck
from paddleport.models.synthetic.samples import draw_picture, sample_picture, sample_pictures


def digest(*pictures: NDArray[np.uint8]) -> str:
    return hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()


@pytest.fixture(scope="module")
def pictures() -> tuple[NDArray[np.uint8], ...]:
    return sample_pictures()


def test_the_bits_are_the_same_on_every_machine(pictures: tuple[NDArray[np.uint8], ...]) -> None:
    assert digest(*pictures) == "2d38a810e27a0fd11d4d0b468c5923235f43c54d7a0c0555e7b8a8e2283e90e4"


def test_the_duck_is_the_same_on_every_machine() -> None:
    duck = sample_picture()
    assert duck.shape == (480, 640, 3) and duck.dtype == np.uint8 and duck.flags.c_contiguous
    assert digest(duck) == "e07abaa52b6e431120f3660224d3739cffe499e3c21c8d89e8a959aeb618f263"


def test_what_covers_part_of_a_large_pixel_is_drawn_as_well() -> None:
    """Each thing is drawn in a window of its own; these were made without windows."""
    sizes = ((33, 45), (48, 64), (100, 134))
    ducks = digest(*(draw_duck(*size) for size in sizes))
    assert ducks == "bb26692c75705a2ebc7370a27bf3349ec7ae7734d8c6c45e1c44bdd20fd6c6f2"
    others = digest(*(draw_picture(index, size) for size in sizes for index in range(9)))
    assert others == "ea3092cb502a06c34239e4c95f4521e1b7a170e129d93161f101fe9ea12192e0"


def test_random_numbers_are_pcg64_s_guaranteed_stream() -> None:
    # the first of numpy's own list, numpy/random/tests/data/pcg64-testset-1.csv (seed 0xdeadbeaf)
    first = 0x60D24054E17A0698
    assert RandomBits(0xDEADBEAF).number(0.0, 1.0) == (first >> 11) / 2.0**53


def test_a_sunset_is_red_above_and_the_drake_s_head_green() -> None:
    duck = sample_picture().astype(int)
    blue, _, red = duck[200, 300]
    assert red > 200 and red > blue + 50
    blue, green, red = duck[260, 300]
    assert green > 2 * red and green > blue


def test_shapes_and_prefixes(pictures: tuple[NDArray[np.uint8], ...]) -> None:
    assert len(pictures) == 8
    assert all(p.shape == (480, 640, 3) and p.dtype == np.uint8 for p in pictures)
    assert digest(*sample_pictures(2)) == digest(*pictures[:2])
    assert [p.shape for p in sample_pictures(1, (33, 17))] == [(33, 17, 3)]
    assert sample_pictures(0) == ()
    assert len({digest(p) for p in sample_pictures(20, (48, 64))}) == 20


def test_they_are_as_bright_and_varied_as_photos(pictures: tuple[NDArray[np.uint8], ...]) -> None:
    # ImageNet's own mean is 124, 116, 104 and its deviation 57 to 58, of 255
    stacked = np.stack(pictures).astype(np.float64)
    assert np.all(np.abs(stacked.mean(axis=(0, 1, 2)) - 115) < 20)
    assert np.all(np.abs(stacked.std(axis=(0, 1, 2)) - 57) < 15)
    means = stacked.mean(axis=(1, 2))
    assert np.all(means.std(axis=0) > 10)  # casts and brightness differ


def test_detail_falls_with_frequency_as_in_photos(
    pictures: tuple[NDArray[np.uint8], ...],
) -> None:
    """The power spectrum of photos falls as frequency**-2, give or take one (Field, 1987).

    Soft pictures fall faster; white noise would give 0.
    """
    slopes = []
    for picture in pictures:
        grey = picture.mean(axis=2)
        power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
        frequency = np.hypot(np.fft.fftfreq(480)[:, None], np.fft.fftfreq(640)[None])
        within = (frequency > 0.01) & (frequency < 0.3)
        slopes.append(np.polyfit(np.log(frequency[within]), np.log(power[within] + 1e-9), 1)[0])
    assert -3.5 < np.median(slopes) < -1.5
    assert min(slopes) < -4.5  # some are soft
