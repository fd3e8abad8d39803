"""The doctor's tables agree with constraints.txt and pyproject.toml, and each row is seen."""

import platform
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from planted_packages import driver_with_gpu, finding_of, first_problem, plant_package

from paddleport.doctor import check_installation, installation_check
from paddleport.doctor.assessment import PYTHONS
from paddleport.doctor.checked_packages import load_packages
from paddleport.doctor.known_bad import KnownBadVersions, load_known_bad

ROOT = Path(__file__).parent.parent
CI_PADDLE = "3.3.1"  # .ci/run's second one


def test_tested_versions_are_those_of_the_constraints() -> None:
    pinned: dict[str, set[str]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pinned.setdefault(Requirement(line).name, set()).add(line)
    for part in load_packages():
        wanted = set().union(*(pinned.get(name, set()) for name in part.distributions))
        if part.name == "paddle":
            assert f"paddlepaddle=={CI_PADDLE}" in (ROOT / ".ci/run").read_text()
            wanted |= {f"paddlepaddle=={CI_PADDLE}"}
        assert set(part.tested) == wanted, part.name


def test_wanted_versions_are_those_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text().partition("[project.scripts]")[0]
    asked = {
        found.name: found.specifier
        for line in re.findall(r'^  "([^"]+)",', text, re.MULTILINE)
        if (found := Requirement(line)).specifier
    }
    for part in load_packages():
        specifiers = [asked[name] for name in part.distributions if name in asked]
        assert SpecifierSet(part.wanted) in (specifiers or [SpecifierSet("")]), part.name
    oldest, newest = PYTHONS
    python = re.search(r'requires-python = "([^"]+)"', text)
    assert python is not None
    minors = [f"3.{minor}" for minor in range(6, 20)]
    allowed = [minor for minor in minors if minor in SpecifierSet(python[1])]
    assert (oldest, newest) == (allowed[0], allowed[-1])


def test_packages_stand_after_what_they_import() -> None:
    seen: set[str] = set()
    for part in load_packages():
        assert set(part.imports) <= seen
        seen.add(part.name)


KNOWN_BAD = load_known_bad()


@pytest.mark.parametrize("entry", KNOWN_BAD, ids=lambda entry: entry.problem[:40])
def test_known_bad_versions_apply_only_where_they_are_installed(entry: KnownBadVersions) -> None:
    rows = {"python", *(part.name for part in load_packages())}
    assert entry.part in rows
    found = {name: _example(spec) for name, spec in entry.versions.items()}
    assert entry.applies(found)
    assert entry.fix
    for name, spec in entry.versions.items():
        assert not entry.applies({**found, name: _counterexample(spec)}), name


def _counterexample(spec: str | None) -> str | None:
    if spec is None:
        return "1.0"
    return next((version for version in ("0.1", "99") if version not in SpecifierSet(spec)), None)


def _example(spec: str | None) -> str | None:
    """A version that the entry is about."""
    if spec is None:
        return None
    candidates = ("1.0", "2.6.2", "3.9", "3.13.1", "2.1.0", "3.3.1", "1.18.0", "1.16.0")
    return next(version for version in candidates if version in SpecifierSet(spec))


def test_a_known_bad_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = tuple(part for part in load_packages() if part.name in ("numpy", "onnx", "paddle2onnx"))
    monkeypatch.setattr(installation_check, "load_packages", lambda: parts)
    works = "__version__ = '1.18.0'\ndef load_model(): ..."
    plant_package(tmp_path / "o", monkeypatch, "onnx", "1.18.0", "onnx", works)
    broken = "from onnx import mapping"
    plant_package(tmp_path / "p", monkeypatch, "paddle2onnx", "2.1.0", "paddle2onnx", broken)
    plant_package(tmp_path / "q", monkeypatch, "paddlepaddle", "3.2.2")
    report = check_installation()
    assert (
        first_problem(finding_of(report, "onnx")).text
        == "Paddle2ONNX 2.1.0 refuses onnx above 1.17.0"
    )
    assert "ImportError" in first_problem(finding_of(report, "paddle2onnx")).text
    fixes = {first_problem(finding_of(report, part)).fix for part in ("onnx", "paddle2onnx")}
    assert fixes == {"pip install 'onnx==1.17.0'"}  # not to install Paddle2ONNX again


@pytest.mark.parametrize("device", ["", "-gpu"])
def test_two_packages_of_one_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    parts = tuple(part for part in load_packages() if part.name in ("numpy", "onnxruntime"))
    monkeypatch.setattr(installation_check, "load_packages", lambda: parts)
    if device:
        monkeypatch.setattr(installation_check, "probe_driver", driver_with_gpu)
    source = "__version__ = '1.31.1'\nclass InferenceSession: ..."
    plant_package(tmp_path / "c", monkeypatch, "onnxruntime", "1.32.0", "onnxruntime", source)
    plant_package(tmp_path / "g", monkeypatch, "onnxruntime-gpu", "1.31.1")
    found = finding_of(check_installation(), "onnxruntime")
    assert (found.state, found.found) == ("broken", "1.32.0 and 1.31.1")
    assert "are one module" in first_problem(found).text
    assert first_problem(found).fix.endswith(f"pip install onnxruntime{device}")


@pytest.mark.parametrize(("version", "state"), [("3.9.9", "broken"), ("3.13.0", "broken")])
def test_a_python_that_is_not_supported(
    monkeypatch: pytest.MonkeyPatch, version: str, state: str
) -> None:
    monkeypatch.setattr(installation_check, "load_packages", lambda: load_packages()[:1])
    monkeypatch.setattr(platform, "python_version", lambda: version)
    found = finding_of(check_installation(), "python")
    assert (found.found, found.state) == (version, state)
    assert sys.executable not in first_problem(found).fix
