from pathlib import Path

import numpy as np
import pytest

from paddleport.cli.options import load_tensor, parse_shape
from paddleport.errors import FeedError, UsageError
from paddleport.models.card import Preprocess
from paddleport.tensors import TensorSpec
from paddleport.validate.feeds import concrete_inputs, make_feeds

IMAGE = TensorSpec("x", "float32", (None, 3, 224, 224))
FREE = TensorSpec("x", "float32", (None, 3, None, None))


def test_pictures_and_noise_for_an_image_model() -> None:
    feeds = make_feeds([IMAGE], preprocess=Preprocess(), samples=2)
    assert [feed.kind for feed in feeds] == ["picture", "picture", "noise"]
    assert {feed.tensors["x"].shape for feed in feeds} == {(1, 3, 224, 224)}
    assert not np.array_equal(feeds[0].tensors["x"], feeds[1].tensors["x"])


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


@pytest.mark.parametrize("text", ["x", "x=", "x=1,b", "=1,2", "x=1,,2", "x=-1,2"])
def test_shape_texts_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match="write NAME="):
        parse_shape(text)


def test_shape_text() -> None:
    assert parse_shape("x=1,3,48,192") == ("x", (1, 3, 48, 192))
    assert parse_shape("a=b=2x3") == ("a=b", (2, 3))


def test_given_tensors_are_used_alone(tmp_path: Path) -> None:
    tensor = np.zeros((1, 3, 224, 224), np.float32)
    np.save(tmp_path / "x.npy", tensor)
    (feed,) = make_feeds([IMAGE], given=dict([load_tensor(f"x={tmp_path / 'x.npy'}")]))
    assert feed.kind == "given"
    with pytest.raises(FeedError, match="float64"):
        make_feeds([IMAGE], given={"x": tensor.astype(np.float64)})


def test_a_pickled_array_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FeedError, match=r"is not a \.npy file of numbers"):
        load_tensor(f"x={tmp_path / 'x.npy'}")
    (tmp_path / "y.npy").write_text("no tensor")
    with pytest.raises(FeedError, match=r"is not a \.npy file of numbers"):
        load_tensor(f"x={tmp_path / 'y.npy'}")


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
