"""A gate's examples: read like any labelled data, kept on disk, and the same set as ever."""

import gc
import hashlib
import shutil
import tarfile
import tracemalloc
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from labelled_trees import tree

from paddleport.errors import FeedError, UsageError
from paddleport.models.labels import imagenet_labels
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.accuracy_gate import gate_set as gate_set_module
from paddleport.validate.accuracy_gate import stored_examples
from paddleport.validate.accuracy_gate.feed_examples import feed_set
from paddleport.validate.accuracy_gate.gate import GateSet, gate_set

SIDE = 64
SPEC = TensorSpec("x", "float32", (None, 3, SIDE, SIDE))
PLAIN = Preprocess(resize_short=None, resize=(SIDE, SIDE), crop=None)


def labelled(data: Path, labels: tuple[str, ...] | None, class_map: Path | None = None) -> GateSet:
    return gate_set(PLAIN, SPEC, labelled=data, images=(), classes=labels, class_map=class_map)


def digest_of(found: GateSet) -> str:
    """Over names, tensors and labels, as provenance records always had it."""
    digest = hashlib.sha256()
    for name, tensors in zip(found.names, list(found.examples), strict=True):
        for tensor in tensors:
            digest.update(f"{name}\0{tensor.dtype}{tensor.shape}".encode() + tensor.tobytes())
    digest.update(repr(found.labels).encode())
    return digest.hexdigest()


def test_synset_folders_are_imagenets_classes(tmp_path: Path) -> None:
    tree(tmp_path, ["n01443537/b.png", "n01440764/a.png", "n03710721/deep/c.png"])
    found = labelled(tmp_path, imagenet_labels())
    assert (found.names, found.labels) == (("a.png", "b.png", "c.png"), (0, 1, 639))
    assert found.sha256 == digest_of(found)
    assert found.source == f"labelled {tmp_path.name}"


def test_every_form_is_the_same_set(tmp_path: Path) -> None:
    folder = tree(tmp_path / "data", ["n01440764/a.png", "n01443537/b.png"])
    rows = {"n01440764/a.png": 0, "n01443537/b.png": 1}
    (folder / "labels.csv").write_text(
        "path,label\n" + "".join(f"{k},{v}\n" for k, v in rows.items())
    )
    (folder / "val.txt").write_text("".join(f"{k} {v}\n" for k, v in rows.items()))
    with tarfile.open(folder / "a.tar", "w") as archive:
        for path, label in rows.items():
            archive.add(folder / path, path)
            (tmp_path / "label").write_text(str(label))
            archive.add(tmp_path / "label", path.replace(".png", ".cls"))
    found = [
        labelled(data, imagenet_labels())
        for data in (folder, *(folder / name for name in ("labels.csv", "val.txt", "a.tar")))
    ]
    assert {item.sha256 for item in found} == {digest_of(found[0])}


def test_a_class_map_says_which_is_which(tmp_path: Path) -> None:
    tree(tmp_path / "data", ["x/a.png", "y/b.png"])
    file = tmp_path / "map.txt"
    file.write_text("x 1\ny 0\n")
    assert labelled(tmp_path / "data", ("cat", "dog"), file).labels == (1, 0)
    with pytest.raises(UsageError, match="--class-map is for the labels of --labelled"):
        gate_set(PLAIN, SPEC, labelled=None, images=(), class_map=file)


def test_labels_that_cannot_be_right_are_refused(tmp_path: Path) -> None:
    tree(tmp_path, ["1/a.png", "2/b.png"])
    with pytest.raises(UsageError, match="off by one"):
        labelled(tmp_path, ("cat", "dog"))


def test_examples_come_back_bit_for_bit() -> None:
    kept = stored_examples.StoredExamples()
    given: list[tuple[Array, ...]] = [
        (np.arange(6, dtype=np.float32).reshape(2, 3).T, np.array(7)),
        (np.zeros((0, 4), np.uint8), np.array([[True, False]])),
        (np.array([np.nan, -0.0], np.float16), np.array([1 << 60])),
    ]
    for example in given:
        kept.add(example, len(given))
    found = kept.examples()
    del kept
    gc.collect()
    pairs = zip([*found, *found[1:], found[-1]], [*given, *given[1:], given[-1]], strict=True)
    for one, other in pairs:
        for tensor, wanted in zip(one, other, strict=True):
            assert tensor.tobytes() == wanted.tobytes()
            assert (tensor.dtype, tensor.shape) == (wanted.dtype, wanted.shape)
            assert tensor.flags.writeable
    with pytest.raises(IndexError):
        found[3]


def peak_bytes(data: Path) -> int:
    tracemalloc.start()
    try:
        found = labelled(data, None)
        assert sum(len(feed["x"]) for feed in found.feeds(SPEC)) == len(found.names)
        assert found.feeds(SPEC)[::50][0]["x"].shape == (1, 3, SIDE, SIDE)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_pictures(tmp_path: Path) -> None:
    few = tree(tmp_path / "few", [f"{place % 2}/{place}.png" for place in range(20)])
    many = tree(tmp_path / "many", [f"{place % 2}/{place}.png" for place in range(420)])
    peak_bytes(few)  # what is imported late
    tensors = 400 * 3 * SIDE * SIDE * 4
    assert peak_bytes(many) < peak_bytes(few) + tensors / 20


def test_more_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", ["free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(20 << 10))
    with pytest.raises(FeedError, match=r"3 examples of 4096 bytes .* give at most 2, or name"):
        feed_set([TensorSpec("x", "float32", (None, 1024))], {"x": np.ones((3, 1024), np.float32)})
    assert (
        len(
            feed_set(
                [TensorSpec("x", "float32", (None, 1024))], {"x": np.ones((2, 1024), np.float32)}
            ).examples
        )
        == 2
    )


def test_calibration_is_held_and_so_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = TensorSpec("x", "float32", (None, 1024))
    found = feed_set([spec], {"x": np.ones((3, 1024), np.float32)})
    assert len(found.held_feeds(spec)) == 3
    monkeypatch.setattr(gate_set_module, "MAX_BYTES", 10_000)
    with pytest.raises(FeedError, match=r"3 feeds of 4096 bytes .* give at most 2"):
        found.held_feeds(spec)


def test_a_picture_that_does_not_fit_the_model_is_refused_at_once(tmp_path: Path) -> None:
    tree(tmp_path, ["0/a.png", "1/b.png"])
    found = labelled(tmp_path, None)
    with pytest.raises(FeedError, match="the model takes"):
        found.feeds(TensorSpec("x", "float32", (None, 3, 8, 8)))
