"""Fifty thousand pictures are listed and given in constant memory."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from labelled_trees import png

from paddleport.models.labels import imagenet_labels
from paddleport.validate.labelled.class_names import imagenet_synsets
from paddleport.validate.labelled.labelled_data import open_labelled
from paddleport.worker import run_in_worker

FEW, MANY = 2_000, 50_000
# The names alone of 50,000 pictures are 12 MB; pathlib leaves up to 4 MB in Python's own table of
# names, however many pictures there are.
LONG = "ILSVRC2012_val_" + "x" * 150
BOUND_BYTES = 6 << 20
TIMEOUT_S = 240.0


def class_tree(folder: Path, count: int) -> Path:
    """As many names as wanted, all links to one picture."""
    one = folder / "one.png"
    folder.mkdir()
    one.write_bytes(png())
    for name in imagenet_synsets():
        (folder / name).mkdir()
        for place in range(count // 1000):
            os.link(one, folder / name / f"{LONG}{place:08}.JPEG")
    return folder


def val_list(folder: Path, count: int) -> Path:
    folder.mkdir()
    (folder / "one.png").write_bytes(png())
    lines = (f"{LONG}{place:08}.JPEG {place % 1000}\n" for place in range(count))
    with (folder / "val_list.txt").open("w") as stream:
        for place, line in enumerate(lines):
            stream.write(line)
            os.link(folder / "one.png", folder / f"{LONG}{place:08}.JPEG")
    return folder


def peak_bytes(data: Path) -> int:
    tracemalloc.start()
    try:
        opened = open_labelled(data, labels=imagenet_labels(), classes=1000)
        assert sum(1 for _ in opened.pictures()) == opened.count
        assert next(opened.pictures(opened.count - 1)).label == 999
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("lay_out", [class_tree, val_list])
def test_memory_does_not_grow_with_the_pictures(
    tmp_path: Path, lay_out: Callable[[Path, int], Path]
) -> None:
    # In processes of their own: where the whole suite ran, Python's table of names is larger than
    # the bound, and all of it counts when it is moved.
    few = run_in_worker(peak_bytes, TIMEOUT_S, lay_out(tmp_path / "few", FEW))
    many = run_in_worker(peak_bytes, TIMEOUT_S, lay_out(tmp_path / "many", MANY))
    assert many < few + BOUND_BYTES, (few, many)


def test_the_bound_can_fail(tmp_path: Path) -> None:
    """Names that are held exceed it."""
    tracemalloc.start()
    try:
        held = [f"{LONG}{place:08}.JPEG" for place in range(MANY)]
        assert len(held) == MANY and tracemalloc.get_traced_memory()[1] > BOUND_BYTES
    finally:
        tracemalloc.stop()
