"""Class folders, lists and tables: which class is meant, and what cannot be right."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_trees import png, tree

from paddleport.errors import UsageError
from paddleport.models.labels import imagenet_labels
from paddleport.validate.labelled.class_names import (
    ModelClasses,
    class_indices,
    imagenet_synsets,
)
from paddleport.validate.labelled.labelled_data import LabelledData, open_labelled

PETS = ("cat", "dog, hound", "guinea pig, Cavia cobaya")
IMAGENET = imagenet_labels()


def opened(
    data: Path,
    labels: tuple[str, ...] | None = PETS,
    *,
    list_file: Path | None = None,
    root: Path | None = None,
    class_map: Path | None = None,
) -> LabelledData:
    classes = len(labels) if labels else None
    return open_labelled(
        data, labels=labels, classes=classes, list_file=list_file, root=root, class_map=class_map
    )


def labels_of(data: LabelledData) -> dict[str, int]:
    return {picture.name: picture.label for picture in data.pictures()}


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


class TestFolders:
    """A folder a class."""

    @pytest.mark.parametrize(
        "names",
        [
            ("cat", "dog, hound", "guinea pig, Cavia cobaya"),
            ("Cat", "HOUND", "guinea_pig"),
            ("0", "1", "2"),
            ("00", "01", "02"),
        ],
        ids=str,
    )
    def test_are_named_by_labels_synonyms_or_numbers(
        self, tmp_path: Path, names: tuple[str, ...]
    ) -> None:
        tree(tmp_path, [f"{name}/{place}.png" for place, name in enumerate(names)])
        found = labels_of(opened(tmp_path))
        assert found == {f"{name}/{place}.png": place for place, name in enumerate(names)}

    def test_of_a_thousand_synsets_are_in_imagenets_order(self, tmp_path: Path) -> None:
        for place, name in enumerate(imagenet_synsets()):
            (tmp_path / name).mkdir()
            (tmp_path / name / f"{place}.JPEG").write_bytes(b"")
        data = opened(tmp_path, IMAGENET)
        assert data.count == data.classes == 1000
        assert data.notes == ()
        assert all(picture.label == int(Path(picture.name).stem) for picture in data.pictures())
        assert [picture.label for picture in data.pictures(998)] == [998, 999]
        assert labels_of(opened(tmp_path, None)) == labels_of(data)
        some = data.limited(100)
        assert [picture.label for picture in some.pictures()] == list(range(0, 1000, 10))
        assert [picture.label for picture in some.pictures(98)] == [980, 990]
        assert some.sha256 not in (data.sha256, data.limited(99).sha256)

    def test_synsets_and_labels_are_those_of_imagenet(self) -> None:
        assert imagenet_synsets() == tuple(sorted(imagenet_synsets()))
        known = {"n01440764": "tench", "n02012849": "crane", "n03710721": "maillot, tank suit"}
        for synset, label in known.items():
            place = imagenet_synsets().index(synset)
            assert IMAGENET[place].startswith(label.split(",")[0])

    def test_are_searched_through(self, tmp_path: Path) -> None:
        inside = ["cat/b.png", "cat/2020/a.png", "cat/2020/z/c.JPG", "dog/x.webp"]
        tree(tmp_path, [*inside, "loose.png", "dog/.hidden.png", "dog/notes.txt", ".git/cat/x.png"])
        (tmp_path / "cat" / "Thumbs.db").write_bytes(b"")
        (tmp_path / "cat" / ".DS_Store").write_bytes(b"")
        (tmp_path / "hound").mkdir()
        elsewhere = tree(tmp_path.with_name("elsewhere"), ["linked.png"])
        (tmp_path / "dog" / "more").symlink_to(elsewhere, target_is_directory=True)
        (tmp_path / "dog" / "again").symlink_to(tmp_path / "dog", target_is_directory=True)
        (tmp_path / "guinea_pig").symlink_to(elsewhere, target_is_directory=True)
        data = opened(tmp_path)
        wanted = [*sorted(inside), "dog/more/linked.png", "guinea_pig/linked.png"]
        assert list(labels_of(data)) == sorted(wanted)
        assert all(isinstance(item.source, Path) for item in data.pictures())
        said = "; ".join(data.notes)
        assert "2 left out, no pictures by their names: 'dog/notes.txt', 'loose.png'" in said
        assert "2 left out, as they are hidden: '.git', 'dog/.hidden.png'" in said
        assert "1 left out, links to a folder that they are in: 'dog/again'" in said
        assert "1 folders without a picture: 'hound'" in said
        assert "Thumbs" not in said

    def test_of_any_name_and_the_one_that_one_is_in(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tree(tmp_path / "pets", ["cat/a.png", "dog/b.png"])
        (folder / "cat" / os.fsdecode(b"\xff\n.png")).write_bytes(png())
        (folder / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
        monkeypatch.chdir(folder)
        data = opened(Path("."))
        assert (data.source, data.count) == ("pets", 4)
        (folder / os.fsdecode(b"\xff\n")).mkdir()
        tree(folder / os.fsdecode(b"\xff\n"), ["c.png"])
        with pytest.raises(UsageError, match=r"unknown class '\?\?'") as caught:
            opened(Path("."))
        assert str(caught.value).isprintable()

    def test_may_be_fewer_than_the_classes(self, tmp_path: Path) -> None:
        data = opened(tree(tmp_path, ["cat/a.png", "dog/b.png"]))
        assert data.notes == ("2 of the model's 3 classes have pictures",)
        assert data.classes == 3

    def test_give_the_same_digest_only_for_the_same_listing(self, tmp_path: Path) -> None:
        first = opened(tree(tmp_path / "a", ["cat/a.png", "dog/b.png"])).sha256
        assert first == opened(tree(tmp_path / "b", ["cat/a.png", "dog/b.png"])).sha256
        assert first != opened(tree(tmp_path / "c", ["cat/a.png", "dog/c.png"])).sha256


class TestRefusedFolders:
    """What cannot be right is said with what to type next."""

    @pytest.mark.parametrize(
        ("names", "labels", "said"),
        [
            (["1", "2", "3"], PETS, "numbered 1 to 3 and the model's classes 0 to 2: off by one"),
            (["0", "7"], PETS, "'7' is class 7, and this model has 3"),
            (["-1", "0"], PETS, "-1 is no class"),
            (["cat", "dgo"], PETS, "unknown class 'dgo': 1 of 2 folders .* mean 'dog'"),
            (["a", "b", "c", "d"], PETS, "unknown class 'a', 'b', 'c', ...: 4 of 4"),
            (["cat", "7"], PETS, "unknown class '7'"),
            (["cat"], PETS, "all 2 pictures of data are of class 0 .'cat'."),
            (["cat", "dog"], None, "has no labels: name it by its index"),
            (["n01440764", "n01443537"], PETS, "ImageNet's 1000 .* this model has 3 classes"),
            (["n01440764", "n99999999"], IMAGENET, "'n99999999'"),
            (["n01440764", "n01443537"], IMAGENET[::-1], "not in ImageNet's order: class 0 is"),
            (["crane", "tench"], IMAGENET, "may be class 134 .'crane'. and 517 .'crane'."),
            (["maillot", "tench"], IMAGENET, "may be class 638 .* and 639"),
            (["0", "1"], ("1", "0"), "'0' is class 0 by its number, .* is class 1"),
            (["train", "val"], PETS, "holds 'train', 'val': give one of them"),
        ],
    )
    def test_names(
        self, tmp_path: Path, names: list[str], labels: tuple[str, ...] | None, said: str
    ) -> None:
        folder = tmp_path / "data"
        tree(folder, [f"{name}/{place}.png" for name in names for place in range(2)])
        with pytest.raises(UsageError, match=said) as caught:
            opened(folder, labels)
        assert "\n" not in str(caught.value)

    def test_of_two_that_fit_the_other_folder_tells(self) -> None:
        model = ModelClasses(labels=IMAGENET, count=1000)
        found = class_indices(["maillot", "maillot, tank suit"], model, None, "folder")
        assert found == {"maillot": 638, "maillot, tank suit": 639}
        assert class_indices(["missile"], model, None, "folder") == {"missile": 657}

    def test_more_folders_than_classes(self, tmp_path: Path) -> None:
        tree(tmp_path, [f"{name}/a.png" for name in range(5)])
        with pytest.raises(UsageError, match=r"'3' is class 3, .* 2 of 5 folders are beyond"):
            opened(tmp_path)

    def test_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="neither val_list"):
            opened(tmp_path)
        (tmp_path / "cat").mkdir()
        with pytest.raises(UsageError, match=r"holds no pictures; 1 folders without .*'cat'"):
            opened(tmp_path)
        with pytest.raises(UsageError, match="no such folder"):
            opened(tmp_path / "missing")
        with pytest.raises(UsageError, match="is packed"):
            opened(text(tmp_path / "data.zip", ""))


class TestLists:
    """PaddleClas's list file."""

    def test_in_the_folder_or_by_name(self, tmp_path: Path) -> None:
        root = tree(tmp_path / "data", ["val/a b.png", "val/c.png"])
        content = "val/a b.png 2\n\nval/c.png\t0\n"
        elsewhere = text(tmp_path / "other.txt", content)
        by_name = opened(root, list_file=elsewhere)
        by_root = opened(elsewhere, root=root)
        text(root / "val_list.txt", content)
        inside = opened(root)
        assert labels_of(inside) == {"val/a b.png": 2, "val/c.png": 0}
        assert inside.sha256 == by_name.sha256 == by_root.sha256
        assert (inside.source, by_name.source) == ("data", "other.txt")
        assert [item.source for item in inside.pictures(1)] == [root / "val" / "c.png"]

    @pytest.mark.parametrize("delimiter", [" ", "\t", ",", ";", "|"])
    def test_delimiters(self, tmp_path: Path, delimiter: str) -> None:
        tree(tmp_path, ["a b.png", "c.png"])
        lines = f"a b.png{delimiter}1\nc.png{delimiter}0\n"
        data = opened(text(tmp_path / "my.txt", "\ufeff" + lines))
        assert labels_of(data) == {"a b.png": 1, "c.png": 0}

    def test_labels_may_be_texts(self, tmp_path: Path) -> None:
        tree(tmp_path, ["a.png", "c.png"])
        data = opened(text(tmp_path / "my.txt", "a.png\tguinea pig\nc.png\tcat\n"))
        assert labels_of(data) == {"a.png": 2, "c.png": 0}

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ("a.png 1\nb.png 2\nb.png 3", "numbered 1 to 3 .* off by one"),
            ("a.png 0\nb.png 9", "'9' is class 9, and this model has 3"),
            ("a.png 0\nb.png -1", "label -1 is no class"),
            ("a.png 1\nb.png 1", "all 2 pictures of my.txt are of class 1"),
            ("a.png 0\nb.png", "line 2 is not 'path label': b.png"),
            ("a.png 0\nx/no.png 1\nb.png 1", "1 of 3 pictures .*'x/no.png'.* --root DIR"),
            ("deep/a.png 0\ndeep/b.png 1", "2 of 2 .* take 'deep/' from the list's paths"),
            ("\n\n", "holds no pictures"),
            ("a.png 0\nb.png 1\0", "no text file"),
            ("a.png \ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "unknown class"),
        ],
    )
    def test_refused(self, tmp_path: Path, lines: str, said: str) -> None:
        tree(tmp_path, ["a.png", "b.png"])
        with pytest.raises(UsageError, match=said):
            opened(text(tmp_path / "my.txt", lines))

    def test_a_wrong_root_and_the_right_one(self, tmp_path: Path) -> None:
        tree(tmp_path / "data", ["val/a.png", "val/b.png"])
        file = text(tmp_path / "my.txt", "val/a.png 0\nval/b.png 1\n")
        with pytest.raises(
            UsageError, match=rf"2 of 2 .* there from .*: --root {tmp_path / 'data'}"
        ):
            opened(tmp_path / "data" / "val", list_file=file)
        with pytest.raises(UsageError, match=r"--root .*: no such folder"):
            opened(file, root=tmp_path / "none")
        with pytest.raises(UsageError, match=r"--list .*: no such file"):
            opened(tmp_path, list_file=tmp_path / "none.txt")
        with pytest.raises(UsageError, match="--root is for the paths of a list"):
            opened(tree(tmp_path / "tree", ["cat/a.png", "dog/a.png"]), root=tmp_path)


class TestAnotherOrder:
    """Planted shifts: a list whose labels are not those of its folders."""

    FOLDERS = imagenet_synsets()[:20]

    def listed(self, tmp_path: Path, labels: list[int], names: tuple[str, ...]) -> LabelledData:
        paths = [f"{name}/{place}.png" for place, name in enumerate(names)]
        tree(tmp_path, paths)
        lines = [f"{path} {label}" for path, label in zip(paths, labels, strict=True)]
        return opened(text(tmp_path / "val_list.txt", "\n".join(lines)), IMAGENET)

    def test_right_labels_are_taken(self, tmp_path: Path) -> None:
        data = self.listed(tmp_path, list(range(20)), self.FOLDERS)
        assert [item.label for item in data.pictures()] == list(range(20))
        assert data.notes == ("20 of the model's 1000 classes have pictures",)

    def test_off_by_one(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"another order .*20 of 20 .*all by \+1.*--class-map"):
            self.listed(tmp_path, list(range(1, 21)), self.FOLDERS)

    def test_alphabetical_order_of_the_texts(self, tmp_path: Path) -> None:
        names = tuple(IMAGENET[place].split(",")[0] for place in range(20))
        alphabetical = [sorted(names).index(name) for name in names]
        with pytest.raises(UsageError, match="another order than the model's classes"):
            self.listed(tmp_path, alphabetical, names)

    def test_synsets_in_the_names_of_files(self, tmp_path: Path) -> None:
        names = tuple(f"x/ILSVRC2012_{name}" for name in self.FOLDERS)
        paths = [f"{name}.png" for name in names]
        tree(tmp_path, paths)
        lines = [f"{path} {19 - place}" for place, path in enumerate(paths)]
        with pytest.raises(UsageError, match="another order"):
            opened(text(tmp_path / "val_list.txt", "\n".join(lines)), IMAGENET)

    def test_a_few_are_a_correction_and_said(self, tmp_path: Path) -> None:
        data = self.listed(tmp_path, [5, *range(1, 20)], self.FOLDERS)
        assert (
            "1 of 20 labels are not what their paths say: 'n01440764' is class 0" in data.notes[1]
        )

    def test_folders_that_are_no_classes_say_nothing(self, tmp_path: Path) -> None:
        tree(tmp_path, ["a/0.png", "b/1.png"])
        file = text(tmp_path / "val_list.txt", "a/0.png 1\nb/1.png 0\n")
        assert labels_of(opened(file)) == {"a/0.png": 1, "b/1.png": 0}


class TestTables:
    """A CSV with a header."""

    @pytest.mark.parametrize(
        "header", ["path,label", "filename,class", "image_path,Class ID", "id,file_name,target"]
    )
    def test_usual_names(self, tmp_path: Path, header: str) -> None:
        tree(tmp_path, ["a, b.png", "c.png"])
        first = "7," * header.startswith("id,")
        content = f'{header}\n{first}"a, b.png",2\n\n{first}c.png,0\n'
        data = opened(text(tmp_path / "labels.csv", content))
        assert labels_of(data) == {"a, b.png": 2, "c.png": 0}
        assert labels_of(opened(tmp_path)) == labels_of(data)

    def test_beside_a_folder_of_pictures(self, tmp_path: Path) -> None:
        tree(tmp_path, ["images/a.png", "images/c.png"])
        text(tmp_path / "sizes.csv", "path,width\n")
        text(tmp_path / "metadata.csv", "file_name,label\nimages/a.png,2\nimages/c.png,0\n")
        assert labels_of(opened(tmp_path)) == {"images/a.png": 2, "images/c.png": 0}

    def test_other_delimiters_and_texts(self, tmp_path: Path) -> None:
        tree(tmp_path, ["a.png", "c.png"])
        file = text(tmp_path / "labels.tsv", "\ufefflabel\tfile\ndog, hound\ta.png\ncat\tc.png\n")
        assert labels_of(opened(file)) == {"a.png": 1, "c.png": 0}
        file = text(tmp_path / "labels.csv", "file;label\na.png;1\nc.png;0\n")
        assert labels_of(opened(file)) == {"a.png": 1, "c.png": 0}

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("path,label,class\na.png,1,1\n", "2 columns that may be the label: 'label', 'class'"),
            ("a.png,1\nc.png,0\n", "no column for the picture, only 'a.png', '1'"),
            ("path,width\na.png,1\n", "no column for the label"),
            ("path,label\na.png\n", "line 2 has no 'path' or no 'label'"),
            ("path,label\nno.png,1\n", "1 of 1 pictures"),
            ("path,label\n", "holds no pictures"),
        ],
    )
    def test_refused(self, tmp_path: Path, content: str, said: str) -> None:
        tree(tmp_path, ["a.png", "c.png"])
        with pytest.raises(UsageError, match=said):
            opened(text(tmp_path / "labels.csv", content))


class TestClassMaps:
    """Somebody wrote down which is which."""

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("map.txt", "my cats 0\npigs 2\n"),
            ("map.txt", "0 my cats\n2 pigs\n"),
            ("map.txt", "my cats\nunused\npigs\n"),
            ("map.json", '{"my cats": 0, "pigs": 2}'),
            ("map.json", '{"0": "my cats", "2": "pigs"}'),
            ("map.json", '{"0": ["n1", "my cats"], "2": ["n2", "pigs"]}'),
            ("map.json", '["my cats", "dogs", "pigs"]'),
            ("map.csv", "name,index\nmy cats,0\npigs,2\n"),
            ("map.csv", "2,pigs\n0,my cats\n"),
        ],
    )
    def test_forms(self, tmp_path: Path, name: str, content: str) -> None:
        data = tree(tmp_path / "data", ["my cats/a.png", "pigs/b.png"])
        found = labels_of(opened(data, class_map=text(tmp_path / name, content)))
        assert found == {"my cats/a.png": 0, "pigs/b.png": 2}

    def test_synsets_with_words(self, tmp_path: Path) -> None:
        data = tree(tmp_path / "data", ["n00000002/a.png", "n00000007/b.png"])
        file = text(tmp_path / "map.txt", "n00000007 cat, domestic\nn00000002 a dog\n")
        assert labels_of(opened(data, class_map=file)) == {
            "n00000002/a.png": 1,
            "n00000007/b.png": 0,
        }

    def test_mends_what_is_off_by_one(self, tmp_path: Path) -> None:
        data = tree(tmp_path / "data", ["1/a.png", "3/b.png"])
        file = text(tmp_path / "map.txt", "1 0\n2 1\n3 2\n")
        assert labels_of(opened(data, class_map=file)) == {"1/a.png": 0, "3/b.png": 2}

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("map.txt", "cat 0\n", "does not have 1 of 2 folders: 'dog'"),
            ("map.txt", "cat 0\ndog 3\n", "'dog' is class 3, and this model has 3"),
            ("map.txt", "cat 0\ndog 1\ncat 2\n", "'cat' as class 0 and as class 2"),
            ("map.txt", "", "names no class"),
            ("map.json", "{", "is not JSON"),
            ("map.json", '"cat"', "neither a mapping nor a list"),
            ("map.json", '{"cat": "0"}', "which is no index"),
            ("map.csv", "name,index\ncat,x\n", "whole numbers"),
            ("none.txt", None, "no such file"),
        ],
    )
    def test_refused(self, tmp_path: Path, name: str, content: str | None, said: str) -> None:
        data = tree(tmp_path / "data", ["cat/a.png", "dog/b.png"])
        if content is not None:
            text(tmp_path / name, content)
        with pytest.raises(UsageError, match=said):
            opened(data, class_map=tmp_path / name)


LABELS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True)


@given(LABELS, st.data())
def test_a_label_is_its_own_class_or_refused(labels: list[str], data: st.DataObject) -> None:
    """Whatever the model's labels are: never another class."""
    names = data.draw(st.lists(st.sampled_from(labels), min_size=1, unique=True))
    try:
        found = class_indices(names, ModelClasses(labels=labels, count=None), None, "folder")
    except UsageError:
        return
    assert found == {name: labels.index(name) for name in names}


def test_a_picture_that_is_none_is_for_the_decoder(tmp_path: Path) -> None:
    tree(tmp_path, ["cat/a.png", "dog/b.png"])
    (tmp_path / "cat" / "a.png").write_bytes(png()[:20])
    assert opened(tmp_path).count == 2


def test_a_link_that_leads_to_itself_is_no_folder(tmp_path: Path) -> None:
    folder = tree(tmp_path / "val", ["0/a.png", "1/b.png"])
    for link in ("0/loop", "0/c.png", "2"):
        (folder / link).symlink_to(Path(link).name)
    data = open_labelled(folder, labels=None, classes=2)
    assert [entry.name for entry in data.entries()] == ["0/a.png", "0/c.png", "1/b.png"]
    assert any("'0/loop', '2'" in note for note in data.notes), data.notes
