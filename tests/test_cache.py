import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from paddleport.errors import ModelFileError, OutputError
from paddleport.models import cache as module
from paddleport.models.cache import MANIFEST, cache_dir, cached_folder, is_intact, locked


def build(folder: Path) -> None:
    with (folder.parent.parent / "builds").open("a") as log:
        log.write("x")
    (folder / "model").mkdir()
    (folder / "model" / "program").write_bytes(b"program")
    time.sleep(0.2)
    (folder / "model" / "params").write_bytes(b"params")


def builds(cache: Path) -> int:
    return len((cache / "builds").read_text())


def test_the_environment_decides_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "here"))
    assert cache_dir() == tmp_path / "here"
    monkeypatch.delenv("PADDLEPORT_CACHE")
    assert cache_dir().name == "paddleport"


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    folder = cached_folder("kind/entry", build, cache=tmp_path)
    assert folder == tmp_path / "kind" / "entry"
    assert cached_folder("kind/entry", build, cache=tmp_path) == folder
    assert builds(tmp_path) == 1


def damage_changed(folder: Path) -> None:
    (folder / "model" / "params").write_bytes(b"Params")


def damage_missing(folder: Path) -> None:
    (folder / "model" / "params").unlink()


def damage_added(folder: Path) -> None:
    (folder / "model" / "inference.yml").write_text("scale: 1")


def damage_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


def damage_half_written(folder: Path) -> None:
    (folder / MANIFEST).unlink()


@pytest.mark.parametrize(
    "damage",
    [damage_changed, damage_missing, damage_added, damage_manifest, damage_half_written],
)
def test_an_entry_that_is_not_as_built_is_built_again(tmp_path: Path, damage: Any) -> None:
    folder = cached_folder("kind/entry", build, cache=tmp_path)
    assert is_intact(folder)
    damage(folder)
    assert not is_intact(folder)
    assert cached_folder("kind/entry", build, cache=tmp_path) == folder
    assert builds(tmp_path) == 2
    assert {item.name for item in (folder / "model").iterdir()} == {"program", "params"}
    assert (folder / "model" / "params").read_bytes() == b"params"


@pytest.mark.parametrize("error", [ModelFileError("no"), KeyboardInterrupt()])
def test_a_build_that_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise error

    with pytest.raises(type(error)):
        cached_folder("kind/entry", fail, cache=tmp_path)
    assert [item.name for item in (tmp_path / "kind").iterdir()] == [".entry.lock"]


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    leftover = tmp_path / "kind" / ".entry.0123.building"
    leftover.mkdir(parents=True)
    other = tmp_path / "kind" / ".another.0123.building"
    other.mkdir()
    cached_folder("kind/entry", build, cache=tmp_path)
    assert not leftover.exists()
    assert other.exists()


def ask(cache: Path) -> None:
    folder = cached_folder("kind/entry", build, cache=cache)
    assert (folder / "model" / "params").read_bytes() == b"params"


def test_of_processes_that_ask_at_once_one_builds_and_all_succeed(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=ask, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert builds(tmp_path) == 1


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="PADDLEPORT_CACHE"):
        cached_folder("kind/entry", build, cache=tmp_path / "file")


def test_a_full_disk(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left on device"):
        cached_folder("kind/entry", fill, cache=tmp_path)


def test_a_lock_that_is_never_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 0.2)
    with (
        locked(tmp_path / "entry"),
        pytest.raises(OutputError, match="another process has held"),
        locked(tmp_path / "entry"),
    ):
        pass
