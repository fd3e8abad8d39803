"""Tensors that somebody gives: one feed or several, as files and as mappings."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from paddleport.cli.feed_files import feeds_from, load_tensor
from paddleport.convert.conversion import Conversion
from paddleport.errors import FeedError, UsageError
from paddleport.models.resolve import SourceModel
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.accuracy_gate.feed_examples import feed_set
from paddleport.validate.feeds import tensor_files
from paddleport.validate.feeds.make_feeds import make_feeds

IMAGE = TensorSpec("x", "float32", (None, 3, 224, 224))
ROW = TensorSpec("x", "float32", (None, 2))
IDS = TensorSpec("ids", "int64", (None, 4))


def saved(folder: Path, name: str, value: float, *shape: int) -> str:
    """A .npy file of one value."""
    np.save(folder / f"{name}.npy", np.full(shape or (1, 2), value, np.float32))
    return str(folder / f"{name}.npy")


def packed(folder: Path, name: str, **tensors: Array) -> str:
    """A .npz file."""
    np.savez(folder / f"{name}.npz", allow_pickle=False, **tensors)
    return str(folder / f"{name}.npz")


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


def test_all_inputs_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "worst.npz", x=np.ones((1, 3)), y=np.zeros(2))
    (found,) = feeds_from([str(tmp_path / "worst.npz")])
    assert {name: tensor.shape for name, tensor in found.items()} == {"x": (1, 3), "y": (2,)}
    (tmp_path / "no.npz").write_text("no archive")
    with pytest.raises(FeedError, match=r"no\.npz"):
        feeds_from([str(tmp_path / "no.npz")])
    for missing in ("x=none.npy", "none.npz"):
        with pytest.raises(FeedError, match=r"none\.np. does not exist"):
            feeds_from([missing])
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(FeedError, match=r"objects\.npz"):
        feeds_from([str(tmp_path / "objects.npz")])
    monkeypatch.setattr(tensor_files, "MAX_UNPACKED_BYTES", 10)
    with pytest.raises(FeedError, match="unpacks to"):
        feeds_from([str(tmp_path / "worst.npz")])


def test_the_same_name_again_is_another_feed(tmp_path: Path) -> None:
    texts = [f"x={saved(tmp_path, 'a', 1)}", f"y={saved(tmp_path, 'c', 3)}"]
    texts += [f"y={saved(tmp_path, 'd', 4)}", f"x={saved(tmp_path, 'b', 2)}"]
    found = [{name: item[0, 0] for name, item in feed.items()} for feed in feeds_from(texts)]
    assert found == [{"x": 1, "y": 3}, {"x": 2, "y": 4}]


def test_every_archive_is_a_feed_that_tensors_may_complete(tmp_path: Path) -> None:
    row = np.ones((1, 2), np.float32)
    archives = [packed(tmp_path, name, x=row * size) for name, size in (("a", 1), ("b", 2))]
    found = feeds_from(archives)
    assert [feed["x"][0, 0] for feed in found] == [1, 2]
    tensor = f"y={saved(tmp_path, 'y', 5)}"
    (both,) = feeds_from([archives[0], tensor])
    assert set(both) == {"x", "y"}
    with pytest.raises(UsageError, match=r"equally often \(FILE\.npz 2, y 1\)"):
        feeds_from([*archives, tensor])
    with pytest.raises(UsageError, match="gives x once more"):
        feeds_from([archives[0], f"x={saved(tmp_path, 'x', 5)}"])


def test_what_is_not_whole_is_refused(tmp_path: Path) -> None:
    x, y = (f"{name}={saved(tmp_path, name, 1)}" for name in "xy")
    with pytest.raises(UsageError, match=r"equally often \(x 2, y 1\)"):
        feeds_from([x, x, y])
    with pytest.raises(UsageError, match=r"write NAME=FILE\.npy, or FILE\.npz"):
        feeds_from([str(tmp_path / "x.npy")])


def test_several_mappings_are_several_feeds() -> None:
    rows = [{"x": np.full((1, 2), value, np.float32)} for value in (1, 2)]
    made = make_feeds([ROW], given=rows)
    assert [(feed.name, feed.kind) for feed in made] == [("given 1", "given"), ("given 2", "given")]
    assert [feed.tensors["x"][0, 0] for feed in made] == [1, 2]
    assert [feed.name for feed in make_feeds([ROW], given=rows[:1])] == ["given"]
    assert [feed.kind for feed in make_feeds([ROW], given=[])] == ["noise"] * 3
    with pytest.raises(FeedError, match="feed given 2: input x got float64"):
        make_feeds([ROW], given=[rows[0], {"x": rows[1]["x"].astype(np.float64)}])


@pytest.mark.parametrize("wrong", [np.ones((1, 2)), "x.npz", [np.ones((1, 2))], {"x", "y"}])
def test_what_is_no_mapping_is_refused_in_a_sentence(wrong: object) -> None:
    with pytest.raises(FeedError, match="mapping"):
        make_feeds([ROW], given=wrong)  # type: ignore[arg-type]  # the mistake


def test_a_gate_takes_the_examples_of_every_feed() -> None:
    rows = [{"x": np.full((count, 2), count, np.float32)} for count in (1, 3)]
    found = feed_set([ROW], rows)
    assert found.names == ("given 0", "given 1", "given 2", "given 3")
    assert [example[0][0, 0] for example in found.examples] == [1, 3, 3, 3]


@pytest.mark.parametrize(
    ("feeds", "advice"),
    [
        (("noise 0", "noise 1"), "Give it telling input with --feed NAME=FILE.npy"),
        (("given",), "Give it one more --feed, with other values"),
        (("given 1", "given 2"), "Give it one more --feed, with other values"),
    ],
)
def test_who_gave_a_feed_is_not_asked_for_one(feeds: tuple[str, ...], advice: str) -> None:
    done = Conversion(
        target="onnx",
        precision="fp32",
        source=cast(SourceModel, SimpleNamespace(name="net")),
        written=None,
        verdict="unproven",
        opset=17,
        size_bytes=1,
        sha256="",
        feeds=feeds,
    )
    assert done.explanation.endswith(f"{advice}; --keep keeps the file")
