import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.weights import archive
from paddleport.models.weights.archive import is_archive, unpack, unpacked

Member = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"content") -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def special(name: str, kind: bytes, link: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    return info, b""


def folder(name: str) -> Member:
    return special(name, tarfile.DIRTYPE)


def tar(path: Path, *members: Member, mode: str = "w:") -> Path:
    with tarfile.open(path, mode) as writer:  # type: ignore[call-overload]  # mode is a str
        for info, content in members:
            writer.addfile(info, io.BytesIO(content))
    return path


OFFICIAL = (
    folder("MobileNetV2_infer"),
    file("MobileNetV2_infer/inference.pdmodel", b"program"),
    file("MobileNetV2_infer/inference.pdiparams", b"numbers" * 30_000),
    file("MobileNetV2_infer/inference.pdiparams.info", b""),
)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    path = tmp_path / "target" / "empty"
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize("mode", ["w:", "w:gz"])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_an_archive_as_the_official_ones(
    tmp_path: Path, empty: Path, mode: str, prefix: str
) -> None:
    members = [file(prefix + info.name, data) for info, data in OFFICIAL[1:]]
    path = tar(tmp_path / "a.tar", folder(prefix + "MobileNetV2_infer"), *members, mode=mode)
    assert is_archive(path)
    unpack(path, empty)
    found = {item.name: item.read_bytes() for item in (empty / "MobileNetV2_infer").iterdir()}
    assert found == {Path(info.name).name: data for info, data in OFFICIAL[1:]}


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (file("../out"), "leads out of the folder"),
        (file("a/../../out"), "leads out of the folder"),
        (file("/tmp/paddleport-out"), "leads out of the folder"),
        (file("..\\out"), "leads out of the folder"),
        (file("C:out"), "leads out of the folder"),
        (folder("../out"), "leads out of the folder"),
        (special("link", tarfile.SYMTYPE, "/etc/passwd"), "a link to '/etc/passwd'"),
        (special("link", tarfile.LNKTYPE, "first"), "a link to 'first'"),
        (special("pipe", tarfile.FIFOTYPE), "neither a file nor a folder"),
        (special("device", tarfile.CHRTYPE), "neither a file nor a folder"),
        (special("sparse", tarfile.GNUTYPE_SPARSE), "neither a file nor a folder"),
        (file("first"), "twice"),
        (file("./First"), "twice"),
        (file("first/below"), "below what is a file"),
        (file("bell\a"), "no file name"),
        (file("n" * 201), "no file name"),
    ],
)
def test_a_member_that_means_harm_is_named_and_nothing_is_written_outside(
    tmp_path: Path, empty: Path, member: Member, reason: str
) -> None:
    path = tar(tmp_path / "a.tar", file("first"), member)
    with pytest.raises(ModelFileError) as caught:
        unpack(path, empty)
    message = str(caught.value)
    assert reason in message
    assert repr(member[0].name) in message
    assert "\n" not in message
    assert {item.name for item in tmp_path.rglob("*")} <= {"a.tar", "target", "empty", "first"}
    assert not Path("/tmp/paddleport-out").exists()


def test_a_link_cannot_be_written_through(tmp_path: Path, empty: Path) -> None:
    path = tar(
        tmp_path / "a.tar", special("here", tarfile.SYMTYPE, str(tmp_path)), file("here/out")
    )
    with pytest.raises(ModelFileError, match="a link to"):
        unpack(path, empty)
    assert not (tmp_path / "out").exists()


def test_too_many_members_are_refused(
    tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    unpack(tar(tmp_path / "a.tar", *(file(f"{number}") for number in range(3))), empty)
    with pytest.raises(ModelFileError, match="more than 3 members"):
        unpack(tar(tmp_path / "b.tar", *(file(f"b{number}") for number in range(4))), empty)


def test_a_bomb_is_stopped_while_it_unpacks(
    tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 100_000)
    members = [file(f"{number}", bytes(40_000)) for number in range(4)]
    path = tar(tmp_path / "a.tar", *members, mode="w:gz")
    assert path.stat().st_size < 1000
    with pytest.raises(ModelFileError, match="unpacks to more than 100,000 bytes"):
        unpack(path, empty)
    with pytest.raises(ModelFileError, match="'huge', of 200,000 bytes, more than 100,000"):
        unpack(tar(tmp_path / "b.tar", file("huge", bytes(200_000)), mode="w:gz"), empty)
    assert sum(item.stat().st_size for item in empty.iterdir()) <= 100_000


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def corrupt(data: bytes) -> bytes:
    return data[:300] + b"\xff" * 100 + data[400:]


@pytest.mark.parametrize("damage", [truncate, corrupt, lambda data: b"", lambda data: b"text\n"])
@pytest.mark.parametrize("mode", ["w:", "w:gz"])
def test_a_damaged_archive_is_refused(
    tmp_path: Path, empty: Path, damage: Callable[[bytes], bytes], mode: str
) -> None:
    path = tar(tmp_path / "a.tar", *OFFICIAL, mode=mode)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelFileError, match=r"no tar archive, or is damaged"):
        unpack(path, empty)


def test_archives_are_recognised_by_content(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    for content in (b"", b"{}", b"\0" * 2000, gzip.compress(b"text"), b"\x1f\x8b"):
        path.write_bytes(content)
        assert not is_archive(path), content


def test_unpacked_once_into_the_cache(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", *OFFICIAL)
    first = unpacked(path, cache=tmp_path / "cache")
    program = first / "MobileNetV2_infer" / "inference.pdmodel"
    before = program.stat().st_mtime_ns
    assert unpacked(path, cache=tmp_path / "cache") == first
    assert program.stat().st_mtime_ns == before
    other = tar(tmp_path / "a.tar", file("other"))
    assert unpacked(other, cache=tmp_path / "cache") != first


def test_a_refused_archive_leaves_no_folder(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", file("good"), file("../bad"))
    with pytest.raises(ModelFileError):
        unpacked(path, cache=tmp_path / "cache")
    left = [item for item in (tmp_path / "cache").rglob("*") if not item.name.endswith(".lock")]
    assert left == [tmp_path / "cache" / "unpacked"]


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        unpacked(tmp_path / "none.tar", cache=tmp_path)
