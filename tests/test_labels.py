from pathlib import Path

import pytest

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.labels import MAX_LABEL_BYTES, imagenet_labels, read_labels


def test_imagenet_has_its_thousand_names() -> None:
    labels = imagenet_labels()
    assert len(labels) == 1000
    assert labels[0] == "tench, Tinca tinca"
    assert labels[97] == "drake"
    assert labels[285] == "Egyptian cat"
    assert labels[999] == "toilet tissue, toilet paper, bathroom tissue"


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("0 cat\n1 dog, hound\n", ("cat", "dog, hound")),
        ("1 dog\r\n0 cat\r\n", ("cat", "dog")),
        ("0 0\n1 90\n2 180\n3 270", ("0", "90", "180", "270")),
        ("0 \n1 dog\n", ("", "dog")),
        ("cat\ndog house\n", ("cat", "dog house")),
        ("\ufeff0 猫\n1 犬\n", ("猫", "犬")),
        ("3 wheeler\ncar\n", ("3 wheeler", "car")),
        ("0 one\u2028line\n", ("one\u2028line",)),
    ],
)
def test_numbered_and_bare_lists(tmp_path: Path, text: str, labels: tuple[str, ...]) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(text.encode())
    assert read_labels(path) == labels


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"0 cat\n2 dog\n",
        b"0 cat\n0 dog\n",
        b"cat\n\ndog\n",
        b"\x00\x01\x02",
        b"\xff\xfe\x00c",
    ],
    ids=repr,
)
def test_files_that_are_no_label_list_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"labels\.txt") as caught:
        read_labels(path)
    assert "\n" not in str(caught.value)


def test_no_file_and_endless_files(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        read_labels(tmp_path / "none.txt")
    with pytest.raises(ModelNotFoundError):
        read_labels(Path("/dev/zero"))
    with pytest.raises(ModelNotFoundError):
        read_labels(tmp_path / ("x" * 5000))
    large = tmp_path / "large.txt"
    with large.open("wb") as stream:
        stream.truncate(MAX_LABEL_BYTES + 1)
    with pytest.raises(ModelFileError, match="16 MB"):
        read_labels(large)
