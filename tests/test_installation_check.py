"""The installation check: each planted fault is seen, named and given its command."""

import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import skip_or_fail
from planted_packages import finding_of, first_problem, plant_package

from paddleport.convert.ncnn.pnnx_binary import pnnx_wheel
from paddleport.doctor import InstallationReport, check_installation, installation_check
from paddleport.doctor.checked_packages import CheckedPackage, load_packages

pytestmark = pytest.mark.slow

WORKS = "__version__ = '{version}'\ndef load_model(): ...\n"


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at onnx alone: importing the rest takes seconds and is not what is tested."""
    _look_at(monkeypatch, "numpy", "onnx")


def _look_at(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    parts = tuple(part for part in load_packages() if part.name in names)
    monkeypatch.setattr(installation_check, "load_packages", lambda: parts)


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
    plant_package(tmp_path, monkeypatch, "onnx", "1.17.0", "onnx", source)
    report = check_installation()
    found = finding_of(report, "onnx")
    assert (found.state, report.fits) == ("broken", False)
    assert text in first_problem(found).text
    assert first_problem(found).fix == "pip install --force-reinstall --no-deps 'onnx==1.17.0'"


@pytest.mark.usefixtures("only")
def test_an_import_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_package(tmp_path, monkeypatch, "onnx", "1.17.0", "onnx", "import time; time.sleep(600)")
    started = time.monotonic()
    found = finding_of(check_installation(timeout_s=2), "onnx")
    assert first_problem(found).text == "importing onnx gave no answer within 2 s"
    assert found.state == "broken"
    assert time.monotonic() - started < 10


@pytest.mark.usefixtures("only")
def test_a_missing_dependency_is_installed_without_a_reinstall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_package(tmp_path, monkeypatch, "onnx", "1.17.0", "onnx", "import no_such_protobuf")
    assert (
        first_problem(finding_of(check_installation(), "onnx")).fix == "pip install 'onnx==1.17.0'"
    )


def test_an_empty_folder_is_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what uninstalling one of two packages that share a module leaves
    plant_package(tmp_path, monkeypatch, "ghost", "1.0")
    (tmp_path / "ghost").mkdir()
    part = CheckedPackage(
        name="ghost", module="ghost", distributions=("ghost",), purpose="haunts", wanted=">=1.0"
    )
    monkeypatch.setattr(installation_check, "load_packages", lambda: (*load_packages()[:1], part))
    found = finding_of(check_installation(), "ghost")
    assert (found.state, found.found) == ("broken", "1.0")
    assert "only an empty folder is left" in first_problem(found).text
    assert first_problem(found).fix == "pip install --force-reinstall --no-deps 'ghost==1.0'"
    (tmp_path / "ghost").rmdir()
    assert (
        first_problem(finding_of(check_installation(), "ghost")).text
        == "is installed, and its module is not there"
    )


@pytest.mark.usefixtures("only")
def test_a_broken_import_is_blamed_on_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_package(
        tmp_path / "n", monkeypatch, "numpy", "2.4.6", "numpy", "raise ImportError('ABI')"
    )
    plant_package(tmp_path / "o", monkeypatch, "onnx", "1.17.0", "onnx", "import numpy")
    report = check_installation()
    assert "ABI" in first_problem(finding_of(report, "onnx")).text
    for part in ("numpy", "onnx", "driver"):  # runners.gpu imports numpy as well
        assert "--no-deps 'numpy==" in first_problem(finding_of(report, part)).fix


def test_nothing_is_imported_into_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _look_at(monkeypatch, "numpy", "polygraphy")
    plant_package(
        tmp_path, monkeypatch, "polygraphy", "0.53.6", "polygraphy", "__version__ = '0.53.6'"
    )
    monkeypatch.delitem(sys.modules, "polygraphy", raising=False)
    assert finding_of(check_installation(), "polygraphy").state == "ok"
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
def test_installed_version_against_tested_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str, text: str
) -> None:
    monkeypatch.setattr(installation_check, "load_known_bad", lambda: ())
    plant_package(tmp_path, monkeypatch, "onnx", version, "onnx", WORKS.format(version=version))
    report = check_installation()
    found = finding_of(report, "onnx")
    assert (found.found, found.state, report.fits) == (version, state, True)
    if text:
        assert first_problem(found).text == text
        assert first_problem(found).fix == "pip install 'onnx==1.17.0'"


def test_package_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    part = CheckedPackage(
        name="ghost",
        module="no_such_ghost",
        distributions=("no-such-ghost",),
        purpose="haunts",
        install="pip install x",
    )
    monkeypatch.setattr(installation_check, "load_packages", lambda: (*load_packages()[:1], part))
    report = check_installation()
    found = finding_of(report, "ghost")
    assert (found.state, found.found, report.fits) == ("missing", "", True)
    assert (first_problem(found).text, first_problem(found).fix) == (
        "is not installed; it haunts",
        part.install,
    )


def test_progress_names_each_check(monkeypatch: pytest.MonkeyPatch) -> None:
    _look_at(monkeypatch, "numpy")
    reported: dict[str, float | None] = {}
    assert isinstance(check_installation(progress=reported.__setitem__), InstallationReport)
    assert set(reported) == {"numpy", "paddle-lite", "C++", "driver", "CUDA", "cuDNN"}
    assert max(share or 0 for share in reported.values()) == 1


def test_report_describes_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    _look_at(monkeypatch, "numpy")
    machine = check_installation().machine
    assert isinstance(machine, Mapping)
    assert set(machine) == {"paddleport", "system", "release", "architecture", "cpus", "gpus"}
    assert machine["cpus"] >= 1


def test_ncnns_converter_is_in_the_cache_or_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _look_at(monkeypatch, "numpy", "ncnn")
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path))
    if find_spec("ncnn") is None:
        skip_or_fail("ncnn", "it is not installed")
    found = finding_of(check_installation(), "pnnx")
    assert (found.state, found.found) == ("missing", "")
    command = first_problem(found).fix
    assert f"pnnx=={found.tested} -d {tmp_path / 'pnnx'}" in command
    wheel = tmp_path / "pnnx" / pnnx_wheel().file
    wheel.parent.mkdir()
    wheel.touch()
    found = finding_of(check_installation(), "pnnx")
    assert (found.state, found.found, found.problems) == ("ok", found.tested, ())
