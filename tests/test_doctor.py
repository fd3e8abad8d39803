"""The doctor: planted faults, each of which must be seen, named and given its command."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from ailing import first, plant, row

from paddleport.doctor import Diagnosis, examination, examine
from paddleport.doctor.parts import Part, load_parts

WORKS = "__version__ = '{version}'\ndef load_model(): ...\n"


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at onnx alone: importing the rest takes seconds and is not what is tested."""
    _look_at(monkeypatch, "numpy", "onnx")


def _look_at(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    parts = tuple(part for part in load_parts() if part.name in names)
    monkeypatch.setattr(examination, "load_parts", lambda: parts)


@pytest.mark.usefixtures("only")
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("raise ImportError('libGL.so.1: not found')", "fails: ImportError: libGL.so.1: not found"),
        ("1 / 0", "fails: ZeroDivisionError: division by zero"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with SIGSEGV"),
        ("import sys; print('said'); sys.exit(3)", "ended with exit 3: said"),
        ("__version__ = '1.17.0'", "is of no use: it has no load_model"),
        ("__version__ = '1.16.0'\ndef load_model(): ...", "what is imported is 1.16.0"),
    ],
)
def test_a_module_that_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, text: str
) -> None:
    plant(tmp_path, monkeypatch, "onnx", "1.17.0", "onnx", source)
    diagnosis = examine()
    found = row(diagnosis, "onnx")
    assert (found.state, diagnosis.fits) == ("broken", False)
    assert text in first(found).text
    assert first(found).mend == "pip install --force-reinstall --no-deps 'onnx==1.17.0'"


@pytest.mark.usefixtures("only")
def test_an_import_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, monkeypatch, "onnx", "1.17.0", "onnx", "import time; time.sleep(600)")
    started = time.monotonic()
    found = row(examine(timeout_s=2), "onnx")
    assert first(found).text == "importing onnx gave no answer within 2 s"
    assert found.state == "broken"
    assert time.monotonic() - started < 10


@pytest.mark.usefixtures("only")
def test_what_a_package_lacks_is_installed_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, monkeypatch, "onnx", "1.17.0", "onnx", "import no_such_protobuf")
    assert first(row(examine(), "onnx")).mend == "pip install 'onnx==1.17.0'"


def test_an_empty_folder_is_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what uninstalling one of two packages that share a module leaves
    plant(tmp_path, monkeypatch, "ghost", "1.0")
    (tmp_path / "ghost").mkdir()
    part = Part("ghost", "ghost", ("ghost",), "haunts", wanted=">=1.0")
    monkeypatch.setattr(examination, "load_parts", lambda: (*load_parts()[:1], part))
    found = row(examine(), "ghost")
    assert (found.state, found.found) == ("broken", "1.0")
    assert "only an empty folder is left" in first(found).text
    assert first(found).mend == "pip install --force-reinstall --no-deps 'ghost==1.0'"
    (tmp_path / "ghost").rmdir()
    assert first(row(examine(), "ghost")).text == "is installed, and its module is not there"


@pytest.mark.usefixtures("only")
def test_a_broken_import_is_blamed_on_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "n", monkeypatch, "numpy", "2.4.6", "numpy", "raise ImportError('ABI')")
    plant(tmp_path / "o", monkeypatch, "onnx", "1.17.0", "onnx", "import numpy")
    diagnosis = examine()
    assert "ABI" in first(row(diagnosis, "onnx")).text
    for part in ("numpy", "onnx", "driver"):  # runners.gpu imports numpy as well
        assert "--no-deps 'numpy==" in first(row(diagnosis, part)).mend


def test_nothing_is_imported_into_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _look_at(monkeypatch, "numpy", "polygraphy")
    plant(tmp_path, monkeypatch, "polygraphy", "0.53.6", "polygraphy", "__version__ = '0.53.6'")
    monkeypatch.delitem(sys.modules, "polygraphy", raising=False)
    assert row(examine(), "polygraphy").state == "ok"
    assert "polygraphy" not in sys.modules


@pytest.mark.usefixtures("only")
@pytest.mark.parametrize(
    ("version", "state", "text"),
    [
        ("1.17.0", "ok", ""),
        ("1.16.2", "untested", "tested was 1.17.0; this one may work"),
        ("1.18.0", "untested", "paddleport asks for >=1.16,<=1.17.0"),
        ("nightly", "untested", "nothing tells its version"),
    ],
)
def test_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str, text: str
) -> None:
    monkeypatch.setattr(examination, "load_rules", lambda: ())
    plant(tmp_path, monkeypatch, "onnx", version, "onnx", WORKS.format(version=version))
    diagnosis = examine()
    found = row(diagnosis, "onnx")
    assert (found.found, found.state, diagnosis.fits) == (version, state, True)
    if text:
        assert first(found).text == text
        assert first(found).mend == "pip install 'onnx==1.17.0'"


def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part("ghost", "no_such_ghost", ("no-such-ghost",), "haunts", install="pip install x")
    monkeypatch.setattr(examination, "load_parts", lambda: (*load_parts()[:1], part))
    diagnosis = examine()
    found = row(diagnosis, "ghost")
    assert (found.state, found.found, diagnosis.fits) == ("missing", "", True)
    assert (first(found).text, first(found).mend) == ("is not installed; it haunts", part.install)


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _look_at(monkeypatch, "numpy")
    told: dict[str, float | None] = {}
    assert isinstance(examine(progress=told.__setitem__), Diagnosis)
    assert set(told) == {"numpy", "driver", "CUDA", "cuDNN"}
    assert max(share or 0 for share in told.values()) == 1


def test_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    _look_at(monkeypatch, "numpy")
    machine = examine().machine
    assert isinstance(machine, Mapping)
    assert set(machine) == {"paddleport", "system", "release", "architecture", "cpus", "gpus"}
    assert machine["cpus"] >= 1
