"""The JPEG that end to end starts from."""

import io

import numpy as np
import pytest
from PIL import Image

from paddleport.errors import ImageError
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array
from paddleport.validate.benchmark.timed_backend import jpeg_of
from paddleport.validate.feeds.named_feed import SAMPLE_SIZE, NamedFeed

PREPROCESS = Preprocess()


def picture_feed(name: str, picture: Array, side: int = 224) -> NamedFeed:
    tensor: Array = np.zeros((1, 3, side, side), np.float32)
    return NamedFeed(name=name, kind="picture", tensors={"x": tensor}, picture=picture)


def size_of(jpeg: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.format == "JPEG"
        return image.height, image.width


def test_a_users_picture_is_where_end_to_end_starts() -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[:, :, 0] = 255  # blue
    jpeg = jpeg_of(picture_feed("cat.jpg", picture), PREPROCESS)
    assert size_of(jpeg) == (300, 400)
    with Image.open(io.BytesIO(jpeg)) as image:
        red, _, blue = np.asarray(image)[150, 200]
    assert (blue > 250, red < 5) == (True, True)
    odd = picture_feed("sample 1.png", np.zeros((*SAMPLE_SIZE, 3), np.uint8)[1:])
    assert size_of(jpeg_of(odd, PREPROCESS)) == (SAMPLE_SIZE[0] - 1, SAMPLE_SIZE[1])


def test_a_drawn_picture_gives_way_to_a_larger_one_if_the_input_stays_the_same() -> None:
    feed = picture_feed("sample 0", np.zeros((*SAMPLE_SIZE, 3), np.uint8))
    assert size_of(jpeg_of(feed, PREPROCESS)) == (480, 640)
    as_it_is = Preprocess(resize_short=None, crop=None)
    assert size_of(jpeg_of(feed, as_it_is)) == SAMPLE_SIZE


def test_a_picture_that_no_jpeg_holds_is_refused() -> None:
    feed = picture_feed("long.png", np.zeros((70_000, 1, 3), np.uint8))
    with pytest.raises(ImageError, match=r"long\.png could not be written as a JPEG"):
        jpeg_of(feed, PREPROCESS)
    with pytest.raises(ImageError, match="not made from a picture"):
        jpeg_of(NamedFeed(name="noise 0", kind="noise", tensors={}), PREPROCESS)
