from pathlib import Path

import numpy as np
import pytest

from paddleport.cli.options import (
    given_ranges_from,
    parse_shape,
    ranges_from,
    shapes_from,
)
from paddleport.errors import FeedError, UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import ShapeRange, TensorSpec
from paddleport.validate.feeds.make_feeds import (
    batch_feeds,
    concrete_inputs,
    extreme_feeds,
    make_feeds,
)
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.pixel_feeds import PixelInput

IMAGE = TensorSpec("x", "float32", (None, 3, 224, 224))
FREE = TensorSpec("x", "float32", (None, 3, None, None))


def test_pictures_and_noise_for_an_image_model() -> None:
    feeds = make_feeds([IMAGE], preprocess=Preprocess(), samples=2)
    assert [feed.kind for feed in feeds] == ["picture", "picture", "noise"]
    assert {feed.tensors["x"].shape for feed in feeds} == {(1, 3, 224, 224)}
    assert not np.array_equal(feeds[0].tensors["x"], feeds[1].tensors["x"])


@pytest.mark.parametrize("short", [None, 224])
def test_pictures_are_drawn_in_the_size_that_a_preprocessing_leaves_to_them(
    short: int | None,
) -> None:
    whole = Preprocess(resize_short=short, crop=None)
    assert {feed.tensors["x"].shape for feed in make_feeds([IMAGE], preprocess=whole)} == {
        (1, 3, 224, 224)
    }
    pixels = PixelInput(TensorSpec("x", "uint8", (None, 224, 224, 3)), whole, whole)
    made = make_feeds([IMAGE], preprocess=whole, pixels=pixels)
    assert {feed.to_file["x"].shape for feed in made} == {(1, 224, 224, 3)}


def test_a_preprocessing_that_makes_another_size_is_named() -> None:
    odd = Preprocess(resize_short=None, resize=(200, 300), crop=None)
    with pytest.raises(FeedError, match=r"its preprocessing makes that of sample 0. Correct"):
        make_feeds([IMAGE], preprocess=odd)


def test_the_same_bytes_every_time() -> None:
    first, second = (make_feeds([FREE]) for _ in range(2))
    for ours, theirs in zip(first, second, strict=True):
        assert ours.tensors["x"].tobytes() == theirs.tensors["x"].tobytes()


def test_free_dimensions_take_the_shape_given() -> None:
    (feed, *_) = make_feeds([FREE], shapes={"x": (2, 3, 48, 192)})
    assert feed.tensors["x"].shape == (2, 3, 48, 192)
    assert concrete_inputs([FREE], {})[0].shape == (1, 3, 224, 224)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"y": (1, 3, 8, 8)}, "the model takes x"),
        ({"x": (1, 4, 8, 8)}, "does not fit"),
        ({"x": (1, 3, 8)}, "does not fit"),
        ({"x": (1, 3, 8, 0)}, "does not fit"),
    ],
)
def test_shapes_that_do_not_fit(shapes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(FeedError, match=message):
        make_feeds([FREE], shapes=shapes)


@pytest.mark.parametrize(
    "text", ["x", "x=", "x=1,b", "=1,2", "x=1,,2", "x=-1,2", "x=1:2", "x=1:2:3:4", "x=1::3"]
)
def test_shape_texts_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match="write NAME="):
        parse_shape(text)


def test_shape_text() -> None:
    assert parse_shape("x=1,3,48,192") == ("x", ShapeRange(*[(1, 3, 48, 192)] * 3))
    assert parse_shape("a=b=2x3") == ("a=b", ShapeRange(*[(2, 3)] * 3))


def test_a_range_of_shapes() -> None:
    text = "x=1,3,48,32:1x3x48x192:8,3,48,640"
    assert ranges_from([text]) == {
        "x": ShapeRange((1, 3, 48, 32), (1, 3, 48, 192), (8, 3, 48, 640))
    }
    assert shapes_from([text]) == {"x": (1, 3, 48, 192)}
    assert given_ranges_from([text, "y=4"]).keys() == {"x"}


def test_pictures_need_a_preprocessing() -> None:
    with pytest.raises(UsageError, match="--feed"):
        make_feeds([IMAGE], pictures=[Path("a.jpg")])


def test_side_inputs_of_detectors_make_sense() -> None:
    specs = [
        TensorSpec("image", "float32", (None, 3, 320, 320)),
        TensorSpec("im_shape", "float32", (None, 2)),
        TensorSpec("scale_factor", "float32", (None, 2)),
    ]
    tensors = make_feeds(specs)[0].tensors
    assert tensors["im_shape"].tolist() == [[320, 320]]
    assert tensors["scale_factor"].tolist() == [[1, 1]]


def test_extremes_of_a_picture_input() -> None:
    feeds = make_feeds([IMAGE], preprocess=Preprocess(), samples=1)
    found = {feed.name: feed.tensors["x"] for feed in extreme_feeds(feeds, [IMAGE], Preprocess())}
    assert set(found) == {"black", "white", "saturated", "one hot pixel"}
    low, high = (0 - 0.485) / 0.229, (255 * 0.00392157 - 0.485) / 0.229
    assert np.allclose(found["black"][:, 0], low, atol=1e-6)
    assert np.allclose(found["white"][:, 0], high, atol=1e-5)
    assert (found["one hot pixel"][:, 0] > 2).sum() == 1
    assert set(np.unique(found["saturated"][:, 0])) == {
        found["black"].min(axis=(0, 2, 3))[0],
        found["white"].min(axis=(0, 2, 3))[0],
    }
    spec = TensorSpec("ids", "int64", (None, 16))
    assert extreme_feeds(make_feeds([spec]), [spec], None) == []


def test_batches_move_every_picture() -> None:
    feeds = make_feeds([FREE])
    (batch,) = batch_feeds(feeds, [FREE], (8,))
    assert batch.tensors["x"].shape == (8, 3, 224, 224)
    assert batch.parts == (1, 0, 2, 1, 0, 2, 1, 0)
    for row, part in enumerate(batch.parts):
        assert np.array_equal(batch.tensors["x"][row], feeds[part].tensors["x"][0])
    fixed = TensorSpec("x", "float32", (1, 3, 224, 224))
    assert batch_feeds(make_feeds([fixed]), [fixed], (3,)) == []
    scalar = [NamedFeed(name="given", kind="given", tensors={"x": np.float32(1) * np.ones(())})]
    assert batch_feeds(scalar, [TensorSpec("x", "float32", ())], (3,)) == []


def test_a_free_dimension_may_be_empty() -> None:
    cache = TensorSpec("cache", "float32", (1, None, 32))
    empty = np.zeros((1, 0, 32), np.float32)
    (given,) = make_feeds([cache], given={"cache": empty})
    assert given.tensors["cache"].shape == (1, 0, 32)
    made = make_feeds([cache], shapes=shapes_from(["cache=1,0,32"]))
    assert {feed.tensors["cache"].shape for feed in made} == {(1, 0, 32)}
    fixed = TensorSpec("cache", "float32", (1, 4, 32))
    with pytest.raises(FeedError, match=r"got float32 \[1, 0, 32\], the model takes"):
        make_feeds([fixed], given={"cache": empty})
    with pytest.raises(FeedError, match="does not fit"):
        make_feeds([fixed], shapes={"cache": (1, 0, 32)})
    with pytest.raises(FeedError, match="does not fit"):
        make_feeds([TensorSpec("x", "float32", (None, 4))], shapes={"x": (0, 4)})


def test_inputs_of_one_declaration_follow_a_shape() -> None:
    specs = [TensorSpec(name, "int64", (None, None)) for name in ("ids", "types")]
    specs += [TensorSpec("count", "int64", (None,)), TensorSpec("x", "float32", (None, 3, 8, 8))]
    found = {spec.name: spec.shape for spec in concrete_inputs(specs, {"ids": (2, 5)})}
    assert found == {"ids": (2, 5), "types": (2, 5), "count": (2,), "x": (2, 3, 8, 8)}
    both = concrete_inputs(specs[:2], {"ids": (2, 5), "types": (2, 7)})
    assert [spec.shape for spec in both] == [(2, 5), (2, 7)]


def test_pictures_have_a_size_already(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--images and --shape can't be together"):
        make_feeds([FREE], preprocess=Preprocess(), pictures=[tmp_path], shapes={"x": (1, 3, 8, 8)})
