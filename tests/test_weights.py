import io
import pickle
import resource
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from file_server import Server, serving
from mobilenet import mobilenet_card, seeded_state

from paddleport.errors import (
    DownloadError,
    ModelFileError,
    ModelNotFoundError,
    OutputError,
    UsageError,
)
from paddleport.models.paddle.model_builder import build_inference_model
from paddleport.models.paddle.source import find_model
from paddleport.models.weights import obtain as module
from paddleport.models.weights.obtain import obtain, open_source
from paddleport.models.zoo import mobilenet_v2
from paddleport.models.zoo import registry as zoo
from paddleport.models.zoo.model_card import Archive, ModelCard
from paddleport.tensors import Array

NAME, SCALE, CLASSES = "MobileNetV2_x0_25", 0.25, 7
NOWHERE = "http://127.0.0.1:9/nothing.tar"  # the discard port: refused at once


@pytest.fixture(scope="module")
def state() -> dict[str, Array]:
    return seeded_state("weights", SCALE, CLASSES)


@pytest.fixture(scope="module")
def folder(state: dict[str, Array], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inference model as an official archive holds it."""
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    folder = tmp_path_factory.mktemp("official") / f"{NAME}_infer"
    folder.mkdir()
    build_inference_model(mobilenet_card(SCALE), state, folder)
    return folder


@pytest.fixture(scope="module")
def archive(folder: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as writer:
        writer.add(folder, folder.name)
    return stream.getvalue()


@pytest.fixture
def server(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(archive) as server:
        yield server


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy", "PADDLEPORT_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def quick_build(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the content doesn't matter: the same model for whatever is to be built."""

    def seeded(card: object, target: Path, **_: object) -> None:
        shutil.copytree(folder, target, dirs_exist_ok=True)

    def build(card: object, state: object, target: Path, **_: object) -> None:
        shutil.copytree(folder, target, dirs_exist_ok=True)

    monkeypatch.setattr(module, "build_seeded_model", seeded)
    monkeypatch.setattr(module, "build_inference_model", build)


def card(url: str = NOWHERE, sha256: str | None = None) -> ModelCard:
    return replace(zoo.lookup(NAME), archives=(Archive(url, sha256),))


@pytest.mark.parametrize("weights", ["auto", "pretrained"])
def test_pretrained_is_downloaded_once(
    server: Server, folder: Path, tmp_path: Path, weights: str
) -> None:
    told: list[tuple[str, float]] = []
    first = obtain(card(server.url), weights, cache=tmp_path, progress=lambda *at: told.append(at))
    assert first.kind == "pretrained"
    assert first.warning is None
    assert server.url in first.source
    assert first.model.path.read_bytes() == (folder / "inference.json").read_bytes()
    assert told[-1] == (f"downloading {NAME}", 1.0)
    assert obtain(card(server.url), weights, cache=tmp_path) == first
    assert server.asked == [None]


def test_what_is_in_the_cache_needs_no_network(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = obtain(card(server.url), "pretrained", cache=tmp_path)
    monkeypatch.setenv("PADDLEPORT_OFFLINE", "1")
    assert obtain(card(server.url), "auto", cache=tmp_path) == first


@pytest.mark.usefixtures("quick_build")
def test_another_address_is_another_model(server: Server, tmp_path: Path) -> None:
    first = obtain(card(server.url), "pretrained", cache=tmp_path)
    with serving(server.content) as other:
        second = obtain(card(other.url), "pretrained", cache=tmp_path)
    assert second.model.path != first.model.path
    assert (server.url in first.source, other.url in second.source) == (True, True)
    assert obtain(card(NOWHERE), "auto", cache=tmp_path).kind == "seeded"
    with pytest.raises(DownloadError):
        obtain(card(NOWHERE), "pretrained", cache=tmp_path)
    assert obtain(card(server.url), "pretrained", cache=tmp_path) == first


@pytest.mark.usefixtures("quick_build")
def test_auto_falls_back_to_seeded_with_a_warning(tmp_path: Path) -> None:
    obtained = obtain(card(), "auto", cache=tmp_path)
    assert obtained.kind == "seeded"
    assert obtained.warning is not None
    assert "LABELS MEAN NOTHING" in obtained.warning
    assert NOWHERE in obtained.warning
    assert "\n" not in obtained.warning
    asked_for = obtain(card(), "seeded", cache=tmp_path)
    assert asked_for == replace(obtained, warning=None)


def test_the_next_archive_is_tried(server: Server, tmp_path: Path) -> None:
    both = replace(card(), archives=(Archive(NOWHERE), Archive(server.url)))
    obtained = obtain(both, "pretrained", cache=tmp_path)
    assert server.url in obtained.source
    neither = replace(card(), archives=(Archive(NOWHERE), Archive(f"{NOWHERE}.gz")))
    with pytest.raises(DownloadError, match=r"nothing\.tar cannot.*; .*nothing\.tar\.gz cannot"):
        obtain(neither, "pretrained", cache=tmp_path / "other")


def test_a_card_without_an_architecture_has_no_seeded_weights(tmp_path: Path) -> None:
    bare = replace(card(), architecture=None)
    with pytest.raises(UsageError, match="its card names no architecture"):
        obtain(bare, "seeded", cache=tmp_path)
    with pytest.raises(DownloadError, match="Without a connection: your own copy") as caught:
        obtain(bare, "auto", cache=tmp_path)
    assert "--weights seeded" not in str(caught.value)


def test_pretrained_does_not_fall_back(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be reached"):
        obtain(card(), "pretrained", cache=tmp_path)


@pytest.mark.usefixtures("quick_build")
def test_offline_asks_nobody(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_OFFLINE", "1")
    with pytest.raises(DownloadError, match="PADDLEPORT_OFFLINE"):
        obtain(card(server.url), "pretrained", cache=tmp_path)
    assert obtain(card(server.url), "auto", cache=tmp_path).kind == "seeded"
    assert server.asked == []


def test_a_pinned_sha256_is_enforced(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not the pinned"):
        obtain(card(server.url, sha256="0" * 64), "pretrained", cache=tmp_path)
    obtain(card(server.url), "pretrained", cache=tmp_path)
    with pytest.raises(DownloadError, match="not the pinned"):
        obtain(card(server.url, sha256="0" * 64), "pretrained", cache=tmp_path)


def test_an_archive_without_a_model_is_an_error_and_not_kept(
    server: Server, archive: bytes, tmp_path: Path
) -> None:
    server.content = b"<html>sign in to this network</html>"
    server.etag = '"html"'
    with pytest.raises(ModelFileError, match="no tar archive"):
        obtain(card(server.url), "auto", cache=tmp_path)
    server.content = archive
    server.etag = '"archive"'
    assert obtain(card(server.url), "auto", cache=tmp_path).kind == "pretrained"


def test_seeded_is_made_once_and_rebuilt_where_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    first = obtain(card(), "seeded", cache=tmp_path)
    assert (first.kind, first.warning) == ("seeded", None)
    assert first.model.weights_file is not None
    original = first.model.weights_file.read_bytes()
    changed = bytearray(original)
    changed[-1] ^= 1
    first.model.weights_file.write_bytes(changed)
    assert obtain(card(), "seeded", cache=tmp_path) == first
    assert first.model.weights_file.read_bytes() == original

    def never(*args: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(module, "build_seeded_model", never)
    assert obtain(card(), "seeded", cache=tmp_path) == first


@pytest.mark.parametrize("limit_bytes", [2048, 300_000])
def test_a_full_disk_leaves_no_entry(tmp_path: Path, limit_bytes: int) -> None:
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))  # the worker inherits it
    try:
        with pytest.raises(OutputError) as caught:
            obtain(card(), "seeded", cache=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "disk" in str(caught.value) and "full" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("inference.*"))
    obtained = obtain(card(), "seeded", cache=tmp_path)
    assert find_model(obtained.model.path).model.weights_file is not None


@pytest.mark.slow
@pytest.mark.usefixtures("quick_build")
def test_a_new_recipe_or_paddle_does_not_find_the_old_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = obtain(card(), "seeded", cache=tmp_path).model.path
    monkeypatch.setattr(mobilenet_v2, "RECIPE", 0)
    second = obtain(card(), "seeded", cache=tmp_path).model.path
    monkeypatch.setattr(module, "_paddle_version", lambda: "0.0")
    third = obtain(card(), "seeded", cache=tmp_path).model.path
    assert len({first, second, third}) == 3


@pytest.mark.slow
def test_a_checkpoint_with_its_own_number_of_classes(
    state: dict[str, Array], folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "tuned.pdparams"
    path.write_bytes(pickle.dumps(state))
    obtained = obtain(card(), str(path), cache=tmp_path)
    assert (obtained.kind, obtained.source) == ("checkpoint", str(path))
    found = find_model(obtained.model.path)
    assert found.program.parameters["fc10_weights"].shape == (1280, CLASSES)
    assert obtained.model.weights_file is not None
    assert obtained.model.weights_file.read_bytes() == (folder / "inference.pdiparams").read_bytes()
    path.write_bytes(pickle.dumps(state | {"out.bias": np.ones(CLASSES, np.float32)}))
    assert obtain(card(), str(path), cache=tmp_path).sha256 != obtained.sha256


@pytest.mark.usefixtures("quick_build")
@pytest.mark.parametrize("kind", ["seeded", "checkpoint"])
def test_another_network_on_the_card_does_not_find_the_old_entry(
    state: dict[str, Array], tmp_path: Path, kind: str
) -> None:
    weights = kind
    if kind == "checkpoint":
        path = tmp_path / "tuned.pdparams"
        path.write_bytes(pickle.dumps(state))
        weights = str(path)
    known = card()
    spec = known.known_input()
    others = [
        replace(known, classes=10),
        replace(known, input=replace(spec, shape=(1, 3, 64, 64))),
        replace(known, input=replace(spec, name="image")),
    ]
    if kind == "seeded":
        others.append(replace(known, arguments={"scale": 0.5}))
    made = [obtain(one, weights, cache=tmp_path).model.path for one in (known, *others)]
    assert len(set(made)) == len(made)
    retitled = replace(known, licence="other")
    assert obtain(retitled, weights, cache=tmp_path).model.path == made[0]


def test_a_checkpoint_of_another_width(state: dict[str, Array], tmp_path: Path) -> None:
    path = tmp_path / "tuned.pdparams"
    path.write_bytes(pickle.dumps(state))
    with pytest.raises(ModelFileError, match=r"at scale 1: conv1._conv.weight has the shape"):
        obtain(zoo.lookup("MobileNetV2"), str(path), cache=tmp_path)
    assert not [item for item in tmp_path.rglob("*") if item.name.startswith("inference")]


def test_the_user_s_own_folder_and_archive(folder: Path, archive: bytes, tmp_path: Path) -> None:
    path = tmp_path / "own.tar"
    path.write_bytes(archive)
    by_folder = obtain(card(), str(folder), cache=tmp_path)
    by_archive = obtain(card(), str(path), cache=tmp_path)
    assert (by_folder.kind, by_archive.kind) == ("own", "own")
    assert by_folder.model.path == folder / "inference.json"
    assert by_archive.sha256 == by_folder.sha256
    assert open_source(path, cache=tmp_path).model == by_archive.model


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="nor one of auto, pretrained, seeded"):
        obtain(card(), "seedet", cache=tmp_path)
