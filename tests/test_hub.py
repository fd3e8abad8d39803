"""Weights from the Hugging Face hub: huggingface_hub itself, against a server on this machine."""

import hashlib
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import skip_or_fail
from hub_server import REPOSITORY, REVISION, Hub, hub_of

from paddleport.errors import DownloadError, ModelFileError
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.weights import hub as module
from paddleport.models.weights.download import MAX_BYTES
from paddleport.models.weights.hub import take_from_hub
from paddleport.models.weights.pretrained import pretrained_model
from paddleport.models.zoo.model_card import Archive, ModelCard
from paddleport.progress import no_progress

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
NOWHERE = "http://127.0.0.1:9/nothing.tar"  # the discard port: refused at once
FILES = {
    "inference.json": b'{"made": "up"}',
    "inference.pdiparams": bytes(range(256)) * 2000,
    "inference.yml": b"Global: {}\n",
    "README.md": b"# not wanted\n",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    if find_spec("huggingface_hub") is None:
        skip_or_fail("huggingface_hub", "pip install 'paddleport[hub]'")
    for name in (*PROXIES, *map(str.lower, PROXIES), "PADDLEPORT_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf_home"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with hub_of(FILES) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def card(*archives: Archive) -> ModelCard:
    return ModelCard(name="made-up", family="made-up", task="detection", archives=archives)


def taken(tmp_path: Path, max_bytes: int = MAX_BYTES) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    take_from_hub(REPOSITORY, target, downloads=tmp_path / "downloads", max_bytes=max_bytes)
    return target


def test_the_model_s_files_and_nothing_else(hub: Hub, tmp_path: Path) -> None:
    target = tmp_path / "target"
    told: list[tuple[int, int | None]] = []
    target.mkdir()
    listing = take_from_hub(
        REPOSITORY,
        target,
        downloads=tmp_path / "downloads",
        progress=lambda *at: told.append(at),
    )
    assert listing.revision == REVISION
    found = {file.name: file.read_bytes() for file in target.iterdir()}
    assert found == {name: content for name, content in FILES.items() if name != "README.md"}
    assert not any(file.is_symlink() for file in target.iterdir())
    total = sum(map(len, found.values()))
    assert told[-1] == (total, total)
    assert not list((tmp_path / "downloads").rglob("inference*"))  # not there twice
    assert not any("authorization" in headers for headers in hub.headers_seen)
    assert not any("telemetry" in path for _, path, _ in hub.asked)


def test_a_cut_connection_is_resumed(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = [1000, 100_000]  # the program's is whole, the parameters' is cut
    taken(tmp_path)
    starts = [start for name, start in hub.bytes_asked() if name == "inference.pdiparams"]
    assert starts == [None, "bytes=100000-"]


def test_the_next_call_goes_on_from_there(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = [1000, 100_000, *[0] * 20]
    with pytest.raises(DownloadError):
        taken(tmp_path)
    hub.cut_after.clear()
    hub.asked.clear()
    target = tmp_path / "target"
    take_from_hub(REPOSITORY, target, downloads=tmp_path / "downloads")
    assert (target / "inference.pdiparams").read_bytes() == FILES["inference.pdiparams"]
    fetched = [item for item in hub.bytes_asked() if item[0].startswith("inference.")]
    assert fetched[0] == ("inference.pdiparams", "bytes=100000-")


@pytest.mark.parametrize("name", ["inference.json", "inference.pdiparams"])
def test_other_bytes_than_listed_are_thrown_away(hub: Hub, tmp_path: Path, name: str) -> None:
    content = FILES[name]
    hub.sends = {name: content[:-1] + bytes([content[-1] ^ 1])}
    with pytest.raises(DownloadError, match=f"{name} is not the file that it lists"):
        taken(tmp_path)
    assert list((tmp_path / "target").iterdir()) == []
    hub.sends = {}
    take_from_hub(REPOSITORY, tmp_path / "target", downloads=tmp_path / "downloads")


def test_more_bytes_than_listed_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.sends = {"inference.pdiparams": FILES["inference.pdiparams"] * 50}
    with pytest.raises(DownloadError, match="25,600,000 bytes, more than 512,000"):
        taken(tmp_path)
    received = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert received < 1_000_000  # not the 25.6 MB that were sent


def test_a_large_repository_is_refused_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="512,025 bytes, more than 100,000"):
        taken(tmp_path, max_bytes=100_000)
    assert hub.bytes_asked() == [("made-up", None)]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"made-up": 404}, "there is no such repository"),
        ({"made-up": 500}, "500"),
        ({"inference.pdiparams": 404}, "404"),
    ],
)
def test_a_refusal_is_one_line(hub: Hub, tmp_path: Path, fault: dict[str, int], said: str) -> None:
    hub.status = fault
    with pytest.raises(DownloadError, match=said) as caught:
        taken(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_repository_without_a_program(hub: Hub, tmp_path: Path) -> None:
    del hub.files["inference.json"]
    with pytest.raises(DownloadError, match=r"neither inference\.json nor inference\.pdmodel"):
        taken(tmp_path)


def test_of_both_formats_one_is_taken(hub: Hub, tmp_path: Path) -> None:
    hub.files["inference.pdmodel"] = b"the same in the older format"
    assert not (taken(tmp_path) / "inference.pdmodel").exists()


def test_every_source_is_named_and_the_next_is_tried(
    hub: Hub, tmp_path: Path, small_pir: Artifact
) -> None:
    hub.files |= {
        "inference.json": small_pir.path.read_bytes(),
        "inference.pdiparams": small_pir.files[1].read_bytes(),
    }
    known = card(Archive(NOWHERE), Archive(huggingface=REPOSITORY))
    got = pretrained_model(known, tmp_path, no_progress)
    files = sorted(path for path in got.found.model.path.parent.iterdir())
    assert got.source == (
        f"{hub.url}/{REPOSITORY} (revision {REVISION}, files sha256 {sha256(files)})"
    )
    record = json.loads((files[0].parent.parent / "download.json").read_text())
    digest = hashlib.sha256(small_pir.files[1].read_bytes()).hexdigest()
    assert record["files"]["inference.pdiparams"] == digest
    hub.asked.clear()
    assert pretrained_model(known, tmp_path, no_progress).source == got.source
    assert hub.asked == []  # from the cache


def test_no_source_at_all(hub: Hub, tmp_path: Path) -> None:
    hub.status = {"made-up": 404}
    known = card(Archive(NOWHERE), Archive(huggingface=REPOSITORY))
    with pytest.raises(DownloadError) as caught:
        pretrained_model(known, tmp_path, no_progress)
    said = str(caught.value)
    assert said.startswith("none of the 2 sources of made-up gave its weights: (1) ")
    assert NOWHERE in said and f"(2) https://huggingface.co/{REPOSITORY}: there is no" in said
    assert "\n" not in said
    hub.status = {}
    with pytest.raises(ModelFileError, match=r"from https://huggingface\.co"):
        pretrained_model(known, tmp_path, no_progress)  # the made-up program is none


def test_offline_asks_nobody(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_OFFLINE", "1")
    with pytest.raises(DownloadError, match="PADDLEPORT_OFFLINE"):
        pretrained_model(card(Archive(huggingface=REPOSITORY)), tmp_path, no_progress)
    assert hub.asked == []


def test_without_the_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(DownloadError, match=r"made-up: .*pip install 'paddleport\[hub\]'"):
        pretrained_model(card(Archive(huggingface=REPOSITORY)), tmp_path, no_progress)
