"""WebDataset tars and Parquet files: what is in them, and what no data set has."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_trees import png

from paddleport.errors import UsageError
from paddleport.models.labels import imagenet_labels
from paddleport.validate.labelled import parquet_files, tar_shards
from paddleport.validate.labelled.labelled_data import LabelledData, open_labelled

PETS = ("cat", "dog", "pig")
Member = tuple[str, bytes]


def opened(data: Path, labels: tuple[str, ...] = PETS) -> LabelledData:
    return open_labelled(data, labels=labels, classes=len(labels))


def shard(path: Path, *members: Member | tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return path


def samples(first: int, labels: list[int]) -> list[Member]:
    found: list[Member] = []
    for place, label in enumerate(labels, first):
        found += [(f"{place:04}.cls", str(label).encode()), (f"{place:04}.png", png(place))]
    return found


def odd(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


class TestTars:
    """A picture and its label side by side."""

    def test_shards_by_folder_pattern_and_name(self, tmp_path: Path) -> None:
        shard(tmp_path / "pets-000.tar", *samples(0, [2, 0]))
        shard(tmp_path / "pets-001.tar", *samples(2, [1, 1, 0]))
        whole = opened(tmp_path)
        found = list(whole.pictures())
        assert [item.label for item in found] == [2, 0, 1, 1, 0]
        assert [item.source for item in found] == [png(place) for place in range(5)]
        assert found[2].name == "pets-001.tar/0002.png"
        assert list(whole.pictures(3)) == found[3:]
        assert (whole.count, whole.notes) == (5, ())
        assert opened(tmp_path / "pets-{000..001}.tar").sha256 == whole.sha256
        assert opened(tmp_path / "pets-{000,001}.tar").sha256 == whole.sha256
        one = opened(tmp_path / "pets-000.tar")
        assert [item.label for item in one.pictures()] == [2, 0]
        assert one.sha256 != whole.sha256

    @pytest.mark.parametrize(
        "label",
        [
            ("a.cls", b" 1\n"),
            ("a.cls", b"dog"),
            ("a.json", b'{"label": 1, "width": 7}'),
            ("a.json", b'{"cls": "dog", "label": 0}'),
            ("a.json", b'{"class_id": 1}'),
            ("a.json", b"1"),
        ],
        ids=str,
    )
    def test_forms_of_labels(self, tmp_path: Path, label: Member) -> None:
        word = b"dog" in label[1]
        other = ("b.png", png()), ("b.cls", b"cat" if word else b"0")
        path = shard(tmp_path / "a.tar", ("a.image.jpg", png(3)), label, *other)
        assert [item.label for item in opened(path).pictures()] == [1, 0]

    def test_other_members_are_said(self, tmp_path: Path) -> None:
        members: list[Member | tarfile.TarInfo] = [*samples(0, [2, 0])]
        members += [("0001.txt", b"a cat"), odd("folder", tarfile.DIRTYPE)]
        data = opened(shard(tmp_path / "a.tar", *members))
        assert "1 left out, neither pictures nor labels by their names: '0001.txt'" in data.notes

    @pytest.mark.parametrize(
        ("members", "said"),
        [
            ([("../x.png", png()), ("../x.cls", b"1")], "'../x.png' leads out of the archive"),
            ([("/etc/x.png", png())], "leads out of the archive"),
            ([odd("x.png", tarfile.SYMTYPE, "/etc/passwd")], "is a link or no plain file"),
            ([odd("x.png", tarfile.LNKTYPE, "y.png")], "is a link or no plain file"),
            ([odd("x.png", tarfile.FIFOTYPE)], "is a link or no plain file"),
            ([odd("x.png", tarfile.CHRTYPE)], "is a link or no plain file"),
            ([("x.png", png())], "'x.png' has no label beside it: 'KEY.cls'"),
            ([("x.png", png()), ("x.json", b'{"width": 1}')], "has no label beside it"),
            ([("x.cls", b"1"), ("y.png", png())], "'x' has a label and no picture"),
            ([("x.png", png()), ("x.jpg", png()), ("x.cls", b"1")], "'x' has two pictures"),
            ([("x.png", png()), ("x.json", b"{")], "'x.json' is not JSON"),
            ([("x.png", png()), ("x.json", b"[" * 100_000)], "'x.json' is not JSON"),
            ([("x.png", png()), ("x.cls", b"1" * (1 << 21))], "2097152 bytes: no label"),
            ([("x.png", png()), ("x.cls", b"7")], "'7' is class 7, and this model has 3"),
            ([], "holds no pictures"),
        ],
        ids=range(15),
    )
    def test_hostile_and_wrong_ones(self, tmp_path: Path, members: list[Any], said: str) -> None:
        path = shard(tmp_path / "a.tar", *members)
        with pytest.raises(UsageError, match=said) as caught:
            opened(path)
        assert "\n" not in str(caught.value)

    def test_giant_members_are_not_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tar_shards, "MAX_FILE_BYTES", 1 << 16)
        path = shard(tmp_path / "a.tar", ("x.png", bytes(1 << 17)), ("x.cls", b"1"))
        with pytest.raises(UsageError, match=r"'x.png' has 131072 bytes, and no picture is over"):
            opened(path)
        header = shard(tmp_path / "b.tar", ("x" * (1 << 17) + ".png", png()), ("x.cls", b"1"))
        with pytest.raises(UsageError, match="has a header of"):
            opened(header)

    def test_a_size_that_the_file_has_not(self, tmp_path: Path) -> None:
        info = tarfile.TarInfo("x.png")
        info.size = 1 << 40
        path = tmp_path / "a.tar"
        path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        with pytest.raises(UsageError, match=f"has {1 << 40} bytes"):
            opened(path)

    def test_cut_short_wherever(self, tmp_path: Path) -> None:
        whole = shard(tmp_path / "whole.tar", *samples(0, [2, 0])).read_bytes()
        end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
        path = tmp_path / "a.tar"
        for size in range(0, end, 512):
            path.write_bytes(whole[:size])
            with pytest.raises(UsageError, match=r"damaged|cut short"):
                opened(path)
        for packed in ("a.tar.gz", "a.tgz"):
            (tmp_path / packed).write_bytes(b"")
            with pytest.raises(UsageError, match="is packed"):
                opened(tmp_path / packed)

    def test_several_splits_or_forms(self, tmp_path: Path) -> None:
        for split in ("train", "validation"):
            shard(tmp_path / f"pets-{split}-0.tar", *samples(0, [2, 0]))
        with pytest.raises(UsageError, match="train and validation: give those of one alone"):
            opened(tmp_path)
        with pytest.raises(UsageError, match=r"1 of 2 shards are not there: .*pets-train-1.tar"):
            opened(tmp_path / "pets-train-{0..1}.tar")
        (tmp_path / "pets-train-0.parquet").write_bytes(b"")
        with pytest.raises(UsageError, match=r".parquet and .tar: give those of one form"):
            opened(tmp_path)

    def test_synsets_in_names_show_another_order(self, tmp_path: Path) -> None:
        names = ("n01440764_10", "n01443537_22", "n01484850_3")
        members: list[Member] = []
        for place, name in enumerate(names):
            members += [(f"{name}.jpg", png()), (f"{name}.cls", str(place + 1).encode())]
        with pytest.raises(UsageError, match=r"another order .*all by \+1"):
            opened(shard(tmp_path / "a.tar", *members), imagenet_labels())

    BYTES = (0, 60, 100, 124, 130, 148, 156, 257, 512, 520, 1024, 1100)

    @given(st.sampled_from(BYTES), st.integers(0, 255), st.integers(0, 2000))
    def test_damage_is_refused_in_a_line(
        self, tmp_path_factory: pytest.TempPathFactory, place: int, value: int, length: int
    ) -> None:
        folder = tmp_path_factory.mktemp("damage")
        content = bytearray(shard(folder / "a.tar", *samples(0, [2, 0])).read_bytes())
        content[place] = value
        content[1500 : 1500 + length % 100] = bytes([value]) * (length % 100)
        (folder / "a.tar").write_bytes(content)
        try:
            assert opened(folder / "a.tar").count <= 2
        except UsageError as error:
            assert "\n" not in str(error)


class TestParquet:
    """Rows as Hugging Face writes them."""

    @pytest.fixture
    def write(self, tmp_path: Path) -> Callable[..., Path]:
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")

        def written(name: str, columns: dict[str, Any], header: Any = None) -> Path:
            table = arrow.table(columns)
            if header is not None:
                table = table.replace_schema_metadata({"huggingface": json.dumps(header)})
            parquet.write_table(table, tmp_path / name, row_group_size=16)
            return tmp_path / name

        return written

    def rows(self, count: int, *, labels: int = 3) -> dict[str, Any]:
        images = [{"bytes": png(place), "path": f"{place}.png"} for place in range(count)]
        return {"image": images, "label": [place % labels for place in range(count)]}

    def test_pictures_and_labels(self, write: Callable[..., Path], tmp_path: Path) -> None:
        write("pets-00000-of-00002.parquet", self.rows(40))
        write("pets-00001-of-00002.parquet", self.rows(3))
        data = opened(tmp_path)
        found = list(data.pictures())
        assert [item.label for item in found] == [place % 3 for place in (*range(40), *range(3))]
        assert [item.source for item in found[:40]] == [png(place) for place in range(40)]
        assert found[40].name == "pets-00001-of-00002.parquet/0.png"
        assert list(data.pictures(20)) == found[20:]
        assert [item.source for item in data.limited(5).pictures()] == [
            found[place * 43 // 5].source for place in range(5)
        ]
        both = zip(data.pictures(), data.pictures(3), strict=False)  # two readers at once
        assert all(one.source == found[i].source for i, (one, _) in enumerate(both))

    def test_plain_bytes_texts_and_missing_ones(self, write: Callable[..., Path]) -> None:
        file = write("a.parquet", {"img": [png(1), None], "label": ["dog", "cat"]})
        found = list(opened(file).pictures())
        assert [(item.name, item.label) for item in found] == [
            ("a.parquet/0", 1),
            ("a.parquet/1", 0),
        ]
        assert [item.source for item in found] == [png(1), b""]

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            ({"image": [b"1", b"2"], "label": [0, -1]}, "label -1 is no class"),
            ({"image": [b"1", b"2"], "label": [0, None]}, "row 1 has no label in 'label'"),
            ({"image": [b"1", b"2"], "label": [1, 3]}, "off by one"),
            ({"image": ["a", "b"], "label": [0, 1]}, "column 'image' is string"),
            ({"x": [b"1"], "label": [0]}, "no column for the picture"),
            ({"image": [b"1"], "label": [0], "class": [0]}, "2 columns that may be the label"),
        ],
    )
    def test_refused(self, write: Callable[..., Path], columns: dict[str, Any], said: str) -> None:
        with pytest.raises(UsageError, match=said):
            opened(write("a.parquet", columns))

    @pytest.mark.parametrize("names", [["dog", "cat", "pig"], ["pig", "dog", "cat"]])
    def test_classes_in_another_order(self, write: Callable[..., Path], names: list[str]) -> None:
        header = {"info": {"features": {"label": {"names": names}}}}
        with pytest.raises(UsageError, match=f"calls class 0 '{names[0]}', and the model 'cat'"):
            opened(write("a.parquet", self.rows(9), header))
        header["info"]["features"]["label"]["names"] = list(PETS)
        assert opened(write("b.parquet", self.rows(9), header)).count == 9

    def test_a_row_without_a_picture_is_one_that_cannot_be_read(
        self, write: Callable[..., Path]
    ) -> None:
        table = self.rows(9)
        table["image"][2] = None
        data = opened(write("a.parquet", table))
        found = list(data.pictures())
        assert (found[2].name, found[2].source) == ("a.parquet/2", b"")
        assert found[3].name == "a.parquet/3.png"

    def test_no_parquet(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        (tmp_path / "a.parquet").write_bytes(b"PAR1" * 10)
        with pytest.raises(UsageError, match="damaged or no Parquet file"):
            opened(tmp_path / "a.parquet")

    def test_without_pyarrow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet_files, "_is_installed", lambda: False)
        (tmp_path / "a.parquet").write_bytes(b"")
        with pytest.raises(UsageError, match=r"pip install 'paddleport\[parquet\]'"):
            opened(tmp_path / "a.parquet")
